defmodule Pipeline.Plugins.TelemetryPlugin do
  use Pipeline.Plugin,
    id: :telemetry,
    version: "2.0.0",
    author: "Pipeline.Plugin"

  @moduledoc """
  Exports what is counted of every hook point, hook and plugin, and adds telemetry to pipeline execution.

      {:ok, :telemetry} = Pipeline.Plugin.Manager.load_plugin(Pipeline.Plugins.TelemetryPlugin)
      {:ok, text} = Pipeline.Plugin.RPC.call(:telemetry, :prometheus)

  ## Prometheus

  `:prometheus` returns the metrics of all instances of this VM in the text format 0.0.4 that Prometheus scrapes,
  `:openmetrics` in that of OpenMetrics 1.0. Serve it from a route of the host:

    * `pipeline_point_runs_total`, `…_failures_total`, `…_skips_total`, `…_refusals_total`, `…_answers_total` and
      `pipeline_point_duration_seconds` (quantiles 0.5 and 0.99), with the labels `instance` and `point`
    * `pipeline_hook_runs_total` and so on, with the labels `plugin`, `kind` and `hook` too, and `number` where a plugin has
      several hooks of one kind and name on a point
    * `pipeline_plugin_state`, always 1, with the labels `instance`, `plugin`, `version` and `state`
    * `pipeline_node_executions_total`, `pipeline_node_duration_seconds` and `pipeline_completions_total`, of the runner
      in this plugin's instance

  ## StatsD

      Pipeline.Plugin.Manager.load_plugin(Pipeline.Plugins.TelemetryPlugin, %{statsd: %{host: "127.0.0.1"}})

  With `statsd:` the plugin sends what has been counted since the last time to a server by UDP: counters such as
  `pipeline.point.runs`, and gauges such as `pipeline.hook.duration.p99` in milliseconds, tagged as DogStatsD has it. Its
  fields are

    * `:host` - by default `"127.0.0.1"`, and `:port`, by default 8125
    * `:interval` - milliseconds, by default 10,000. What is left is sent when the plugin stops
    * `:prefix` - of all names, by default `"pipeline"`
    * `:tags` - a map of tags for all of them, by default none

  ## Spans

  Each execution of a node is a span `[:pipeline, :node, :execution]`, and each completed pipeline an event
  `[:pipeline, :complete]`. If the host has `:telemetry`, they go through it. Otherwise they are events of
  `Pipeline.Events` with the payload `%{measurements: map, metadata: map}`; a span has the events
  `[:pipeline, :node, :execution, :start | :stop | :exception]`. `:counts` returns the executions of nodes by outcome and
  the number of completed pipelines.
  """

  alias Pipeline.Plugin.Events
  alias Pipeline.Plugins.TelemetryPlugin.{Counts, Instances, Metric, Span, Statsd}

  capability :telemetry, true
  capability :metrics, [:prometheus, :openmetrics, :statsd]

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
  def config_schema do
    [
      statsd: [
        type: :map,
        doc: "The StatsD server to send to; by default none.",
        keys: [
          host: [type: :string, default: "127.0.0.1", doc: "Its name or address."],
          port: [type: {:in, 1..65_535}, default: 8125, doc: "Its UDP port."],
          interval: [type: :pos_integer, default: 10_000, doc: "Milliseconds between two sendings."],
          prefix: [type: :string, default: "pipeline", doc: "What all names begin with."],
          tags: [type: {:map, :any, :any}, default: %{}, doc: "Tags of everything that is sent."]
        ]
      ]
    ]
  end

  @impl Pipeline.Plugin
  def init(%{statsd: settings}) do
    with {:ok, statsd} <- Statsd.open(settings) do
      schedule(settings.interval)
      {:ok, %{counts: Counts.new(), statsd: statsd, interval: settings.interval}}
    end
  end

  def init(_config), do: {:ok, %{counts: Counts.new(), statsd: nil, interval: nil}}

  @impl Pipeline.Plugin
  def start(state) do
    _ = Pipeline.Telemetry.find()
    :ok = Events.subscribe(:telemetry, {__MODULE__, :node})
    :ok = Events.subscribe(:telemetry, {__MODULE__, :pipeline})
    {:ok, state}
  end

  @impl Pipeline.Plugin
  def stop(%{statsd: nil}), do: :ok
  def stop(%{statsd: statsd}), do: statsd |> Statsd.flush() |> Statsd.close()

  @impl Pipeline.Plugin
  def handle_event({__MODULE__, :node}, measured, state),
    do: {:ok, update_in(state.counts, &Counts.add_node(&1, measured))}

  def handle_event({__MODULE__, :pipeline}, _measured, state),
    do: {:ok, update_in(state.counts, &Counts.add_pipeline/1)}

  @impl Pipeline.Plugin
  def handle_message({__MODULE__, :flush}, state) do
    schedule(state.interval)
    {:ok, update_in(state.statsd, &Statsd.flush/1)}
  end

  def handle_message(_other, state), do: {:ok, state}

  @impl Pipeline.Plugin
  def handle_rpc(:counts, state), do: {:reply, state.counts, state}

  def handle_rpc(format, state) when format in [:prometheus, :openmetrics] do
    metrics = Instances.metrics(Instances.measure()) ++ Counts.metrics(state.counts)
    {:reply, Metric.expose(metrics, format), state}
  end

  def handle_rpc(:flush, %{statsd: %{}} = state), do: {:reply, :ok, update_in(state.statsd, &Statsd.flush/1)}
  def handle_rpc(other, state), do: {:error, {:unknown_request, other}, state}

  @doc """
  The metrics of all points, hooks and plugins of this VM as text, whether this plugin is loaded or not.

  `:prometheus` is the text format 0.0.4, `:openmetrics` is OpenMetrics 1.0. Executions of nodes are counted by the plugin,
  so only its request of the same name has them.

      iex> text = Pipeline.Plugins.TelemetryPlugin.expose(:prometheus)
      iex> text =~ "# TYPE pipeline_point_runs_total counter"
      true
  """
  @spec expose(:prometheus | :openmetrics) :: String.t()
  def expose(format) when format in [:prometheus, :openmetrics],
    do: Metric.expose(Instances.metrics(Instances.measure()), format)

  defp schedule(interval), do: Process.send_after(self(), {__MODULE__, :flush}, interval)

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
