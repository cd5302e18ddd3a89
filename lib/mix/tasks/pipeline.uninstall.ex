defmodule Mix.Tasks.Pipeline.Uninstall do
  @shortdoc "Takes a package out of the folder of packages"

  @moduledoc """
  Takes a package out of the folder of packages.

      mix pipeline.uninstall NAME

  Where several versions are installed, write `NAME-VERSION`.

  ## Options

    * `--packages DIR` - the folder of the packages, by default `config :pipeline_plugin, packages: "DIR"`
    * `--no-compile` - does not compile the project first
  """

  use Mix.Task

  alias Mix.Pipeline.PackageCommand
  alias Pipeline.Package

  @impl Mix.Task
  def run(args) do
    {[name], opts} = PackageCommand.parse!("pipeline.uninstall", args, ["NAME"])
    name |> Package.uninstall(Keyword.delete(opts, :trust)) |> PackageCommand.value!()
    Mix.shell().info("uninstalled #{name}")
  end
end
