defmodule Mix.Tasks.Demo do
  @shortdoc "Runs a document through the pipeline and tells what happened"

  @moduledoc """
  Runs a document through the pipeline and tells what happened.

      mix demo [FILE]

  The default document is the README of Pipeline.Plugin.
  """

  use Mix.Task

  alias DocumentPipeline.Report
  alias Pipeline.Plugin.{Loader, Manager}

  @late "strict_redactor"

  @impl Mix.Task
  def run(args) do
    Mix.Task.run("app.start")
    Mix.Task.run("plugins.compile")
    {path, text} = document(args)

    {found, late} = DocumentPipeline.discover(late: [@late])
    Report.found(found ++ late)

    waves = or_stop(Loader.load_order(Enum.map(found, & &1.manifest)))
    Report.waves(waves)

    or_stop(DocumentPipeline.load(found, Pipeline.Plugin))
    Report.plugins(Manager.list_plugins())
    Report.chains()

    Report.document(path, text)
    first = or_stop(DocumentPipeline.run(text, Pipeline.Plugin))
    Report.run(first)

    Report.heading("One more plugin, into the running system")
    [added] = or_stop(DocumentPipeline.load(late, Pipeline.Plugin))
    Report.loaded(added)
    second = or_stop(DocumentPipeline.run(text, Pipeline.Plugin))
    Report.difference(first, second)

    :ok = Manager.unload_plugin(added)
    third = or_stop(DocumentPipeline.run(text, Pipeline.Plugin))
    Report.unloaded(added, first, third)

    {:ok, metrics} = Pipeline.Plugin.RPC.call(:telemetry, :prometheus)
    Report.metrics(metrics)
  end

  defp document([]), do: document([Path.expand("../../README.md")])

  defp document([path | _]) do
    with {:ok, bytes} <- File.read(path), {:utf8, true} <- {:utf8, String.valid?(bytes)} do
      {path, bytes}
    else
      {:error, reason} -> Mix.raise("cannot read #{path}: #{:file.format_error(reason)}")
      {:utf8, false} -> Mix.raise("#{path} is not a text in UTF-8")
    end
  end

  defp or_stop({:ok, value}), do: value
  defp or_stop({:error, error}), do: Mix.raise(Exception.message(error))
end
