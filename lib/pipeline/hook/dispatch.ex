defmodule Pipeline.Hook.Dispatch do
  @moduledoc false
  # The way of a run to its chain: one persistent term, one count, one call.

  require Pipeline.Hook.Runs

  alias Pipeline.Hook.{Chain, Closures, Measured, Runs, Table, Traced}

  @typedoc "A chain as runs find it: what they need without looking into it."
  @type published ::
          {call :: (term -> Chain.result()), around :: (term, Chain.step() -> Chain.result()), Runs.t(),
           Runs.limits(), Chain.t()}

  @doc """
  The key of the persistent term in which a chain is published.

  An improper list is the cheapest key of two parts: 14 ns a look-up, where a tuple takes 28.
  """
  @spec key(atom, atom) :: nonempty_improper_list(atom, atom)
  def key(instance, point), do: [instance | point]

  @spec published(Chain.t()) :: published
  def published(%Chain{traces: []} = chain) do
    {chain.call, chain.around, chain.runs, chain.limits, chain}
  end

  def published(%Chain{} = chain) do
    call = fn context -> Traced.run(chain, context, nil, 0) end
    around = fn context, core -> Traced.run(chain, context, core, 0) end
    {call, around, chain.runs, chain.limits, chain}
  end

  @doc "Runs a point without a base operation."
  @spec run(atom, atom, term) :: Chain.result()
  def run(instance, point, context) do
    call(:persistent_term.get([instance | point], nil), instance, context)
  end

  @doc "Runs a point around a base operation."
  @spec run(atom, atom, term, Chain.step()) :: Chain.result()
  def run(instance, point, context, core) do
    around(:persistent_term.get([instance | point], nil), instance, context, core)
  end

  defp call({call, _around, runs, limits, chain}, _instance, context) do
    case Runs.count_one(runs, limits) do
      0 -> call.(context)
      weight -> Measured.run(chain, context, nil, weight)
    end
  end

  defp call(nil, instance, context) do
    Table.check!(instance)
    {:ok, context}
  end

  defp call(pending, instance, context), do: call(Table.current(pending), instance, context)

  defp around({_call, around, runs, limits, chain}, _instance, context, core) do
    case Runs.count_one(runs, limits) do
      0 -> around.(context, core)
      weight -> Measured.run(chain, context, core, weight)
    end
  end

  defp around(nil, instance, context, core) do
    Table.check!(instance)
    Closures.alone(context, core)
  end

  defp around(pending, instance, context, core), do: around(Table.current(pending), instance, context, core)
end
