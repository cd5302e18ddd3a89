defmodule Mix.Tasks.Pipeline.Doctor do
  @shortdoc "Tells what is wrong with the packages that are installed"

  @moduledoc """
  Tells what is wrong with the packages that are installed: changed files, wrong signatures, versions and platforms that do
  not fit, modules that two packages have in different versions, dependencies that nothing meets.

      mix pipeline.doctor

  It fails if there is anything.

  ## Options

    * `--packages DIR` - the folder of the packages, by default `config :pipeline_plugin, packages: "DIR"`
    * `--no-compile` - does not compile the project first
    * `--trust KEY` - as for `mix pipeline.verify`
  """

  use Mix.Task

  alias Mix.Pipeline.PackageCommand
  alias Pipeline.Package

  @impl Mix.Task
  def run(args) do
    {[], opts} = PackageCommand.parse!("pipeline.doctor", args, [])
    problems = Package.diagnose(opts)
    for {name, sentence} <- problems, do: Mix.shell().error("#{name}: #{sentence}")

    if problems != [],
      do: Mix.raise("#{length(problems)} of the packages in #{opts[:packages]} cannot be used as they are")

    Mix.shell().info("all #{length(Package.list(Keyword.take(opts, [:packages])))} packages are well")
  end
end
