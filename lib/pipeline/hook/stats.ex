defmodule Pipeline.Hook.Stats do
  @moduledoc false
  # What `Pipeline.Hook.stats/2` shows.

  alias Pipeline.Hook.{Chain, Circuit, HookCounters, NativeStats, PointCounters, Registration, Segment}

  @spec of(Chain.t()) :: map
  def of(%Chain{} = chain) do
    native = native(chain.layers)
    begun = Chain.begun(chain)

    hooks =
      for %Registration{} = entry <- chain.entries do
        entry
        |> Registration.describe()
        |> Map.put(:fun, Registration.function_name(entry))
        |> Map.merge(HookCounters.read(entry.tally, begun))
        |> with_native(native[entry.registration])
        |> with_circuit(entry.circuit)
      end

    chain.runs
    |> PointCounters.read(begun)
    |> Map.merge(%{point: chain.point, mode: chain.mode, hooks: hooks})
  end

  defp with_native(counted, nil), do: counted

  # A segment is called as a whole; some of its hooks are not reached when one before them answers.
  defp with_native(counted, known) do
    {reached, known} = Map.pop!(known, :reached)
    counted |> Map.merge(known) |> Map.update!(:runs, &round(&1 * reached))
  end

  defp with_circuit(counted, nil), do: counted
  defp with_circuit(counted, circuit), do: %{counted | circuit: Circuit.read(circuit)}

  # What the libraries know of their hooks, by the registration of the hook.
  defp native(layers) do
    for layer <- layers, %Segment{} = segment <- Chain.readies(layer), reduce: %{} do
      known -> Map.merge(known, NativeStats.of(segment))
    end
  end
end
