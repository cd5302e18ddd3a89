defmodule Pipeline.Hook.HookCounters do
  @moduledoc false
  # What is counted of one hook. It is held by the hook's entry, so it stays while the hook stays, whatever else comes to
  # its point and goes, and goes with it.
  #
  # Failures, skips and refusals are counted where they are seen, and for the point too. How often the hook was called,
  # what it answered and how long it took are counted in the runs that are measured (`Pipeline.Hook.Measured`).

  alias Pipeline.Hook.{Histogram, PointCounters}

  @failures 1
  @skips 2
  @refusals 3
  # Each in the first runs of the point, and behind that in later ones.
  @calls 4
  @answers 6
  # The runs of the point before the hook came: all, and those measured as the first and as later ones.
  @before 8
  @times 10

  @typedoc "The words of the hook and those of its point; `nil` in a chain that belongs to no instance."
  @type t :: {:atomics.atomics_ref(), PointCounters.t()} | nil

  @doc "The counters of a hook that comes to a point after so many runs of it."
  @spec new(PointCounters.t(), begun :: non_neg_integer) :: t
  def new(runs, begun) do
    words = :atomics.new(@times + Histogram.words(), signed: true)
    {all, first, later} = PointCounters.so_far(runs, begun)
    for {count, place} <- Enum.with_index([all, first, later], @before), do: :atomics.put(words, place, count)
    {words, runs}
  end

  @spec failed(t) :: :ok
  def failed(tally), do: both(tally, @failures, &PointCounters.failed/1)

  @spec skipped(t) :: :ok
  def skipped(tally), do: both(tally, @skips, &PointCounters.skipped/1)

  @spec refused(t) :: :ok
  def refused(tally), do: both(tally, @refusals, &PointCounters.refused/1)

  @doc "Counts a call in a measured run."
  @spec called(t, 1..2) :: :ok
  def called({words, _runs}, phase), do: :atomics.add(words, @calls - 1 + phase, 1)

  @doc "Counts an early answer in a measured run."
  @spec answered(t, 1..2) :: :ok
  def answered({words, runs}, phase) do
    :atomics.add(words, @answers - 1 + phase, 1)
    PointCounters.answered(runs, phase)
  end

  @doc "Counts the time of a call."
  @spec took(t, integer) :: :ok
  def took({words, _runs}, nanoseconds), do: Histogram.record(words, @times, nanoseconds)

  @doc """
  What was counted, after so many runs of the point.

  Of the runs that were not measured as many are taken to have called the hook, and been answered by it, as of those
  that were measured later.
  """
  @spec read(t, begun :: non_neg_integer) :: map
  def read({words, runs}, begun) do
    so_far = since(words, PointCounters.so_far(runs, begun))
    derive = &PointCounters.derive(so_far, :atomics.get(words, &1), :atomics.get(words, &1 + 1))
    times = Histogram.read(words, @times)

    %{
      runs: derive.(@calls),
      failures: :atomics.get(words, @failures),
      skips: :atomics.get(words, @skips),
      refusals: :atomics.get(words, @refusals),
      answers: derive.(@answers),
      measured: Histogram.count(times),
      p50_ns: Histogram.quantile(times, 0.5),
      p99_ns: Histogram.quantile(times, 0.99)
    }
  end

  defp since(words, {all, first, later}) do
    [a, f, l] = for place <- @before..(@before + 2), do: :atomics.get(words, place)
    {all - a, first - f, later - l}
  end

  defp both(nil, _word, _of_point), do: :ok

  defp both({words, runs}, word, of_point) do
    :atomics.add(words, word, 1)
    of_point.(runs)
  end
end
