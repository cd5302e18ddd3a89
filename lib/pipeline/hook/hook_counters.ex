defmodule Pipeline.Hook.HookCounters do
  @moduledoc false
  # The counters of one hook. They belong to its registration, so they stay as long as the hook does, whatever
  # other hooks come to its point and go.
  #
  # Failures, skips and refusals are counted where they are seen, for the hook and for its point. Calls,
  # answers and times are counted in the runs that are measured (`Pipeline.Hook.Measurement`).

  alias Pipeline.Hook.{Histogram, PointCounters}

  @failures 1
  @skips 2
  @refusals 3
  # Two words each: for the first runs of the point, and for later ones.
  @calls 4
  @answers 6
  # The runs of the point before the hook came: all, and those measured among the first and among the later
  # ones.
  @before 8
  @times 10

  @typedoc "The words of the hook and of its point; `nil` in a chain that belongs to no instance."
  @type t :: {:atomics.atomics_ref(), PointCounters.t()} | nil

  @doc "The counters of a hook that comes to a point after so many runs of it."
  @spec new(PointCounters.t(), begun :: non_neg_integer) :: t
  def new(of_point, begun) do
    words = :atomics.new(@times + Histogram.words(), signed: true)
    {all, first, later} = PointCounters.so_far(of_point, begun)
    for {count, place} <- Enum.with_index([all, first, later], @before), do: :atomics.put(words, place, count)
    {words, of_point}
  end

  @spec failed(t) :: :ok
  def failed(counters), do: count(counters, @failures, &PointCounters.failed/1)

  @spec skipped(t) :: :ok
  def skipped(counters), do: count(counters, @skips, &PointCounters.skipped/1)

  @spec refused(t) :: :ok
  def refused(counters), do: count(counters, @refusals, &PointCounters.refused/1)

  @doc "Counts a call in a measured run."
  @spec called(t, 1..2) :: :ok
  def called({words, _of_point}, phase), do: :atomics.add(words, @calls - 1 + phase, 1)

  @doc "Counts an early answer in a measured run."
  @spec answered(t, 1..2) :: :ok
  def answered({words, of_point}, phase) do
    :atomics.add(words, @answers - 1 + phase, 1)
    PointCounters.answered(of_point, phase)
  end

  @doc "Counts the time of a call."
  @spec took(t, integer) :: :ok
  def took({words, _of_point}, nanoseconds), do: Histogram.record(words, @times, nanoseconds)

  @doc """
  Reads the counters, after so many runs of the point.

  Calls and answers in runs that were not measured are estimated from the later runs that were.
  """
  @spec read(t, begun :: non_neg_integer) :: map
  def read({words, of_point}, begun) do
    so_far = since(words, PointCounters.so_far(of_point, begun))
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

  defp count(nil, _word, _count_of_point), do: :ok

  defp count({words, of_point}, word, count_of_point) do
    :atomics.add(words, word, 1)
    count_of_point.(of_point)
  end
end
