defmodule Pipeline.Doctor.Instances do
  @moduledoc false
  # How the plugins of the instances are, and which points are closed.

  alias Pipeline.{Doctor, Foreign}
  alias Pipeline.Hook.ChainStore
  alias Pipeline.Plugin.{Manager, Summary}

  @doc "The summary of each instance, and what is wrong with it."
  @spec examine([term], timeout) :: [{Summary.t(), [Doctor.finding()]}]
  def examine(instances, timeout) do
    Enum.flat_map(instances, fn instance ->
      try do
        [instance(instance, timeout)]
      rescue
        # It may have ended meanwhile, or is about to: its name goes after what it has published.
        error in ArgumentError ->
          if ChainStore.exists?(instance), do: reraise(error, __STACKTRACE__), else: []
      end
    end)
  end

  defp instance(instance, timeout) do
    health = Manager.health(instance: instance, timeout: timeout)
    summary = Manager.summary(instance: instance)
    # A plugin that lacks is told of once, with the reason that readiness knows.
    lacking = for %{plugin: id} <- health.not_ready, do: id

    findings = [
      for(entry <- health.not_ready, do: lacking(instance, entry)),
      for({id, plugin} <- health.plugins, id not in lacking, do: unwell(instance, id, plugin.status)),
      for({point, down} <- summary.closed, do: closed(instance, point, down)),
      for(plugin <- summary.plugins, point <- plugin.open_circuits, do: circuit(instance, plugin.id, point)),
      for(pending <- health[:cluster] || [], do: pending(instance, pending))
    ]

    {summary, findings |> Enum.concat() |> Enum.reject(&is_nil/1)}
  end

  defp lacking(instance, %{plugin: id, module: module, reason: reason}) do
    finding(
      :error,
      "#{Foreign.term(id || module)} is wanted in #{Foreign.term(instance)} and does not run: #{Summary.told(reason)}",
      advice(reason)
    )
  end

  defp advice(:not_loaded_yet), do: "the instance is starting: look again in a moment"
  defp advice(:restarting), do: "it has crashed and is being restarted: the log has the reason"

  defp advice({:state, :held}),
    do: "it needs a plugin that does not run: start that one, and this one follows; plugin_info/2 shows which"

  defp advice({:state, :failed}),
    do: "the log and plugin_info/2 have the reason; mend it, then call restart_plugin/2"

  defp advice({:state, _}), do: "it is on its way: look again in a moment"
  defp advice(_error), do: "mend what the reason names; the instance tries again by itself"

  defp unwell(_instance, _id, :healthy), do: nil

  defp unwell(instance, id, {:unhealthy, reason}) do
    finding(
      :error,
      "#{where(id, instance)} says that it is unhealthy: #{Summary.told(reason)}",
      "the reason is its own: see what the plugin documents, or restart_plugin/2"
    )
  end

  defp unwell(instance, id, :no_answer) do
    finding(
      :error,
      "#{where(id, instance)} does not answer",
      "it hangs or has much to do: Pipeline.Plugin.Resources.monitor_plugin/2 shows its queue; restart_plugin/2 ends it"
    )
  end

  defp unwell(instance, id, {:crashed, reason}) do
    finding(
      :error,
      "#{where(id, instance)} crashed when it was asked: #{Summary.told(reason)}",
      "the log has the stacktrace"
    )
  end

  defp unwell(instance, id, {:not_running, :failed}) do
    finding(:error, "#{where(id, instance)} has failed", advice({:state, :failed}))
  end

  # As an operator wants it, or on its way.
  defp unwell(_instance, _id, {:not_running, _state}), do: nil

  defp closed(instance, point, down) do
    guards = Enum.map_join(Enum.sort(down), ", ", fn {id, state} -> "#{Foreign.term(id)} is #{state}" end)

    finding(
      :error,
      "#{Foreign.term(point)} of #{Foreign.term(instance)} refuses every run, since #{guards}",
      "bring the plugin back with enable_plugin/2 or restart_plugin/2, or unload it if the point is to do without it"
    )
  end

  defp circuit(instance, id, point) do
    finding(
      :warning,
      "the circuit of #{where(id, instance)} is open on #{Foreign.term(point)}",
      "it failed too often and is left out for its cool-down: Pipeline.Hook.stats/2 counts its failures"
    )
  end

  defp pending(instance, pending) do
    finding(
      :error,
      "#{where(pending.plugin, instance)} is to be #{pending.to_be} on this node: #{Summary.told(pending.reason)}",
      Foreign.line(pending.advice)
    )
  end

  defp where(id, instance), do: "#{Foreign.term(id)} in #{Foreign.term(instance)}"

  defp finding(severity, problem, advice) do
    %{severity: severity, area: :instances, problem: problem, advice: advice}
  end
end
