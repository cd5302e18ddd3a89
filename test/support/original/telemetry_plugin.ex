defmodule Original.TelemetryPlugin do
  use Pipeline.Plugin,
    id: :telemetry,
    version: "2.0.0"

  @moduledoc """
  Adds comprehensive telemetry to pipeline execution.
  """

  # Correction: the host may have no :telemetry.
  @compile {:no_warn_undefined, :telemetry}

  capability :telemetry, true
  capability :metrics, [:prometheus, :statsd]

  hook :around, :execute_node do
    def execute_node(context, next) do
      # Correction: start_time was bound and not used.
      metadata = extract_metadata(context)

      :telemetry.span(
        [:pipeline, :node, :execution],
        metadata,
        fn ->
          result = next.(context)
          {result, Map.put(metadata, :result, elem(result, 0))}
        end
      )
    end
  end

  hook :after, :pipeline_complete do
    def pipeline_complete(context, next) do
      emit_pipeline_metrics(context)
      next.(context)
    end
  end

  # Left out by the document.
  defp extract_metadata(context), do: Map.take(context, [:node])

  defp emit_pipeline_metrics(context) do
    Pipeline.Events.emit(:pipeline_metrics, %{nodes: length(context.timings)}, instance: context.instance)
  end
end
