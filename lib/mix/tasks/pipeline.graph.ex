defmodule Mix.Tasks.Pipeline.Graph do
  @shortdoc "Draws what plugins depend on and the hook chains they make"

  @moduledoc """
  Draws what the plugins found in BEAM files depend on, and the hook chains they make.

      mix pipeline.graph [PATH...] [--format text|mermaid|dot|svg|json] [--output FILE]

  Paths are those of `mix pipeline.plugins`; without one, the code of the project and of its dependencies is looked
  through.

  Dependencies stand in manifests. The order of hooks does not: for the chains, the code of the plugins that
  can be loaded together is loaded, and put in order as an instance would do it. None is started. A plugin whose code or
  native library does not load is left out of the chains, with what needs it, and a warning says so.

  A program draws the same, and a running instance, with `Pipeline.Plugin.Graph`.

  ## Options

    * `--format` - `text` (default), `mermaid`, `dot`, `json` or `svg`, which takes Graphviz
    * `--json` - the same as `--format json`
    * `--output` - the file to write, in place of the terminal
    * `--only` - `dependencies` or `chains`; with `dependencies` no code is loaded
    * `--no-compile` - does not compile the project first
  """

  use Mix.Task

  alias Mix.Tasks.Pipeline.Plugins
  alias Pipeline.Foreign
  alias Pipeline.Package.Server
  alias Pipeline.Plugin.{Discovery, Graph}
  alias Pipeline.Plugin.Graph.Label

  @parts ["dependencies", "chains"]

  @impl Mix.Task
  def run(args) do
    {paths, opts} = Plugins.parse!(args, format: :string, output: :string, only: :string, json: :boolean)
    format = format!(opts[:format] || if(opts[:json], do: "json", else: "text"))
    only = only!(opts[:only])

    {found, unreadable} = Plugins.discover(paths)

    for %{path: path, message: message} <- unreadable,
        do: warn("no plugin in #{Foreign.path(path)}: #{message}")

    manifests = if only == "chains", do: [], else: Enum.map(found, & &1.manifest)
    chains = if only == "dependencies", do: [], else: chains(found)

    case manifests |> Graph.new(chains: chains) |> Graph.render(format) do
      {:ok, drawing} -> write(drawing, opts[:output])
      {:error, error} -> Mix.raise(Exception.message(error))
    end
  end

  defp format!(name) do
    Enum.find(Graph.formats(), &(Atom.to_string(&1) == name)) ||
      Mix.raise("--format is one of #{Enum.join(Graph.formats(), ", ")}, got: #{name}")
  end

  defp only!(part) when part == nil or part in @parts, do: part
  defp only!(part), do: Mix.raise("--only is one of #{Enum.join(@parts, ", ")}, got: #{part}")

  # A plugin that does not load takes only itself out, and what needs it. `Discovery.diagnose/1` finds that.
  defp chains(found) do
    {:ok, _} = start_server()
    chains_of(found, MapSet.new())
  end

  defp chains_of(found, warned) do
    diagnosed = Discovery.diagnose(found)
    loadable = for {plugin, :loadable} <- diagnosed, do: plugin
    unloadable = for {plugin, {:unloadable, sentence}} <- diagnosed, do: {plugin, sentence}
    for {plugin, sentence} <- unloadable, plugin.path not in warned, do: left_out(plugin, sentence)
    warned = for {plugin, _} <- unloadable, into: warned, do: plugin.path

    with {:ok, modules} <- Discovery.load_code(loadable), {:ok, chains} <- Graph.chains(modules) do
      chains
    else
      {:error, error} ->
        case Enum.split_with(loadable, &at_fault?(&1, error)) do
          {[], _} ->
            warn("the chains are left out: #{Exception.message(error)}")
            []

          {at_fault, _} ->
            for plugin <- at_fault, do: left_out(plugin, Exception.message(error))
            chains_of(found -- at_fault, warned)
        end
    end
  end

  # It loads the code, and no application is started.
  defp start_server do
    if pid = Process.whereis(Server), do: {:ok, pid}, else: Server.start_link([])
  end

  defp at_fault?(%{module: module}, %{module: at_fault}) when at_fault != nil do
    name(module) == name(at_fault)
  end

  defp at_fault?(_plugin, _error), do: false

  defp name({:unknown_atom, name}), do: name
  defp name(name) when is_atom(name), do: Atom.to_string(name)
  defp name(name), do: name

  defp left_out(plugin, sentence) do
    warn("#{Label.plugin(plugin.manifest)} is left out of the chains: #{sentence}")
  end

  defp write(drawing, nil), do: Mix.shell().info(String.trim_trailing(drawing, "\n"))

  defp write(drawing, path) do
    case File.write(path, drawing) do
      :ok -> Mix.shell().info("wrote #{path}")
      {:error, reason} -> Mix.raise("cannot write #{path}: #{:file.format_error(reason)}")
    end
  end

  defp warn(text), do: Mix.shell().error(text |> Label.lines() |> Enum.join("\n"))
end
