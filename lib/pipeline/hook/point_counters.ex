defmodule Pipeline.Hook.PointCounters do
  @moduledoc false
  # What is counted of one point, in words of an atomic array: each run, by the scheduler it starts on, with a cache line
  # for each, and what the hooks of the point count for it.
  #
  # The first runs on each scheduler are measured, and then about one in 512, which stands for the others. When hooks come to
  # the point, its first runs are measured again.

  import Bitwise

  alias Pipeline.Hook.Histogram

  @first 1024

  # Later, one run in so many: the one whose place among them is the number of those before, so every 513th. Every 512th
  # would be in step with work that goes by powers of two.
  @bits 9
  @mask 511

  @failures 1
  @skips 2
  @refusals 3
  # Each for the first runs, and behind that for later ones.
  @measured 4
  @answers 6

  @typedoc "A word for each scheduler at its number times 8, those above before them, a histogram behind them."
  @type t :: :atomics.atomics_ref()

  @typedoc "Whether a run is measured: no, as one of the first, as one of the later ones."
  @type phase :: 0 | 1 | 2

  @typedoc "For each scheduler the count up to which all of its runs are measured."
  @type limits :: tuple

  @spec new() :: t
  def new, do: :atomics.new(times() + Histogram.words(), signed: true)

  @doc "The limits from now on."
  @spec limits(t) :: limits
  def limits(runs) do
    List.to_tuple(for scheduler <- schedulers(), do: :atomics.get(runs, scheduler <<< 3) + @first)
  end

  @doc """
  Counts a run and says whether it is to be measured (`t:phase/0`).

  In the way of every run, hence a macro.
  """
  defmacro count_one(runs, limits) do
    quote do
      scheduler = :erlang.system_info(:scheduler_id)
      count = :atomics.add_get(unquote(runs), :erlang.bsl(scheduler, 3), 1)

      cond do
        count <= :erlang.element(scheduler, unquote(limits)) -> 1
        :erlang.band(:erlang.bxor(count, :erlang.bsr(count, unquote(@bits))), unquote(@mask)) == 0 -> 2
        true -> 0
      end
    end
  end

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
  def took(runs, nanoseconds), do: Histogram.record(runs, times(), nanoseconds)

  @doc "Counts an early answer in a measured run."
  @spec answered(t, 1..2) :: :ok
  def answered(runs, phase), do: :atomics.add(runs, @answers - 1 + phase, 1)

  @doc "How many runs there were."
  @spec count(t) :: non_neg_integer
  def count(runs) do
    Enum.reduce(schedulers(), 0, fn scheduler, sum -> sum + :atomics.get(runs, scheduler <<< 3) end)
  end

  @doc "How many runs there were, and how many of them were measured as the first and as later ones."
  @spec so_far(t) :: {non_neg_integer, non_neg_integer, non_neg_integer}
  def so_far(runs), do: {count(runs), :atomics.get(runs, @measured), :atomics.get(runs, @measured + 1)}

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

  @spec read(t) :: map
  def read(runs) do
    so_far = so_far(runs)
    times = Histogram.read(runs, times())

    %{
      runs: elem(so_far, 0),
      failures: :atomics.get(runs, @failures),
      skips: :atomics.get(runs, @skips),
      refusals: :atomics.get(runs, @refusals),
      answers: derive(so_far, :atomics.get(runs, @answers), :atomics.get(runs, @answers + 1)),
      measured: Histogram.count(times),
      p50_ns: Histogram.quantile(times, 0.5),
      p99_ns: Histogram.quantile(times, 0.99)
    }
  end

  defp schedulers, do: 1..:erlang.system_info(:schedulers)
  defp times, do: (:erlang.system_info(:schedulers) + 1) * 8
end
