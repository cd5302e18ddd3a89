defmodule Pipeline.Hook.Traced do
  @moduledoc false
  # A run of a point that is traced: it notes each call of a hook, and tells the traces that want this run at its end.

  alias Pipeline.Hook.{Chain, Instrument, Listeners, Measured, PointCounters, Trace}
  alias Pipeline.Hook.Trace.{Call, Run}

  @doc "Runs a chain, measured too in one of these phases."
  @spec run(Chain.t(), term, Chain.step() | nil, PointCounters.phase()) :: Chain.result()
  def run(chain, context, core, phase) do
    case {Enum.filter(chain.traces, &Trace.take/1), phase} do
      {[], 0} -> Chain.run(chain, context, core)
      {[], phase} -> Measured.run(%{chain | traces: []}, context, core, phase)
      {traces, 0} -> trace(traces, chain, context, core, fn _, _, _, _, _ -> :ok end)
      {traces, phase} -> Measured.run(chain, phase, &trace(traces, chain, context, core, &1))
    end
  end

  defp trace(traces, chain, context, core, count) do
    # Calls can end in any process; one that ends after the run is not told of.
    calls = :ets.new(:calls, [:public, :duplicate_bag])

    observe = fn place, ready, outcome, started, nanoseconds ->
      count.(place, ready, outcome, started, nanoseconds)
      note(calls, {:call, place, started, Call.new(ready, outcome, nanoseconds)})
    end

    started = Instrument.clock()

    try do
      run(chain, context, core, calls, observe)
    catch
      kind, reason ->
        tell(traces, chain, calls, {:raised, kind, reason}, started)
        :erlang.raise(kind, reason, __STACKTRACE__)
    else
      result ->
        tell(traces, chain, calls, result, started)
        result
    after
      :ets.delete(calls)
    end
  end

  defp run(%Chain{mode: :chain} = chain, context, core, calls, observe) do
    Instrument.run(chain.single, context, core, chain.instance, observe, fn place, ready ->
      Chain.observe(ready, &note(calls, {:skip, place, Instrument.clock(), &1}), chain.instance)
    end)
  end

  defp run(chain, context, core, _calls, observe), do: Listeners.run(chain, context, core, observe)

  defp note(calls, row) do
    :ets.insert(calls, row)
  rescue
    # The run is over.
    ArgumentError -> false
  end

  defp tell(traces, chain, calls, result, started) do
    run = %Run{
      instance: chain.instance,
      point: chain.point,
      pid: self(),
      result: result,
      nanoseconds: Instrument.nanoseconds(Instrument.clock() - started),
      calls: calls |> :ets.tab2list() |> in_order()
    }

    for trace <- traces, do: Trace.tell(trace, run)
  end

  # In the order in which they began; of two at one time the outer one.
  defp in_order(rows) do
    skips = for {:skip, place, at, error} <- rows, do: {place, at, error}
    began = Enum.sort(for {:call, place, started, call} <- rows, do: {started, place, call})

    {calls, _skips} =
      began
      |> Enum.reverse()
      |> Enum.map_reduce(skips, fn {started, place, call}, skips ->
        # The last of its calls that had begun.
        case Enum.split_with(skips, fn {of, at, _error} -> of == place and at >= started end) do
          {[{_, _, error} | _], skips} -> {Call.skipped(call, error), skips}
          {[], skips} -> {call, skips}
        end
      end)

    Enum.reverse(calls)
  end
end
