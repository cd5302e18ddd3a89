defmodule Pipeline.Hook.Measured do
  @moduledoc false
  # A run that is measured: it counts for each hook that it was called, and how long it took.

  alias Pipeline.Hook.{Chain, Listeners, Probe, Runs, Tally, Traced}

  @doc "Runs a chain and counts it as so many runs."
  @spec run(Chain.t(), term, Chain.step() | nil, pos_integer) :: Chain.result()
  def run(%Chain{traces: []} = chain, context, core, weight),
    do: run(chain, weight, &plain(chain, context, core, &1))

  def run(chain, context, core, weight), do: Traced.run(chain, context, core, weight)

  @doc "Counts a run that `run` does with an observer."
  @spec run(Chain.t(), pos_integer, (Probe.observe() -> Chain.result())) :: Chain.result()
  def run(chain, weight, run) do
    Runs.began(chain.runs, weight)
    started = Probe.clock()

    try do
      run.(&count(&1, &2, &3, &4, &5, weight))
    after
      Runs.took(chain.runs, Probe.nanoseconds(Probe.clock() - started))
    end
  end

  defp plain(%Chain{mode: :chain} = chain, context, core, observe) do
    Probe.run(chain.layers, context, core, chain.instance, observe)
  end

  defp plain(chain, context, core, observe), do: Listeners.run(chain, context, core, observe)

  defp count(:core, :core, _outcome, _started, _nanoseconds, _weight), do: :ok

  defp count(_place, ready, outcome, _started, nanoseconds, weight) do
    hooks = Chain.hooks(ready)

    for %{tally: tally} <- hooks do
      Tally.called(tally, weight)
      # Of hooks that share a native call the time is that of the call.
      Tally.took(tally, nanoseconds)
    end

    if outcome == :answered, do: answered(hooks, weight)
  end

  # Which of several in one call has answered is not known here.
  defp answered([%{kind: kind, tally: tally}], weight) when kind in [:before, :listen],
    do: Tally.answered(tally, weight)

  defp answered([%{kind: :before, tally: {_, runs}} | _], weight), do: Runs.answered(runs, weight)
  defp answered(_hooks, _weight), do: :ok
end
