defmodule Pipeline.Hook.Published do
  @moduledoc false
  # A chain as runs find it: what they need without looking into it.

  alias Pipeline.Hook.{Chain, Compiler, Instrumented, PointCounters}

  @type t ::
          {Chain.mark(), call :: (term -> Chain.result()),
           around :: (term, Compiler.step() -> Chain.result()), PointCounters.t(), PointCounters.limits(),
           Chain.t()}

  @doc "Not made by `Pipeline.Hook.Dispatch`, whose code is not there for long (`Pipeline.Hook.Epoch`)."
  @spec of(Chain.t()) :: t
  def of(%Chain{traces: []} = chain),
    do: {chain.mark, chain.call, chain.around, chain.counters, chain.limits, chain}

  def of(%Chain{} = chain) do
    call = fn context -> Instrumented.run(chain, context, nil, 0) end
    around = fn context, core -> Instrumented.run(chain, context, core, 0) end
    {chain.mark, call, around, chain.counters, chain.limits, chain}
  end
end
