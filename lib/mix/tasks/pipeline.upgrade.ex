defmodule Mix.Tasks.Pipeline.Upgrade do
  @shortdoc "Installs another version of a package in place of those that are installed"

  @moduledoc """
  Installs another version of a package, and takes those out that were installed before.

      mix pipeline.upgrade SOURCE

  The source is that of `mix pipeline.install`. Nothing is taken out unless the new version is installed. This changes the
  folder, not an application that runs: that one is upgraded by `Pipeline.Package.upgrade/3`.

  ## Options

    * `--packages DIR` - the folder of the packages, by default `config :pipeline_plugin, packages: "DIR"`
    * `--no-compile` - does not compile the project first
    * `--trust KEY` and the others of `mix pipeline.install`
  """

  use Mix.Task

  alias Mix.Pipeline.PackageCommand
  alias Pipeline.Package

  @switches [timeout: :integer, max_bytes: :integer, max_unpacked: :integer, max_files: :integer]

  @impl Mix.Task
  def run(args) do
    {[source], opts} = PackageCommand.parse!("pipeline.upgrade", args, ["SOURCE"], @switches)
    info = source |> Package.install(opts ++ [progress: PackageCommand.progress()]) |> PackageCommand.value!()
    folder = Keyword.take(opts, [:packages])
    Mix.shell().info("installed #{info.name} #{info.version}")

    for %{name: name, version: version} <- Package.list(folder), name == info.name, version != info.version do
      PackageCommand.value!(Package.uninstall("#{name}-#{version}", folder))
      Mix.shell().info("uninstalled #{name} #{version}")
    end
  end
end
