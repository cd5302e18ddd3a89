defmodule Pipeline.Hook.Runs do
  @moduledoc false
  # What is counted of one point, in words of an atomic array: each run, by the scheduler it starts on, with a cache line
  # for each, and what the hooks of the point count for it.
  #
  # The first runs on each scheduler are measured, and then one in so many, which stands for those since the last. When
  # hooks come to the point, its first runs are measured again.

  import Bitwise

  alias Pipeline.Hook.Histogram

  @first 1024
  @then_one_in 512

  @failures 1
  @skips 2
  @refusals 3
  @measured 4
  @answers 5

  @typedoc "A word for each scheduler at its number times 8, those above before them, a histogram behind them."
  @type t :: :atomics.atomics_ref()

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
  Counts a run and says whether it is to be measured: for how many runs it stands, 0 for none.

  In the way of every run, hence a macro.
  """
  defmacro count_one(runs, limits) do
    quote do
      scheduler = :erlang.system_info(:scheduler_id)
      count = :atomics.add_get(unquote(runs), :erlang.bsl(scheduler, 3), 1)
      limit = :erlang.element(scheduler, unquote(limits))

      cond do
        count > limit and :erlang.band(count, unquote(@then_one_in - 1)) != 0 -> 0
        count <= limit -> 1
        true -> min(count - limit, unquote(@then_one_in))
      end
    end
  end

  @spec failed(t) :: :ok
  def failed(runs), do: :atomics.add(runs, @failures, 1)

  @spec skipped(t) :: :ok
  def skipped(runs), do: :atomics.add(runs, @skips, 1)

  @spec refused(t) :: :ok
  def refused(runs), do: :atomics.add(runs, @refusals, 1)

  @doc "Counts a measured run that stands for so many, when it begins."
  @spec began(t, pos_integer) :: :ok
  def began(runs, weight), do: :atomics.add(runs, @measured, weight)

  @doc "Counts the time of a measured run."
  @spec took(t, integer) :: :ok
  def took(runs, nanoseconds), do: Histogram.record(runs, times(), nanoseconds)

  @doc "Counts an early answer in a run that stands for so many."
  @spec answered(t, pos_integer) :: :ok
  def answered(runs, weight), do: :atomics.add(runs, @answers, weight)

  @doc "How many runs there were."
  @spec count(t) :: non_neg_integer
  def count(runs) do
    Enum.reduce(schedulers(), 0, fn scheduler, sum -> sum + :atomics.get(runs, scheduler <<< 3) end)
  end

  @doc "How many of them those that were measured stand for."
  @spec measured(t) :: non_neg_integer
  def measured(runs), do: :atomics.get(runs, @measured)

  @doc "What `part` is of `whole`, of `all`."
  @spec share(non_neg_integer, non_neg_integer, non_neg_integer) :: non_neg_integer
  def share(all, part, whole) when all > 0 and whole > 0, do: round(all * part / whole)
  def share(_all, _part, _whole), do: 0

  @spec read(t) :: map
  def read(runs) do
    count = count(runs)
    measured = measured(runs)
    answers = :atomics.get(runs, @answers)
    times = Histogram.read(runs, times())

    %{
      runs: count,
      failures: :atomics.get(runs, @failures),
      skips: :atomics.get(runs, @skips),
      refusals: :atomics.get(runs, @refusals),
      answers: answers + share(count - measured, answers, measured),
      measured: Histogram.count(times),
      p50_ns: Histogram.quantile(times, 0.5),
      p99_ns: Histogram.quantile(times, 0.99)
    }
  end

  defp schedulers, do: 1..:erlang.system_info(:schedulers)
  defp times, do: (:erlang.system_info(:schedulers) + 1) * 8
end
