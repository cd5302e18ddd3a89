defmodule Mix.Tasks.Pipeline.Doctor do
  @shortdoc "Tells what is wrong with a project and its plugins, and what to do"

  @moduledoc """
  Tells what is wrong with a project and its plugins, and what to do: `Pipeline.Doctor`.

      mix pipeline.doctor

  It shows versions, the native libraries and where they came from, and the schedulers. It looks for what is misconfigured,
  for plugins of the project that cannot be loaded, and for packages that are installed and cannot be used: changed
  files, wrong signatures, versions and platforms that do not fit, modules that two packages have in different versions.
  It fails if there is an error; a warning is only printed.

  The application of the project is not started, so there are no instances to look at, unless with `--start`. To look at
  a release that runs:

      bin/my_app rpc "IO.puts(Pipeline.Doctor.examine())"

  ## Options

    * `--start` - starts the application of the project, and shows its instances: plugins and their health, what is not
      ready, closed points whose guards are down, open circuits
    * `--json` - prints `Pipeline.Doctor.to_json/1`
    * `--packages DIR` - the folder of the packages, by default `config :pipeline_plugin, packages: "DIR"`
    * `--trust KEY` - as for `mix pipeline.verify`
    * `--no-compile` - does not compile the project first
  """

  use Mix.Task

  alias Mix.Pipeline.PackageCommand
  alias Mix.Tasks.Pipeline.Plugins
  alias Pipeline.{Doctor, Foreign}
  alias Pipeline.Plugin.Discovery
  alias Pipeline.Plugin.Graph.Label

  @impl Mix.Task
  def run(args) do
    {[], opts} = PackageCommand.parse!("pipeline.doctor", args, [], json: :boolean, start: :boolean)

    {start?, opts} = Keyword.pop(opts, :start, false)
    {json?, opts} = Keyword.pop(opts, :json, false)
    not_started = if start?, do: start()

    examined = Doctor.examine([libraries: libraries(), findings: List.wrap(not_started) ++ plugins()] ++ opts)
    Mix.shell().info(if json?, do: Doctor.to_json(examined), else: to_string(examined))

    errors = Enum.count(examined.findings, &(&1.severity == :error))

    if errors > 0,
      do: Mix.raise("pipeline.doctor found #{errors} #{if errors == 1, do: "error", else: "errors"}")
  end

  defp start do
    with app when app != nil <- Mix.Project.config()[:app],
         {:error, reason} <- Application.ensure_all_started(app) do
      finding(:error, "#{app} does not start: #{Foreign.term(reason)}", "mend what the reason names")
    else
      _ -> nil
    end
  end

  # Those that the project builds, loaded or not.
  defp libraries do
    for {_crate, opts} <- Mix.Project.config()[:pipeline_native] || [], module = opts[:module], do: module
  end

  defp plugins do
    {found, _unreadable} = Plugins.discover(Plugins.project_paths())

    for {plugin, {:unloadable, sentence}} <- Discovery.diagnose(found) do
      why = sentence |> Label.lines() |> Enum.join(" ")

      finding(
        :warning,
        "#{Label.plugin(plugin.manifest)} cannot be loaded with the other plugins of the project: #{why}",
        "mix pipeline.plugins shows all plugins with their files"
      )
    end
  end

  defp finding(severity, problem, advice) do
    %{severity: severity, area: :plugins, problem: problem, advice: advice}
  end
end
