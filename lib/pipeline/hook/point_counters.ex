defmodule Pipeline.Hook.PointCounters do
  @moduledoc false
  # What is counted of one point, in words of an atomic array, besides its runs (`Pipeline.Hook.Drain`): what its hooks
  # count for it, and the times of measured runs.
  #
  # The first runs on each scheduler are measured, and then about one in 512, which stands for the others
  # (`Pipeline.Hook.Dispatch`). When hooks come to the point, its first runs are measured again.

  alias Pipeline.Hook.Histogram

  @failures 1
  @skips 2
  @refusals 3
  # Each for the first runs, and behind that for later ones.
  @measured 4
  @answers 6
  @times 7

  @typedoc "The words, a histogram behind them."
  @type t :: :atomics.atomics_ref()

  @typedoc "Whether a run is measured: no, as one of the first, as one of the later ones."
  @type phase :: 0 | 1 | 2

  @spec new() :: t
  def new, do: :atomics.new(@times + Histogram.words(), signed: true)

  @spec failed(t) :: :ok
  def failed(runs), do: :atomics.add(runs, @failures, 1)

  @spec skipped(t) :: :ok
  def skipped(runs), do: :atomics.add(runs, @skips, 1)

  @spec refused(t) :: :ok
  def refused(runs), do: :atomics.add(runs, @refusals, 1)

  @doc "Counts a measured run, when it begins."
  @spec began(t, 1..2) :: :ok
  def began(runs, phase), do: :atomics.add(runs, @measured - 1 + phase, 1)

  @doc "Counts the time of a measured run."
  @spec took(t, integer) :: :ok
  def took(runs, nanoseconds), do: Histogram.record(runs, @times, nanoseconds)

  @doc "Counts an early answer in a measured run."
  @spec answered(t, 1..2) :: :ok
  def answered(runs, phase), do: :atomics.add(runs, @answers - 1 + phase, 1)

  @doc "How many runs there were, given that, and how many of them were measured as the first and as later ones."
  @spec so_far(t, begun :: non_neg_integer) :: {non_neg_integer, non_neg_integer, non_neg_integer}
  def so_far(runs, begun), do: {begun, :atomics.get(runs, @measured), :atomics.get(runs, @measured + 1)}

  @doc """
  In how many of all runs something happened, that did in so many of the first and so many of the later ones that were
  measured.
  """
  @spec derive(so_far :: tuple, non_neg_integer, non_neg_integer) :: non_neg_integer
  def derive({runs, first, later}, in_first, in_later) do
    others = max(runs - first, 0)

    cond do
      later > 0 -> in_first + round(others * in_later / later)
      first > 0 -> in_first + round(others * in_first / first)
      true -> 0
    end
  end

  @doc "What was counted, of so many runs."
  @spec read(t, begun :: non_neg_integer) :: map
  def read(runs, begun) do
    so_far = so_far(runs, begun)
    times = Histogram.read(runs, @times)

    %{
      runs: begun,
      failures: :atomics.get(runs, @failures),
      skips: :atomics.get(runs, @skips),
      refusals: :atomics.get(runs, @refusals),
      answers: derive(so_far, :atomics.get(runs, @answers), :atomics.get(runs, @answers + 1)),
      measured: Histogram.count(times),
      p50_ns: Histogram.quantile(times, 0.5),
      p99_ns: Histogram.quantile(times, 0.99)
    }
  end
end
