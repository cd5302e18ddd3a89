defmodule Mix.Tasks.Pipeline.List do
  @shortdoc "Lists the packages that are installed"

  @moduledoc """
  Lists the packages that are installed.

      mix pipeline.list

  ## Options

    * `--packages DIR` - the folder of the packages, by default `config :pipeline_plugin, packages: "DIR"`
    * `--no-compile` - does not compile the project first
  """

  use Mix.Task

  alias Mix.Pipeline.PackageCommand
  alias Pipeline.Package

  @impl Mix.Task
  def run(args) do
    {[], opts} = PackageCommand.parse!("pipeline.list", args, [])
    infos = Package.list(Keyword.delete(opts, :trust))
    for info <- infos, do: Mix.shell().info(PackageCommand.line(info))
    if infos == [], do: Mix.shell().info("no package is installed in #{opts[:packages]}")
  end
end
