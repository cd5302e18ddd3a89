defmodule Pipeline.Hook.TracedRun do
  @moduledoc false
  # A traced run notes each call, and tells the traces that want it when it ends.

  alias Pipeline.Hook.{Instrument, Trace}
  alias Pipeline.Hook.Trace.{Call, Run}

  @doc "Traces a run that `run` makes with this observer."
  @spec run(
          [Trace.t()],
          %{:instance => term, :point => atom, optional(atom) => term},
          (Instrument.observe() -> result)
        ) :: result
        when result: term
  def run(traces, point, run) do
    # A call can end in any process. One that ends after the run is not told.
    calls = :ets.new(:calls, [:public, :duplicate_bag])
    started = Instrument.clock()

    try do
      run.(&note(calls, &1, &2, &3, &4))
    catch
      kind, reason ->
        tell(traces, point, calls, {:raised, kind, reason}, started)
        :erlang.raise(kind, reason, __STACKTRACE__)
    else
      result ->
        tell(traces, point, calls, result, started)
        result
    after
      :ets.delete(calls)
    end
  end

  defp note(calls, stage, outcome, start, nanoseconds) do
    :ets.insert(calls, {start, Call.new(stage, outcome, nanoseconds)})
  rescue
    # The run is over.
    ArgumentError -> false
  end

  defp tell(traces, point, calls, result, started) do
    run = %Run{
      instance: point.instance,
      point: point.point,
      pid: self(),
      result: result,
      nanoseconds: Instrument.nanoseconds(Instrument.clock() - started),
      calls: for({_start, call} <- calls |> :ets.tab2list() |> Enum.sort_by(&elem(&1, 0)), do: call)
    }

    for trace <- traces, do: Trace.tell(trace, run)
  end
end
