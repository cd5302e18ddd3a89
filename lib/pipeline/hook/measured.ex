defmodule Pipeline.Hook.Measured do
  @moduledoc false
  # A run that is measured: it counts for each hook that it was called, and how long it took.

  alias Pipeline.Hook.{Chain, HookCounters, Instrument, Listeners, PointCounters, Sampling, Traced}

  @doc "Runs a chain."
  @spec run(Chain.t(), term, Chain.step() | nil, PointCounters.phase()) :: Chain.result()
  def run(%Chain{traces: []} = chain, context, core, phase) do
    if Sampling.take?(chain),
      do: run(chain, phase, &plain(chain, context, core, both(Sampling.observe(chain), &1))),
      else: run(chain, phase, &plain(chain, context, core, &1))
  end

  def run(chain, context, core, phase), do: Traced.run(chain, context, core, phase)

  @doc "Counts a run that `run` does with an observer."
  @spec run(Chain.t(), PointCounters.phase(), (Instrument.observe() -> Chain.result())) :: Chain.result()
  def run(chain, phase, run) do
    PointCounters.began(chain.runs, phase)
    started = Instrument.clock()

    try do
      run.(&count(&1, &2, &3, &4, &5, phase))
    after
      PointCounters.took(chain.runs, Instrument.nanoseconds(Instrument.clock() - started))
    end
  end

  @doc "Runs a chain of which some runs are sampled. Nothing is counted."
  @spec sampled(Chain.t(), term, Chain.step() | nil) :: Chain.result()
  def sampled(chain, context, core) do
    if Sampling.take?(chain),
      do: plain(chain, context, core, Sampling.observe(chain)),
      else: Chain.run(chain, context, core)
  end

  defp both(one, other) do
    fn place, ready, outcome, started, nanoseconds ->
      one.(place, ready, outcome, started, nanoseconds)
      other.(place, ready, outcome, started, nanoseconds)
    end
  end

  defp plain(%Chain{mode: :chain} = chain, context, core, observe) do
    Instrument.run(chain.layers, context, core, chain.instance, observe)
  end

  defp plain(chain, context, core, observe), do: Listeners.run(chain, context, core, observe)

  defp count(:core, :core, _outcome, _started, _nanoseconds, _phase), do: :ok

  defp count(_place, ready, outcome, _started, nanoseconds, phase) do
    hooks = Chain.hooks(ready)

    for %{tally: tally} <- hooks do
      HookCounters.called(tally, phase)
      # Of hooks that share a native call the time is that of the call.
      HookCounters.took(tally, nanoseconds)
    end

    if outcome == :answered, do: answered(hooks, phase)
  end

  # Which of several in one call has answered is not known here.
  defp answered([%{kind: kind, tally: tally}], phase) when kind in [:before, :listen],
    do: HookCounters.answered(tally, phase)

  defp answered([%{kind: :before, tally: {_, runs}} | _], phase), do: PointCounters.answered(runs, phase)
  defp answered(_hooks, _phase), do: :ok
end
