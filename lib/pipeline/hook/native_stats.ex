defmodule Pipeline.Hook.NativeStats do
  @moduledoc false
  # What a native library has measured of a segment, as `Pipeline.Hook.stats/2` shows it of each hook in it: which
  # scheduler it ran on, and, since the library times each hook, its own times in place of those of the whole call.

  alias Pipeline.Hook.{Histogram, Segment}

  @doc """
  By the registration of the hook. `:reached` is the share of the calls of the
  segment that got to the hook.

  The library counts from when the segment was made, which is when the hooks beside it last changed.
  """
  @spec of(Segment.t()) :: %{non_neg_integer => map}
  def of(%Segment{} = segment) do
    measured = Segment.stats(segment)
    scheduler = Map.take(measured, [:normal, :dirty, :moved])

    for {registration, hook} <- Enum.zip(Tuple.to_list(segment.entries), measured.hooks), into: %{} do
      reached = if measured.runs > 0, do: hook.runs / measured.runs, else: 1.0
      known = %{reached: reached, answers: hook.answers, scheduler: scheduler}
      {registration.registration, hook |> times() |> Map.merge(known)}
    end
  end

  defp times(%{histogram: []}), do: %{}

  defp times(%{histogram: histogram}) do
    buckets = for {from, to, count} <- histogram, do: {from..(to - 1)//1, count}

    %{
      measured: Histogram.count(buckets),
      p50_ns: Histogram.quantile(buckets, 0.5),
      p99_ns: Histogram.quantile(buckets, 0.99)
    }
  end
end
