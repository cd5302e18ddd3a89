defmodule Pipeline.Hook.NativeStats do
  @moduledoc false
  # The statistics that a native library has of a segment, as `Pipeline.Hook.stats/2` shows them for each
  # hook: the scheduler of its runs, and the times of the hook itself in place of the times of the whole call.

  alias Pipeline.Hook.Segment

  @doc """
  The statistics by the sequence number of the hook. `:reached` is the share of the runs that got to the hook.

  The library counts from when the segment was made, which is when the hooks beside it last changed.
  """
  @spec of(Segment.t()) :: %{non_neg_integer => map}
  def of(%Segment{} = segment) do
    measured = Segment.stats(segment)
    scheduler = Map.take(measured, [:normal, :dirty, :moved])

    for {registration, hook} <- Enum.zip(Tuple.to_list(segment.hooks), measured.hooks), into: %{} do
      reached = if measured.runs > 0, do: hook.runs / measured.runs, else: 1.0
      known = %{reached: reached, answers: hook.answers, scheduler: scheduler}
      {registration.sequence, hook |> times() |> Map.merge(known)}
    end
  end

  defp times(%{timed: 0}), do: %{}
  defp times(%{timed: timed, p50_ns: p50, p99_ns: p99}), do: %{measured: timed, p50_ns: p50, p99_ns: p99}
end
