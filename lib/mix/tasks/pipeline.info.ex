defmodule Mix.Tasks.Pipeline.Info do
  @shortdoc "Shows a package that is installed"

  @moduledoc """
  Shows a package that is installed: its plugin, who signed it, what it needs and brings.

      mix pipeline.info NAME

  ## Options

    * `--packages DIR` - the folder of the packages, by default `config :pipeline_plugin, packages: "DIR"`
    * `--no-compile` - does not compile the project first
  """

  use Mix.Task

  alias Mix.Pipeline.PackageCommand
  alias Pipeline.Package

  @impl Mix.Task
  def run(args) do
    {[name], opts} = PackageCommand.parse!("pipeline.info", args, ["NAME"])
    info = name |> Package.info(Keyword.delete(opts, :trust)) |> PackageCommand.value!()
    info |> PackageCommand.lines() |> Enum.join("\n") |> Mix.shell().info()
  end
end
