defmodule Mix.Tasks.Pipeline.Gen.Host do
  @shortdoc "Makes an application a host of plugins"

  @moduledoc """
  Makes an application a host of plugins.

      mix pipeline.gen.host
      mix pipeline.gen.host --point admit --point deliver

  It runs in the application's project, which depends on this library. For `my_app` it

    * writes `lib/my_app/hooks.ex` - the spec of the hook points, `MyApp.Hooks`
    * writes `test/my_app/hooks_test.exs` - its test
    * adds the instance `MyApp.Plugins` to the supervision tree in `lib/my_app/application.ex`: before an endpoint of
      Phoenix, otherwise before all other children, so that what uses it starts after it. Move it down, after what the
      plugins themselves need
    * writes `lib/my_app/application.ex` and names it in `mix.exs`, if the application has none

  The instance takes further options from `config :my_app, MyApp.Plugins`, such as `plugins:`, `packages:` and `store:`.

  All files are formatted, compile without warnings, and the test passes as it stands. If an argument is refused, or a
  file does not have the form that is looked for, nothing is written.

  ## Options

    * `--point NAME` - a hook point, in snake case, by default `handle`; may be given several times
    * `--force` - overwrites the spec and its test. The supervision tree is only added to
  """

  use Mix.Task

  alias Mix.Pipeline.{Children, Generated}

  @switches [point: :keep, force: :boolean]
  @usage "mix pipeline.gen.host [--point NAME]"

  @impl Mix.Task
  def run(args) do
    Generated.in_application!("mix pipeline.gen.host")
    {points, force?} = parse!(args)
    assigns = assigns(points)
    files = files(assigns)
    Generated.refuse_existing!(files, force?)
    # All of them are known before the first is written.
    edits = edits(assigns)

    Generated.write!(files, assigns)
    for {file, source} <- edits, do: Mix.Generator.create_file(file, source, force: true)
    Mix.shell().info(next_steps(assigns))
  end

  defp parse!(args) do
    {opts, rest, invalid} = OptionParser.parse(args, strict: @switches)

    case {invalid, rest} do
      {[{option, value} | _], _} -> Mix.raise(Generated.invalid_option(option, value, @switches, @usage))
      {[], [argument | _]} -> Mix.raise("mix pipeline.gen.host takes options only, got: #{argument}")
      {[], []} -> {points!(Keyword.get_values(opts, :point)), opts[:force] || false}
    end
  end

  defp points!([]), do: ["handle"]

  defp points!(points) do
    for point <- points, not (point =~ ~r/\A[a-z][a-z0-9_]*\z/) or point in ["nil", "true", "false"] do
      Mix.raise("a hook point is in snake case, such as admit, got: #{point}")
    end

    Enum.uniq(points)
  end

  defp assigns(points) do
    app = Mix.Project.config()[:app]
    base = app |> Atom.to_string() |> Macro.camelize()
    instance = base <> ".Plugins"

    [
      app: app,
      base: base,
      hooks: base <> ".Hooks",
      instance: instance,
      points: points,
      child:
        "{Pipeline.Plugin.Manager, Application.get_env(#{inspect(app)}, #{instance}, []) ++ " <>
          "[name: #{instance}, hooks: #{base}.Hooks]}"
    ]
  end

  defp files(assigns) do
    app = assigns[:app]

    [{"hooks.ex", "lib/#{app}/hooks.ex"}, {"hooks_test.exs", "test/#{app}/hooks_test.exs"}]
    |> Enum.map(fn {template, target} -> {"pipeline.gen.host/" <> template, target} end)
  end

  defp edits(assigns) do
    case Mix.Project.get().application()[:mod] do
      nil -> [application(assigns), mod(assigns)]
      {module, _argument} -> [supervised(module, assigns)]
    end
  rescue
    # A project need not have application/0.
    UndefinedFunctionError -> [application(assigns), mod(assigns)]
  end

  defp application(assigns) do
    file = "lib/#{assigns[:app]}/application.ex"
    Generated.refuse_existing!([{"application.ex", file}], false)
    {file, Generated.render("pipeline.gen.host/application.ex", file, assigns)}
  end

  defp mod(assigns) do
    with {:ok, source} <- File.read("mix.exs"),
         {:ok, changed} <- Children.add_mod(source, "mod: {#{assigns[:base]}.Application, []}") do
      {"mix.exs", Generated.format(changed, "mix.exs")}
    else
      _ ->
        Mix.raise(
          "application/0 in mix.exs is no list that could be added to, nothing is written: " <>
            "write an application module, name it there with mod:, and run this again"
        )
    end
  end

  defp supervised(module, assigns) do
    file = source_of(module, assigns[:app])
    source = file && File.read!(file)

    cond do
      file == nil ->
        Mix.raise("the file of #{inspect(module)} is not in lib, nothing is written: " <> by_hand(assigns))

      source =~ ~r/\b#{Regex.escape(assigns[:instance])}\b/ ->
        {file, source}

      true ->
        case Children.add(source, assigns[:child]) do
          {:ok, changed} ->
            {file, Generated.format(changed, file)}

          :error ->
            Mix.raise(
              "there is no list children = [...] in #{file}, nothing is written: " <> by_hand(assigns)
            )
        end
    end
  end

  defp by_hand(assigns) do
    "add this to the supervision tree, before what uses plugins, and run this again: #{assigns[:child]}"
  end

  defp source_of(module, app) do
    usual = ["lib/#{app}/application.ex", "lib/#{app}.ex"]
    others = Path.wildcard("lib/**/*.ex") -- usual

    Enum.find(usual ++ others, fn file ->
      File.regular?(file) and File.read!(file) =~ ~r/^\s*defmodule #{Regex.escape(inspect(module))} do/m
    end)
  end

  defp next_steps(assigns) do
    point = hd(assigns[:points])

    """

    #{assigns[:base]} is a host of plugins. Next:

      * mix test
      * run the hook point where plugins are to take part:

            Pipeline.Hook.run(#{assigns[:instance]}, #{inspect(String.to_atom(point))}, %{input: input}, fn context -> ... end)

      * write a plugin: mix pipeline.gen.plugin my_plugin --hooks #{assigns[:hooks]} --point #{point}
      * in .formatter.exs, for mix format to know hookpoint and hook: import_deps: [:pipeline_plugin]
    """
  end
end
