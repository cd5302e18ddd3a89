defmodule Pipeline.Plugins.TelemetryPlugin.Instances do
  @moduledoc false
  # What there is to measure of every instance of this VM: its points, their hooks, and its plugins.

  alias Pipeline.Hook
  alias Pipeline.Instance.Names
  alias Pipeline.Plugin.Registry
  alias Pipeline.Plugins.TelemetryPlugin.Metric

  @counters [
    runs: "Runs of hook points.",
    failures: "Failures of hooks.",
    skips: "Failures of hooks after which the run went on.",
    refusals: "Runs that a hook refused.",
    answers: "Runs that a hook answered early, derived from those that were measured."
  ]
  @of_hooks [
    runs: "Calls of hooks, derived from the runs that were measured.",
    failures: "Failures of a hook.",
    skips: "Failures of a hook after which the run went on.",
    refusals: "Runs that the hook refused."
  ]
  # Nanoseconds of these quantiles.
  @quantiles [p50_ns: "0.5", p99_ns: "0.99"]

  @typedoc "The counts of the points and of the hooks, each with its labels."
  @type measured :: %{points: [{keyword, map}], hooks: [{keyword, map}], plugins: [keyword]}

  @spec measure() :: measured
  def measure do
    read = for instance <- Names.instances(), {:ok, read} <- [read(instance)], do: read

    %{
      points: Enum.flat_map(read, & &1.points),
      hooks: Enum.flat_map(read, & &1.hooks),
      plugins: Enum.flat_map(read, & &1.plugins)
    }
  end

  defp read(instance) do
    stats = for point <- Hook.points(instance: instance), do: Hook.stats(point, instance: instance)

    {:ok,
     %{
       points: for(counted <- stats, do: {[instance: instance, point: counted.point], counted}),
       hooks: for(counted <- stats, hook <- number(counted.hooks), do: {hook_labels(instance, hook), hook}),
       plugins:
         for %{id: id, state: state} = info <- Registry.list(Registry.of(instance)) do
           [instance: instance, plugin: id, version: info[:version], state: state]
         end
     }}
  rescue
    # It has ended meanwhile.
    ArgumentError -> :error
  end

  # Hooks of one plugin, kind and name on one point are told apart by a number.
  defp number(hooks) do
    {hooks, _seen} =
      Enum.map_reduce(hooks, %{}, fn hook, seen ->
        key = {hook.plugin, hook.kind, name(hook)}
        number = Map.get(seen, key, 0)
        {Map.put(hook, :number, number), Map.put(seen, key, number + 1)}
      end)

    hooks
  end

  defp hook_labels(instance, hook) do
    labels = [instance: instance, point: hook.point, plugin: hook.plugin, kind: hook.kind, hook: name(hook)]
    if hook.number == 0, do: labels, else: labels ++ [number: hook.number]
  end

  defp name(%{native: {_library, name}}), do: name
  defp name(hook), do: hook[:fun]

  @spec metrics(measured) :: [Metric.t()]
  def metrics(measured) do
    Enum.concat([
      for({field, help} <- @counters, do: counter("point", field, help, measured.points)),
      [duration("pipeline_point_duration_seconds", "Time of runs that were measured.", measured.points)],
      for({field, help} <- @of_hooks, do: counter("hook", field, help, measured.hooks)),
      [
        duration(
          "pipeline_hook_duration_seconds",
          "Time of hooks in runs that were measured.",
          measured.hooks
        )
      ],
      [plugins(measured.plugins)]
    ])
  end

  defp counter(of, field, help, counted) do
    samples = for {labels, counts} <- counted, do: {"_total", labels, counts[field]}
    %Metric{name: "pipeline_#{of}_#{field}", help: help, type: :counter, samples: samples}
  end

  defp duration(name, help, counted) do
    samples =
      for {labels, counts} <- counted,
          {field, quantile} <- @quantiles,
          nanoseconds = counts[field],
          do: {"", labels ++ [quantile: quantile], nanoseconds / 1_000_000_000}

    %Metric{name: name, help: help, type: :summary, samples: samples}
  end

  defp plugins(plugins) do
    samples = for labels <- plugins, do: {"", labels, 1}

    %Metric{
      name: "pipeline_plugin_state",
      help: "The plugins, each in its state.",
      type: :gauge,
      samples: samples
    }
  end

  @doc "The counts that grow, by name and labels."
  @spec counts(measured) :: %{{String.t(), keyword} => non_neg_integer}
  def counts(measured) do
    for {of, fields, counted} <- [
          {"point", @counters, measured.points},
          {"hook", @of_hooks, measured.hooks}
        ],
        {labels, counts} <- counted,
        {field, _help} <- fields,
        into: %{},
        do: {{"#{of}.#{field}", labels}, counts[field]}
  end

  @doc "The times in milliseconds, by name and labels."
  @spec times(measured) :: [{String.t(), keyword, float}]
  def times(measured) do
    for {of, counted} <- [{"point", measured.points}, {"hook", measured.hooks}],
        {labels, counts} <- counted,
        {field, name} <- [p50_ns: "p50", p99_ns: "p99"],
        nanoseconds = counts[field],
        do: {"#{of}.duration.#{name}", labels, nanoseconds / 1_000_000}
  end
end
