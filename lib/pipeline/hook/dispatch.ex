defmodule Pipeline.Hook.Dispatch do
  @moduledoc false
  # The way of a run to its chain: one persistent term, one count, one call.
  #
  # A run has a frame of this module on its stack from before it looks its chain up until it ends, with the chain's mark.
  # By it `Pipeline.Hook.InFlight` finds the runs that began on a chain.

  require Pipeline.Hook.PointCounters

  alias Pipeline.Hook.{Chain, ChainStore, Compiler, Instrumented, PointCounters}

  @default Pipeline.Instance.default()

  @doc """
  The key of the persistent term in which a chain is published.

  An improper list is the cheapest key of two parts: 14 ns a look-up with a head that is known, 22 with one that is not,
  where a tuple of three takes 28.
  """
  @spec key(atom, atom) :: nonempty_improper_list(atom, atom)
  def key(instance, point), do: [instance | point]

  @doc "Runs a point of the default instance without a base operation."
  @spec run(atom, term) :: Chain.result()
  def run(point, context), do: call(:persistent_term.get([@default | point], nil), context, @default)

  @doc "Runs a point of the default instance around a base operation."
  @spec run_around(atom, term, Compiler.step()) :: Chain.result()
  def run_around(point, context, core) do
    around(:persistent_term.get([@default | point], nil), context, core, @default)
  end

  @doc "Runs a point without a base operation."
  @spec run_of(atom, atom, term) :: Chain.result()
  def run_of(instance, point, context) do
    call(:persistent_term.get([instance | point], nil), context, instance)
  end

  @doc "Runs a point around a base operation."
  @spec run_around_of(atom, atom, term, Compiler.step()) :: Chain.result()
  def run_around_of(instance, point, context, core) do
    around(:persistent_term.get([instance | point], nil), context, core, instance)
  end

  defp call({mark, call, _around, runs, limits, chain}, context, _instance) do
    case PointCounters.count_one(runs, limits) do
      0 -> ended(call.(context), mark)
      phase -> ended(Instrumented.run(chain, context, nil, phase), mark)
    end
  end

  defp call(nil, context, instance) do
    ChainStore.check!(instance)
    {:ok, context}
  end

  defp call(pending, context, instance), do: call(ChainStore.current(pending), context, instance)

  defp around({mark, _call, around, runs, limits, chain}, context, core, _instance) do
    case PointCounters.count_one(runs, limits) do
      0 -> ended(around.(context, core), mark)
      phase -> ended(Instrumented.run(chain, context, core, phase), mark)
    end
  end

  defp around(nil, context, core, instance) do
    ChainStore.check!(instance)
    Compiler.alone(context, core)
  end

  defp around(pending, context, core, instance),
    do: around(ChainStore.current(pending), context, core, instance)

  # Keeps the mark on the stack until here.
  defp ended(result, _mark), do: result
end
