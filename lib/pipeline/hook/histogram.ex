defmodule Pipeline.Hook.Histogram do
  @moduledoc false
  # A histogram of times in words of an atomic array: four buckets to each power of two nanoseconds, as in
  # HdrHistogram, so a quantile is at most an eighth off. Times of more than 18 minutes are in the last
  # bucket.

  import Bitwise

  @longest (1 <<< 40) - 1
  @words 156

  @doc "The number of words."
  @spec words() :: pos_integer
  def words, do: @words

  @doc "Counts a time; the words follow the one numbered `offset`."
  @spec record(:atomics.atomics_ref(), non_neg_integer, nanoseconds :: integer) :: :ok
  def record(words, offset, nanoseconds) do
    :atomics.add(words, offset + 1 + (nanoseconds |> max(0) |> min(@longest) |> bucket()), 1)
  end

  @doc "The buckets that are not empty, from the shortest time, each with its count."
  @spec read(:atomics.atomics_ref(), non_neg_integer) :: [{Range.t(), pos_integer}]
  def read(words, offset) do
    for bucket <- 0..(@words - 1), count = :atomics.get(words, offset + 1 + bucket), count > 0 do
      {bounds(bucket), count}
    end
  end

  @doc "A quantile in nanoseconds, `nil` if nothing was counted."
  @spec quantile([{Range.t(), pos_integer}], float) :: non_neg_integer | nil
  def quantile([], _share), do: nil

  def quantile(buckets, share) do
    total = count(buckets)
    wanted = max(ceil(total * share), 1)

    Enum.reduce_while(buckets, 0, fn {first..last//1, count}, seen ->
      if seen + count >= wanted, do: {:halt, div(first + last, 2)}, else: {:cont, seen + count}
    end)
  end

  @doc "The number of times counted."
  @spec count([{Range.t(), pos_integer}]) :: non_neg_integer
  def count(buckets), do: Enum.reduce(buckets, 0, fn {_bounds, count}, sum -> sum + count end)

  # Up to 3 ns a bucket each, from there on a quarter of an octave.
  defp bucket(time) when time < 4, do: time

  defp bucket(time) do
    octave = octave(time, 0)
    (octave - 1) * 4 + (time >>> (octave - 2) &&& 3)
  end

  defp bounds(bucket) when bucket < 4, do: bucket..bucket//1

  defp bounds(bucket) do
    octave = div(bucket, 4) + 1
    width = 1 <<< (octave - 2)
    first = (4 + rem(bucket, 4)) * width
    first..(first + width - 1)//1
  end

  # The place of the highest bit.
  defp octave(time, found) when time >= 0x10000, do: octave(time >>> 16, found + 16)
  defp octave(time, found) when time >= 0x100, do: octave(time >>> 8, found + 8)
  defp octave(time, found) when time >= 0x10, do: octave(time >>> 4, found + 4)
  defp octave(time, found) when time >= 4, do: octave(time >>> 2, found + 2)
  defp octave(time, found), do: found + (time >>> 1)
end
