defmodule Mix.Tasks.Pipeline.Graph do
  @shortdoc "Draws what plugins depend on and the hook chains they make"

  @moduledoc """
  Draws what the plugins found in BEAM files depend on, and the hook chains they make.

      mix pipeline.graph [PATH...] [--format text|mermaid|dot|svg] [--output FILE]

  Paths are those of `mix pipeline.plugins`; without one, the code of the project and of its dependencies is looked
  through.

  Dependencies stand in manifests. The order of hooks does not: for the chains, the code of the plugins that
  can be loaded together is loaded, and put in order as an instance would do it. None is started.

  A program draws the same, and a running instance, with `Pipeline.Plugin.Graph`.

  ## Options

    * `--format` - `text` (default), `mermaid`, `dot` or `svg`, which takes Graphviz
    * `--output` - the file to write, in place of the terminal
    * `--only` - `dependencies` or `chains`; with `dependencies` no code is loaded
    * `--no-compile` - does not compile the project first
  """

  use Mix.Task

  alias Mix.Tasks.Pipeline.Plugins
  alias Pipeline.Foreign
  alias Pipeline.Plugin.{Discovery, Graph}
  alias Pipeline.Plugin.Graph.Label

  @parts ["dependencies", "chains"]

  @impl Mix.Task
  def run(args) do
    {paths, opts} = Plugins.parse!(args, format: :string, output: :string, only: :string)
    format = format!(opts[:format] || "text")
    only = only!(opts[:only])

    {found, unreadable} = Plugins.discover(paths)

    for %{path: path, message: message} <- unreadable,
        do: warn("no plugin in #{Foreign.path(path)}: #{message}")

    manifests = if only == "chains", do: [], else: Enum.map(found, & &1.manifest)
    chains = if only == "dependencies", do: [], else: chains(found, only)

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

  # Dependencies can be drawn without the chains; chains alone cannot.
  defp chains(found, only) do
    diagnosed = Discovery.diagnose(found)
    loadable = for {plugin, :loadable} <- diagnosed, do: plugin

    for {plugin, {:unloadable, sentence}} <- diagnosed do
      warn("#{Label.plugin(plugin.manifest)} is left out of the chains: #{sentence}")
    end

    with {:ok, modules} <- Discovery.load_code(loadable), {:ok, chains} <- Graph.chains(modules) do
      chains
    else
      {:error, error} when only == "chains" ->
        Mix.raise(Exception.message(error))

      {:error, error} ->
        warn("the chains are left out: #{Exception.message(error)}")
        []
    end
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
