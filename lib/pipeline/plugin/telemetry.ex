defmodule Pipeline.Plugin.Telemetry do
  @moduledoc """
  The events that this library emits through [`:telemetry`](https://hexdocs.pm/telemetry), where the host has it.

      :telemetry.attach("failures", [:pipeline_plugin, :hook, :exception], &MyApp.Alerts.hook_failed/4, nil)

  Without `:telemetry` nothing is emitted; it is no dependency of this library.

  ## Plugins

  `[:pipeline_plugin, :plugin, state]` for each change of a plugin's state, where `state` is one of those of
  `t:Pipeline.Plugin.Manager.info/0`: `:discovered`, `:resolved`, `:loading`, `:started`, `:draining`, `:held`, `:stopped`
  or `:failed`; and

    * `[:pipeline_plugin, :plugin, :upgraded]` - another version runs
    * `[:pipeline_plugin, :plugin, :restarted]` - its process crashed and runs again
    * `[:pipeline_plugin, :plugin, :unloaded]` - it is gone

  Measurements: `:count` (1), and for `:started` the `:duration` of the start in native time units. Metadata: `:plugin`,
  `:instance`, `:version`, and for changes of state `:from`, `:to` and `:reason`.

  ## Hooks

    * `[:pipeline_plugin, :hook, :stop]` - a hook was called in a run that was sampled. Measurements: `:count` (1) and
      `:duration` in native time units, without what the hook waited for behind `next`. Hooks that share a native call
      share its duration. The metadata has `:outcome`, `:passed` or `:answered`
    * `[:pipeline_plugin, :hook, :exception]` - a hook failed, in any run. Measurements: `:count` (1). The metadata has
      `:reason`, as in `Pipeline.Hook.Error` without the terms that the hook failed on, and `:stacktrace` with arities

  Both have the metadata `:instance`, `:point`, `:plugin`, `:kind`, `:tier` (`:elixir` or `:native`) and `:fun`.

  Which runs are sampled says `telemetry: [hooks: n]`, one in `n` of each point; an option of
  `Pipeline.Plugin.Manager.start_link/1`, or for all instances `config :pipeline_plugin, telemetry: [hooks: 100]`. By
  default none is, and a run costs nothing more. Runs of a point that is traced are not sampled.

  ## Circuits

  `[:pipeline_plugin, :circuit, state]` when the circuit of a hook is now `:open`, `:half_open` or `:closed`.
  Measurements: `:count` (1) and `:opened`, how often it has opened. Metadata: `:instance`, `:point`, `:plugin`, `:kind`,
  `:from`, `:to`, `:reason`, as in the event `:hook_circuit` of `Pipeline.Plugin.Events`.

  No event carries the context of a run, arguments of calls or secrets of a configuration.
  """

  alias Pipeline.Telemetry

  @plugin_events [:started, :failed, :held, :stopped, :upgraded, :restarted, :unloaded]
  @circuit_events [:open, :half_open, :closed]

  @type metric :: {:counter | :distribution | :last_value | :sum | :summary, [atom], keyword}

  @doc """
  Metrics of these events for [`Telemetry.Metrics`](https://hexdocs.pm/telemetry_metrics), each as the name of a function
  of that module and its arguments.

      def metrics do
        for {kind, name, options} <- Pipeline.Plugin.Telemetry.metrics(),
            do: apply(Telemetry.Metrics, kind, [name, options])
      end

      iex> {:counter, [:pipeline_plugin, :plugin, :started, :count], options} = hd(Pipeline.Plugin.Telemetry.metrics())
      iex> options[:tags]
      [:instance, :plugin, :version]
  """
  @spec metrics() :: [metric]
  def metrics do
    hook = [:instance, :point, :plugin, :kind]

    plugins =
      for event <- @plugin_events do
        counter([:plugin, event], [:instance, :plugin, :version], "Plugins that are #{event}.")
      end

    circuits =
      for event <- @circuit_events, do: counter([:circuit, event], hook, "Circuits that are #{event}.")

    duration = "Time of a hook in sampled runs."
    start = "Time that plugins took to start."

    plugins ++
      [
        {:summary, [:pipeline_plugin, :plugin, :started, :duration],
         tags: [:instance, :plugin, :version], unit: {:native, :millisecond}, description: start},
        counter([:hook, :exception], hook, "Hooks that failed."),
        counter([:hook, :stop], hook ++ [:outcome], "Calls of hooks in sampled runs."),
        {:summary, [:pipeline_plugin, :hook, :stop, :duration],
         tags: hook, unit: {:native, :microsecond}, description: duration}
      ] ++ circuits
  end

  defp counter(event, tags, description),
    do: {:counter, [:pipeline_plugin] ++ event ++ [:count], tags: tags, description: description}

  @doc false
  # Of a plugin whose state has changed, by the last transition.
  @spec state_changed(map, term) :: :ok
  def state_changed(%{history: [%{state: state, reason: reason} = last | before]} = info, instance) do
    name = if match?({:upgrade, _, _, _}, reason), do: :upgraded, else: state

    Telemetry.emit([:plugin, name], fn ->
      from = with [%{state: from} | _] <- before, do: from, else: (_ -> nil)
      metadata = %{from: from, to: state, reason: Pipeline.Foreign.outline(reason)}
      {measurements(name, last, before), Map.merge(metadata(info, instance), metadata)}
    end)
  end

  @doc false
  @spec plugin(:restarted | :unloaded, map, term) :: :ok
  def plugin(event, info, instance),
    do: Telemetry.emit([:plugin, event], fn -> {%{count: 1}, metadata(info, instance)} end)

  defp measurements(:started, %{at: at}, [%{state: :loading, at: began} | _]) do
    microseconds = max(DateTime.diff(at, began, :microsecond), 0)
    %{count: 1, duration: System.convert_time_unit(microseconds, :microsecond, :native)}
  end

  defp measurements(_name, _last, _before), do: %{count: 1}

  defp metadata(info, instance), do: %{plugin: info.id, version: info[:version], instance: instance}
end
