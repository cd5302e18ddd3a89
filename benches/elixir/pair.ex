defmodule Bench.Pair do
  @moduledoc """
  Compares two things in one run.

  Each side is a function that does its work a number of times and returns the nanoseconds that this took. The sides
  take turns, and the one that goes first changes from round to round, so that whatever else the machine does falls on
  both. What is reported are the medians over all rounds, and the tenth and the ninetieth percentile of the ratios of the
  rounds.
  """

  alias Bench.Effort

  @type side :: (times :: pos_integer -> nanoseconds :: number)

  # A batch that takes this long is measured well by a clock and not often interrupted.
  @batch 2_000_000

  @doc "A side that calls a function again and again."
  @spec repeat((() -> term)) :: side
  def repeat(fun), do: fn times -> time(fn -> loop(times, fun) end) end

  @doc "The same, with each element of a list in turn; `times` counts whole lists."
  @spec each([term], (term -> term)) :: side
  def each(list, fun), do: fn times -> time(fn -> loop(times, fn -> walk(list, fun) end) end) end

  @doc "The nanoseconds that a function takes."
  @spec time((() -> term)) :: integer
  def time(fun) do
    started = :erlang.monotonic_time()
    fun.()
    :erlang.convert_time_unit(:erlang.monotonic_time() - started, :native, :nanosecond)
  end

  @doc """
  Measures a row of the table.

  ## Options

    * `:what`, `:against` - how the two sides are called in the table
    * `:target` - the highest ratio that will do
    * `:section` - `:native` for what compares a native part with the same in Elixir
    * `:rounds` - by default 101
    * `:times` - how often each side does its work in a round; by default as often as takes two milliseconds
    * `:per` - how many pieces of work one time is, by default 1
  """
  @spec row(side, side, keyword) :: map
  def row(subject, reference, opts) do
    # In a process of its own, so that no row inherits the heap of another.
    rounds =
      fn -> rounds(subject, reference, opts) end
      |> Task.async()
      |> Task.await(:infinity)

    from_rounds(rounds, opts)
  end

  @doc "A row of the table, of rounds that were measured in another way: pairs of subject and reference."
  @spec from_rounds([{number, number}], keyword) :: map
  def from_rounds(rounds, opts) do
    ratios = for {subject, reference} <- rounds, do: subject / reference

    %{
      what: opts[:what],
      against: opts[:against],
      target: opts[:target],
      section: opts[:section] || :rest,
      subject: rounds |> Enum.map(&elem(&1, 0)) |> quantile(0.5),
      reference: rounds |> Enum.map(&elem(&1, 1)) |> quantile(0.5),
      low: quantile(ratios, 0.1),
      high: quantile(ratios, 0.9)
    }
  end

  defp rounds(subject, reference, opts) do
    {subject_times, reference_times} =
      case opts[:times] do
        nil -> {calibrate(subject, 1), calibrate(reference, 1)}
        times -> {times, times}
      end

    per = opts[:per] || 1

    for round <- 1..Effort.rounds(opts[:rounds] || 101) do
      measure_subject = fn -> batch(subject, subject_times) / per end
      measure_reference = fn -> batch(reference, reference_times) / per end

      if rem(round, 2) == 0 do
        subject = measure_subject.()
        {subject, measure_reference.()}
      else
        reference = measure_reference.()
        {measure_subject.(), reference}
      end
    end
  end

  @doc "The nanoseconds that a side takes each time, over so many times."
  @spec batch(side, pos_integer) :: float
  def batch(side, times) do
    :erlang.garbage_collect()
    side.(times) / times
  end

  @doc "How often a side does its work in a batch."
  @spec calibrate(side, pos_integer) :: pos_integer
  def calibrate(side, times) do
    case side.(times) do
      took when took >= @batch -> times
      took when took < @batch / 10 -> calibrate(side, times * 10)
      took -> ceil(times * @batch / took)
    end
  end

  defp loop(0, _fun), do: :ok

  defp loop(times, fun) do
    fun.()
    loop(times - 1, fun)
  end

  defp walk([], _fun), do: :ok

  defp walk([element | rest], fun) do
    fun.(element)
    walk(rest, fun)
  end

  @doc "The value below which a share of them lies."
  @spec quantile([number], float) :: number
  def quantile(values, share) do
    sorted = Enum.sort(values)
    Enum.at(sorted, min(floor(length(sorted) * share), length(sorted) - 1))
  end
end
