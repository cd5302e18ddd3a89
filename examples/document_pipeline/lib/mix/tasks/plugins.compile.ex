defmodule Mix.Tasks.Plugins.Compile do
  @shortdoc "Compiles the plugins below plugins/"

  @moduledoc """
  Compiles each folder below `plugins/` into an `ebin` of its own, apart from the host: as plugins that somebody else
  has built and put there.
  """

  use Mix.Task

  @impl Mix.Task
  def run(_args) do
    Mix.Task.run("compile")

    for folder <- Path.wildcard("plugins/*/") do
      ebin = Path.join([DocumentPipeline.plugin_dir(), Path.basename(folder), "ebin"])
      compile(Path.wildcard(folder <> "/**/*.ex"), ebin)
    end

    :ok
  end

  defp compile(sources, ebin) do
    library = Application.app_dir(:pipeline_plugin, "ebin")
    # What a plugin is made of: its own sources and the library's macros.
    needed = sources ++ Path.wildcard(library <> "/Elixir.Pipeline.Plugin*.beam")

    if Mix.Utils.stale?(needed, [Path.join(ebin, ".compiled")]) do
      File.mkdir_p!(ebin)
      arguments = ["-pa", library, "-o", ebin | sources]

      case System.cmd("elixirc", arguments, stderr_to_stdout: true) do
        {_, 0} -> File.touch!(Path.join(ebin, ".compiled"))
        {output, _} -> Mix.raise("could not compile the plugin in #{hd(sources)}:\n#{output}")
      end
    end
  end
end
