defmodule Mix.Tasks.Pipeline.Verify do
  @shortdoc "Checks the files and the signature of a package"

  @moduledoc """
  Checks the files and the signature of a package that is installed, or of an archive.

      mix pipeline.verify NAME
      mix pipeline.verify greeter-1.0.0.plugin.tar.gz --trust release.key.pub

  ## Options

    * `--packages DIR` - the folder of the packages, by default `config :pipeline_plugin, packages: "DIR"`
    * `--no-compile` - does not compile the project first
    * `--trust KEY` - a public key, or a file with one, that must have signed. May be given several times; by default
      `config :pipeline_plugin, trust: [...]`
  """

  use Mix.Task

  alias Mix.Pipeline.PackageCommand
  alias Pipeline.Package

  @impl Mix.Task
  def run(args) do
    {[source], opts} = PackageCommand.parse!("pipeline.verify", args, ["SOURCE"])
    info = source |> Package.verify(opts) |> PackageCommand.value!()
    signed = if info.signed_by, do: "signed by #{info.signed_by}", else: "not signed"
    Mix.shell().info("#{info.name} #{info.version} is whole, and #{signed}")
  end
end
