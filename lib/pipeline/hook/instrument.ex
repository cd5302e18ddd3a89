defmodule Pipeline.Hook.Instrument do
  @moduledoc false
  # Runs a chain once with a clock at each hook. The closures are made for this run: the same steps as ever, with what
  # each hook is called for and what it calls `next` for wrapped.
  #
  # The time of a hook is that of its call without what it waited for behind `next`, whatever process called that.

  alias Pipeline.Hook.{Chain, Closures, Failure}

  @typedoc "The place of a hook in the run, counted from the outermost; the base operation has `:core`."
  @type place :: non_neg_integer | :core

  @typedoc "How a call ended: with a value after `next` had been called, with one of its own, or with a failure."
  @type outcome :: :passed | :answered | {:failed, :error | :exit | :throw, term, Exception.stacktrace()}

  @typedoc "Told of each call when it ends, with the clock at its start and its time in nanoseconds."
  @type observe :: (place, Chain.ready() | :core, outcome, started :: integer, nanoseconds :: integer -> term)

  @doc "The clock, in units of its own. `:erlang.monotonic_time/0` takes three times as long."
  @spec clock() :: integer
  def clock, do: :os.perf_counter()

  @spec nanoseconds(integer) :: integer
  def nanoseconds(clocks), do: :erlang.convert_time_unit(clocks, :perf_counter, :nanosecond)

  @doc "Runs a chain; of a ready hook `prepare` makes the one that is called."
  @spec run(
          Chain.layers(),
          term,
          Chain.step() | nil,
          atom | nil,
          observe,
          (place, Chain.ready() -> Chain.ready())
        ) ::
          {:ok, term} | {:error, term}
  def run(layers, context, core, instance, observe, prepare \\ fn _place, ready -> ready end) do
    places = count(layers)
    # For each place how often it has called `next`, and the time that took.
    behind = :atomics.new(max(places * 2, 1), signed: true)
    woven = %{instance: instance, observe: observe, prepare: prepare, behind: behind}
    {whole, 0} = weave(layers, core(core, observe), places, woven)
    {:ok, whole.(context)}
  catch
    kind, reason -> Failure.result(kind, reason, __STACKTRACE__)
  end

  @doc "Makes one call, and tells how it ended with the clock before and after."
  @spec call((() -> term), ({:ok, term} | outcome, started :: integer, ended :: integer -> term)) :: term
  def call(fun, tell) do
    started = clock()

    try do
      fun.()
    catch
      kind, reason ->
        stacktrace = __STACKTRACE__
        tell.({:failed, kind, reason, stacktrace}, started, clock())
        :erlang.raise(kind, reason, stacktrace)
    else
      value ->
        tell.({:ok, value}, started, clock())
        value
    end
  end

  defp count(layers) do
    Enum.reduce(layers, 0, fn
      {:after, readies, _closure}, sum -> sum + length(readies)
      _ready, sum -> sum + 1
    end)
  end

  defp core(nil, _observe), do: &Function.identity/1

  defp core(core, observe) do
    fn context ->
      call(fn -> Closures.guarded(context, core) end, fn ended, started, now ->
        observe.(:core, :core, outcome(ended, true), started, nanoseconds(now - started))
      end)
    end
  end

  # From the innermost to the outermost, whose place is 0.
  defp weave([], inside, place, _woven), do: {inside, place}

  defp weave([{:after, readies, _closure} | layers], inside, place, woven) do
    {rest, place} = weave(readies, &Function.identity/1, place, woven)
    weave(layers, fn context -> rest.(inside.(context)) end, place, woven)
  end

  defp weave([ready | layers], inside, place, woven) do
    weave(layers, step(ready, inside, place - 1, woven), place - 1, woven)
  end

  defp step(ready, next, place, %{observe: observe, behind: behind} = woven) do
    calls = place * 2 + 1
    time = place * 2 + 2

    step =
      place
      |> woven.prepare.(ready)
      |> Chain.step(timed(next, behind, calls, time), woven.instance)

    fn context ->
      # An outer hook may call this one again.
      called = :atomics.get(behind, calls)
      spent = :atomics.get(behind, time)

      call(fn -> step.(context) end, fn ended, started, now ->
        outcome = outcome(ended, :atomics.get(behind, calls) > called)
        waited = :atomics.get(behind, time) - spent
        observe.(place, ready, outcome, started, nanoseconds(max(now - started - waited, 0)))
      end)
    end
  end

  defp outcome({:ok, _value}, true), do: :passed
  defp outcome({:ok, _value}, false), do: :answered
  defp outcome(failed, _called?), do: failed

  defp timed(next, behind, calls, time) do
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
