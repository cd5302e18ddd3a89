defmodule Mix.Tasks.Pipeline.Plugins do
  @shortdoc "Lists the plugins that are found, and what keeps them from being loaded"

  @moduledoc """
  Lists the plugins that are found in BEAM files, and what keeps them from being loaded.

      mix pipeline.plugins [PATH...]

  A path is what `Pipeline.Plugin.Discovery.discover_plugins/2` takes: a directory, a BEAM file, an `.ez` archive or a
  glob in quotes. Without one, the code of the project and of its dependencies is looked through. No plugin is loaded.

  For each plugin it shows id and version, file, capabilities, dependencies, and whether it could be
  loaded with the others and with those of the project: if not, what is missing or contradicts what. Files that claim to
  be plugins and are none, or cannot be read, follow with the reason.

  ## Options

    * `--alone` - judges the plugins of the paths without those of the project
    * `--json` - prints an object: `plugins`, each with `id`, `version`, `path`, `capabilities`, `depends_on`, a `verdict`
      (`loadable`, `passed_over` or `unloadable`) and its `reason`; and `unusable`, each with `path`, `reason`, `message`
    * `--no-compile` - does not compile the project first
  """

  use Mix.Task

  alias Pipeline.{Foreign, JSON}
  alias Pipeline.Plugin.Discovery
  alias Pipeline.Plugin.Graph.Label

  @impl Mix.Task
  def run(args) do
    {paths, opts} = parse!(args, alone: :boolean, json: :boolean)
    {found, unreadable} = discover(paths)
    diagnosed = diagnose(found, opts[:alone] == true)

    if opts[:json],
      do: Mix.shell().info(json(diagnosed, unreadable)),
      else: print_all(diagnosed, unreadable)
  end

  defp print_all(diagnosed, unreadable) do
    for {plugin, verdict} <- diagnosed, do: plugin |> describe(verdict) |> print()
    if unreadable != [], do: print(["Not usable:" | Enum.flat_map(unreadable, &describe_unreadable/1)])
    print([summary(diagnosed, unreadable)])
  end

  # The plugins of the project come first: where not all go together, they stay.
  defp diagnose(found, true), do: Discovery.diagnose(found)

  defp diagnose(found, false) do
    wanted = MapSet.new(found, & &1.path)
    {all, _unreadable} = discover(project_paths())
    {own, rest} = Enum.split_with(found, fn plugin -> Enum.any?(all, &(&1.path == plugin.path)) end)
    others = Enum.reject(all, &(&1.path in wanted))

    for {%{path: path}, _verdict} = judged <- Discovery.diagnose(own ++ others ++ rest),
        path in wanted,
        do: judged
  end

  @doc false
  # The arguments of the tasks that look for plugins: paths, and `--no-compile` beside the task's own options.
  @spec parse!([String.t()], keyword) :: {[Path.t()], keyword}
  def parse!(args, switches \\ []) do
    {opts, paths} = OptionParser.parse!(args, strict: [compile: :boolean] ++ switches)

    if Keyword.get(opts, :compile, true) do
      Mix.Task.run("compile")
    else
      Mix.Task.run("loadpaths", ["--no-compile"])
    end

    {if(paths == [], do: project_paths(), else: paths), Keyword.delete(opts, :compile)}
  end

  @doc false
  @spec discover([Path.t()]) :: {[Discovery.found()], [Discovery.unreadable()]}
  def discover(paths) do
    task = self()
    reference = make_ref()
    {:ok, found} = Discovery.discover_plugins(paths, on_unreadable: &send(task, {reference, &1}))
    {found, received(reference)}
  end

  defp received(reference) do
    receive do
      {^reference, file} -> [file | received(reference)]
    after
      0 -> []
    end
  end

  @doc false
  @spec project_paths() :: [Path.t()]
  def project_paths, do: [Path.join(Mix.Project.build_path(), "lib/*/ebin")]

  defp json(diagnosed, unreadable) do
    JSON.encode(%{
      "plugins" => Enum.map(diagnosed, &json/1),
      "unusable" =>
        for %{path: path, reason: reason, message: message} <- unreadable do
          %{"path" => shown_path(path), "reason" => "#{reason}", "message" => Foreign.line(message)}
        end
    })
  end

  defp json({%{manifest: manifest, path: path}, verdict}) do
    {verdict, reason} = if is_tuple(verdict), do: verdict, else: {verdict, nil}

    %{
      "id" => Label.name(manifest.id),
      "version" => Label.plain(manifest.version),
      "path" => shown_path(path),
      "capabilities" => Enum.map(manifest.capabilities, &capability/1),
      "depends_on" => Enum.map(manifest.dependencies, &dependency/1),
      "verdict" => Atom.to_string(verdict),
      "reason" => reason && reason |> Label.lines() |> Enum.join("\n")
    }
  end

  defp describe(%{manifest: manifest, path: path}, verdict) do
    [first | rest] = describe_verdict(verdict)

    [
      Label.plugin(manifest),
      row("path", shown_path(path)),
      row("capabilities", capabilities(manifest.capabilities)),
      row("depends on", dependencies(manifest.dependencies)),
      row("loadable", first)
      | Enum.map(rest, &row("", &1))
    ]
  end

  defp describe_verdict(:loadable), do: ["yes"]
  defp describe_verdict({:passed_over, sentence}), do: ["no, " <> Label.plain(sentence)]

  defp describe_verdict({:unloadable, sentence}) do
    [first | rest] = Label.lines(sentence)
    ["no: " <> first | rest]
  end

  defp describe_unreadable(%{path: path, reason: reason, message: message}) do
    [first | rest] = Label.lines(message)
    ["  " <> shown_path(path), "    #{reason}: " <> first | Enum.map(rest, &("    " <> &1))]
  end

  defp capabilities([]), do: "none"

  defp capabilities(capabilities), do: Enum.map_join(capabilities, ", ", &capability/1)

  defp capability({name, []}), do: Label.name(name)
  defp capability({name, value}), do: "#{Label.name(name)} #{Label.term(value)}"

  defp dependencies([]), do: "none"
  defp dependencies(dependencies), do: Enum.map_join(dependencies, ", ", &dependency/1)

  defp dependency({_target, opts} = dependency) do
    Label.dependency(dependency) <> if(opts[:optional] == true, do: " (optional)", else: "")
  end

  defp row(name, text), do: "  #{String.pad_trailing(name, 12)}  #{text}"

  defp shown_path(path), do: path |> Path.relative_to_cwd() |> Foreign.path()

  defp summary(diagnosed, unreadable) do
    loadable = Enum.count(diagnosed, fn {_, verdict} -> verdict == :loadable end)
    unusable = if unreadable == [], do: "", else: ", #{count(length(unreadable), "file")} not usable"
    "#{count(length(diagnosed), "plugin")} found, #{loadable} can be loaded#{unusable}"
  end

  defp count(1, noun), do: "1 #{noun}"
  defp count(count, noun), do: "#{count} #{noun}s"

  defp print(lines), do: Mix.shell().info(Enum.join(lines, "\n") <> "\n")
end
