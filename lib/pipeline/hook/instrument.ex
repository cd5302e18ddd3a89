defmodule Pipeline.Hook.Instrument do
  @moduledoc false
  # An instrument of `Pipeline.Hook.Compiler` that times each call of a run. The time of a hook leaves out the
  # time behind `next`, in whatever process that is called.

  alias Pipeline.Hook.Compiler

  @typedoc "How a call ended: with a value after `next` was called, with a value of its own, or with a failure."
  @type outcome :: :passed | :answered | {:failed, :error | :exit | :throw, term, Exception.stacktrace()}

  @typedoc "The start of a call: the clock, and the place of the stage in the run for calls that start together."
  @type start :: {clock :: integer, place :: non_neg_integer}

  @typedoc "Is told of each call when it ends."
  @type observe :: (Compiler.stage() | :core, outcome, start, nanoseconds :: integer -> term)

  @doc "The clock, in units of its own. `:erlang.monotonic_time/0` takes three times as long."
  @spec clock() :: integer
  def clock, do: :os.perf_counter()

  @spec nanoseconds(integer) :: integer
  def nanoseconds(clocks), do: :erlang.convert_time_unit(clocks, :perf_counter, :nanosecond)

  @doc "The instrument of one run of a chain with so many stages."
  @spec new(non_neg_integer, observe) :: Compiler.instrument()
  def new(stages, observe) do
    # For each place the number of calls of `next`, and the time that they took.
    behind = :atomics.new((stages + 1) * 2, signed: true)
    fn stage, place, fun -> timed(stage, place, fun, observe, behind) end
  end

  defp timed(stage, place, fun, observe, behind) do
    calls = place * 2 + 1
    time = place * 2 + 2

    fn context, next ->
      # An outer hook may call this one again.
      called = :atomics.get(behind, calls)
      spent = :atomics.get(behind, time)
      started = clock()

      ended = fn outcome ->
        own = clock() - started - (:atomics.get(behind, time) - spent)
        observe.(stage, outcome, {started, place}, nanoseconds(max(own, 0)))
      end

      try do
        fun.(context, next && timed_next(next, behind, calls, time))
      catch
        kind, reason ->
          stacktrace = __STACKTRACE__
          ended.({:failed, kind, reason, stacktrace})
          :erlang.raise(kind, reason, stacktrace)
      else
        value ->
          ended.(outcome(stage, value, :atomics.get(behind, calls) > called))
          value
      end
    end
  end

  defp outcome(%{kind: :listen}, nil, _called?), do: :passed
  defp outcome(_stage, _value, true), do: :passed
  defp outcome(_stage, _value, false), do: :answered

  defp timed_next(next, behind, calls, time) do
    fn context ->
      :atomics.add(behind, calls, 1)
      started = clock()

      try do
        next.(context)
      after
        :atomics.add(behind, time, clock() - started)
      end
    end
  end
end
