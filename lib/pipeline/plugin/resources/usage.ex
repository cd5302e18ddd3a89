defmodule Pipeline.Plugin.Resources.Usage do
  @moduledoc false
  # The figures of a plugin's process, from the VM.

  alias Pipeline.Hook
  alias Pipeline.Plugin.Resources
  alias Pipeline.Plugin.Resources.Limits
  alias Pipeline.Plugin.RPC.OnError

  @items [:memory, :total_heap_size, :reductions, :message_queue_len]

  @doc "Figures of a process, `nil` if it has ended."
  @spec figures(pid) :: map | nil
  def figures(pid) do
    with items when items != nil <- Process.info(pid, @items) do
      %{
        memory: items[:memory],
        heap: items[:total_heap_size] * :erlang.system_info(:wordsize),
        reductions: items[:reductions],
        message_queue: items[:message_queue_len]
      }
    end
  end

  @doc "The figures, merged with those of the monitor."
  @spec of(map, pid, map | nil) :: Resources.usage() | nil
  def of(%{id: id} = info, pid, known) do
    with %{} = figures <- figures(pid) do
      limits = Map.get(info, :limits, %{})
      usage = Map.merge(figures, %{id: id, pid: pid, limits: limits, rpc_errors: OnError.count(pid)})
      usage = Map.merge(usage, of_monitor(known, pid))
      Map.put(usage, :exceeded, for({kind, _, _, _} <- Limits.exceeded(limits, usage), do: kind))
    end
  end

  defp of_monitor(%{pid: pid} = known, pid), do: Map.take(known, [:reductions_per_second, :uptime, :restarts])
  # The process or the monitor was restarted meanwhile.
  defp of_monitor(_known, _pid), do: %{reductions_per_second: nil, uptime: nil, restarts: nil}

  @doc "The hooks of a plugin with their statistics."
  @spec hooks(map, atom) :: [map]
  def hooks(%{id: id, hooks: hooks}, instance) do
    for point <- hooks |> Map.values() |> Enum.concat() |> Enum.uniq(),
        %{plugin: ^id} = hook <- of_point(point, instance),
        do: hook
  end

  def hooks(_info, _instance), do: []

  defp of_point(point, instance) do
    with %{hooks: hooks} <- Hook.stats(point, instance: instance), do: hooks, else: (nil -> [])
  end
end
