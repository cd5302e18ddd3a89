defmodule Mix.Tasks.Pipeline.Install do
  @shortdoc "Installs a package of a plugin"

  @moduledoc """
  Installs a package of a plugin.

      mix pipeline.install SOURCE

  The source is the path of a package or an `http://` or `https://` URL. All of it is checked before anything is written,
  see `Pipeline.Package`. An instance with this folder can load it then.

  ## Options

    * `--packages DIR` - the folder of the packages, by default `config :pipeline_plugin, packages: "DIR"`
    * `--no-compile` - does not compile the project first
    * `--trust KEY` - a public key, or a file with one, that must have signed. May be given several times; by default
      `config :pipeline_plugin, trust: [...]`
    * `--timeout MS`, `--max-bytes N`, `--max-unpacked N`, `--max-files N` - see `Pipeline.Package`
  """

  use Mix.Task

  alias Mix.Pipeline.PackageCommand
  alias Pipeline.Package

  @switches [timeout: :integer, max_bytes: :integer, max_unpacked: :integer, max_files: :integer]

  @impl Mix.Task
  def run(args) do
    {[source], opts} = PackageCommand.parse!("pipeline.install", args, ["SOURCE"], @switches)
    info = source |> Package.install(opts ++ [progress: PackageCommand.progress()]) |> PackageCommand.value!()
    Mix.shell().info("installed #{info.name} #{info.version} in #{Path.relative_to_cwd(info.path)}")
  end
end
