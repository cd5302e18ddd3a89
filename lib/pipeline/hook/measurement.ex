defmodule Pipeline.Hook.Measurement do
  @moduledoc false
  # A measured run counts for each hook that it was called, how it ended, and how long it took.

  alias Pipeline.Hook.{Compiler, HookCounters, Instrument, PointCounters}

  @doc "Counts a run that `run` makes with this observer."
  @spec run(PointCounters.t(), PointCounters.phase(), (Instrument.observe() -> result)) :: result
        when result: term
  def run(counters, phase, run) do
    PointCounters.began(counters, phase)
    started = Instrument.clock()

    try do
      run.(&count(&1, &2, &3, &4, phase))
    after
      PointCounters.took(counters, Instrument.nanoseconds(Instrument.clock() - started))
    end
  end

  defp count(:core, _outcome, _start, _nanoseconds, _phase), do: :ok

  defp count(stage, outcome, _start, nanoseconds, phase) do
    hooks = Compiler.hooks(stage)

    for %{counters: counters} <- hooks do
      HookCounters.called(counters, phase)
      # Hooks that share a native call have the time of the call.
      HookCounters.took(counters, nanoseconds)
    end

    if outcome == :answered, do: answered(hooks, phase)
  end

  # It is not known here which of several hooks in one call answered.
  defp answered([%{kind: kind, counters: counters}], phase) when kind in [:before, :listen],
    do: HookCounters.answered(counters, phase)

  defp answered([%{kind: :before, counters: {_, of_point}} | _], phase),
    do: PointCounters.answered(of_point, phase)

  defp answered(_hooks, _phase), do: :ok
end
