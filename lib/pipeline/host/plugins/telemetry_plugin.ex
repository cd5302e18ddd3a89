defmodule Pipeline.Plugins.TelemetryPlugin do
  use Pipeline.Plugin,
    id: :telemetry,
    version: "2.0.0",
    author: "Pipeline.Plugin"

  @moduledoc """
  Adds telemetry to pipeline execution.

      {:ok, :telemetry} = Pipeline.Plugin.Manager.load_plugin(Pipeline.Plugins.TelemetryPlugin)
      {:ok, counts} = Pipeline.Plugin.RPC.call(:telemetry, :counts)
      {:ok, text} = Pipeline.Plugin.RPC.call(:telemetry, :prometheus)

  `:counts` returns the executions of nodes by outcome and the number of completed pipelines, `:prometheus`
  the same in the text format that Prometheus scrapes.

  Each execution of a node is a span `[:pipeline, :node, :execution]`, and each completed pipeline an event
  `[:pipeline, :complete]`. If the host has `:telemetry`, they go through it. Otherwise they are events of
  `Pipeline.Events` with the payload `%{measurements: map, metadata: map}`; a span has the events
  `[:pipeline, :node, :execution, :start | :stop | :exception]`.
  """

  alias Pipeline.Plugin.Events
  alias Pipeline.Plugins.TelemetryPlugin.{Counts, Span}

  capability :telemetry, true
  capability :metrics, [:prometheus]

  hook :around, :execute_node do
    @doc false
    def execute_node(context, next) do
      metadata = %{node: context.node.id, type: context.node.type}
      started = System.monotonic_time()

      try do
        Span.run([:pipeline, :node, :execution], metadata, Map.get(context, :instance), fn ->
          next.(context)
        end)
      catch
        kind, reason ->
          count(context, metadata, :exception, started)
          :erlang.raise(kind, reason, __STACKTRACE__)
      else
        result ->
          count(context, metadata, Span.outcome(result), started)
          result
      end
    end
  end

  hook :after, :pipeline_complete do
    @doc false
    def pipeline_complete(context, next) do
      measurements = %{nodes: length(context.timings), duration: total(context.timings)}
      Span.event([:pipeline, :complete], measurements, %{}, Map.get(context, :instance))
      Events.emit({__MODULE__, :pipeline}, measurements, instance(context))
      next.(context)
    end
  end

  @impl Pipeline.Plugin
  def start(_config) do
    Span.find_telemetry()
    :ok = Events.subscribe(:telemetry, {__MODULE__, :node})
    :ok = Events.subscribe(:telemetry, {__MODULE__, :pipeline})
    {:ok, Counts.new()}
  end

  @impl Pipeline.Plugin
  def handle_event({__MODULE__, :node}, measured, counts), do: {:ok, Counts.add_node(counts, measured)}
  def handle_event({__MODULE__, :pipeline}, _measured, counts), do: {:ok, Counts.add_pipeline(counts)}

  @impl Pipeline.Plugin
  def handle_rpc(:counts, counts), do: {:reply, counts, counts}
  def handle_rpc(:prometheus, counts), do: {:reply, Counts.to_prometheus(counts), counts}
  def handle_rpc(other, counts), do: {:error, {:unknown_request, other}, counts}

  # The plugin's own process adds up the counts while the pipeline goes on.
  defp count(context, metadata, outcome, started) do
    duration = System.convert_time_unit(System.monotonic_time() - started, :native, :microsecond)
    measured = Map.merge(metadata, %{outcome: outcome, microseconds: duration})
    Events.emit({__MODULE__, :node}, measured, instance(context))
  end

  defp instance(%{instance: instance}), do: [instance: instance]
  defp instance(_context), do: []

  defp total(timings), do: timings |> Enum.map(& &1.microseconds) |> Enum.sum()
end
