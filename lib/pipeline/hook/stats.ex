defmodule Pipeline.Hook.Stats do
  @moduledoc false
  # The map that `Pipeline.Hook.stats/2` returns.

  alias Pipeline.Hook.{Chain, HookCounters, NativeStats, PointCounters, Registration, Segment}
  alias Pipeline.Hook.Policy.Circuit.Breaker

  @spec of(Chain.t()) :: map
  def of(%Chain{} = chain) do
    native =
      for %Segment{} = segment <- chain.stages,
          {of, known} <- NativeStats.of(segment),
          into: %{},
          do: {of, known}

    begun = Chain.begun(chain)

    hooks =
      for %Registration{} = hook <- chain.registrations do
        hook
        |> Registration.describe()
        |> Map.put(:fun, Registration.function_name(hook))
        |> Map.merge(HookCounters.read(hook.counters, begun))
        |> with_native(native[hook.sequence])
        |> with_circuit(hook.policies)
      end

    chain.counters
    |> PointCounters.read(begun)
    |> Map.merge(%{point: chain.point, mode: chain.mode, hooks: hooks})
  end

  defp with_native(counted, nil), do: counted

  # A segment is called as a whole. Some of its hooks are not reached when one before them answers.
  defp with_native(counted, known) do
    {reached, known} = Map.pop!(known, :reached)
    counted |> Map.merge(known) |> Map.update!(:runs, &round(&1 * reached))
  end

  defp with_circuit(counted, %{circuit: breaker}), do: %{counted | circuit: Breaker.read(breaker)}
  defp with_circuit(counted, _policies), do: counted
end
