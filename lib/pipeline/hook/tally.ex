defmodule Pipeline.Hook.Tally do
  @moduledoc false
  # What is counted of one hook. It is held by the hook's entry, so it stays while the hook stays, whatever else comes to
  # its point and goes, and goes with it.
  #
  # Failures, skips and refusals are counted where they are seen, and for the point too. How often the hook was called,
  # what it answered and how long it took are counted in the runs that are measured (`Pipeline.Hook.Measured`).

  alias Pipeline.Hook.{Histogram, Runs}

  @failures 1
  @skips 2
  @refusals 3
  @calls 4
  @answers 5
  # The runs of the point before the hook came: those measured, and those not.
  @measured_before 6
  @unmeasured_before 7
  @times 8

  @typedoc "The words of the hook and those of its point; `nil` in a chain that belongs to no instance."
  @type t :: {:atomics.atomics_ref(), Runs.t()} | nil

  @spec new(Runs.t() | nil) :: t
  def new(nil), do: nil

  def new(runs) do
    words = :atomics.new(@times + Histogram.words(), signed: true)
    measured = Runs.measured(runs)
    :atomics.put(words, @measured_before, measured)
    :atomics.put(words, @unmeasured_before, max(Runs.count(runs) - measured, 0))
    {words, runs}
  end

  @spec failed(t) :: :ok
  def failed(tally), do: both(tally, @failures, &Runs.failed/1)

  @spec skipped(t) :: :ok
  def skipped(tally), do: both(tally, @skips, &Runs.skipped/1)

  @spec refused(t) :: :ok
  def refused(tally), do: both(tally, @refusals, &Runs.refused/1)

  @doc "Counts a call in a run that stands for so many."
  @spec called(t, pos_integer) :: :ok
  def called({words, _runs}, weight), do: :atomics.add(words, @calls, weight)

  @doc "Counts an early answer in a run that stands for so many."
  @spec answered(t, pos_integer) :: :ok
  def answered({words, runs}, weight) do
    :atomics.add(words, @answers, weight)
    Runs.answered(runs, weight)
  end

  @doc "Counts the time of a call."
  @spec took(t, integer) :: :ok
  def took({words, _runs}, nanoseconds), do: Histogram.record(words, @times, nanoseconds)

  @doc """
  What was counted.

  Of the runs that were not measured as many are taken to have called the hook, and been answered by it, as of those
  that were.
  """
  @spec read(t) :: map
  def read({words, runs}) do
    measured = Runs.measured(runs)
    unmeasured = max(Runs.count(runs) - measured, 0) - :atomics.get(words, @unmeasured_before)
    measured = measured - :atomics.get(words, @measured_before)
    whole = fn counted -> counted + Runs.share(unmeasured, counted, measured) end
    times = Histogram.read(words, @times)

    %{
      runs: whole.(:atomics.get(words, @calls)),
      failures: :atomics.get(words, @failures),
      skips: :atomics.get(words, @skips),
      refusals: :atomics.get(words, @refusals),
      answers: whole.(:atomics.get(words, @answers)),
      measured: Histogram.count(times),
      p50_ns: Histogram.quantile(times, 0.5),
      p99_ns: Histogram.quantile(times, 0.99)
    }
  end

  defp both(nil, _word, _of_point), do: :ok

  defp both({words, runs}, word, of_point) do
    :atomics.add(words, word, 1)
    of_point.(runs)
  end
end
