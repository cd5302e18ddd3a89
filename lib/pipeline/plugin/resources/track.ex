defmodule Pipeline.Plugin.Resources.Track do
  @moduledoc false
  # What is known of a plugin from one sample to the next. Times are native, of the monotonic clock.

  alias Pipeline.Plugin.Resources
  alias Pipeline.Plugin.Resources.Limits

  @enforce_keys [:id, :pid, :limits, :started_at, :restarts]
  defstruct [:id, :pid, :limits, :started_at, :restarts, :last, :rate, over: MapSet.new()]

  @type t :: %__MODULE__{
          id: Pipeline.Plugin.plugin_id(),
          # `nil` between two processes
          pid: pid | nil,
          limits: Limits.t(),
          # `nil` where nobody saw it start
          started_at: integer | nil,
          restarts: non_neg_integer | nil,
          # reductions, and when they were that many
          last: {non_neg_integer, integer} | nil,
          rate: non_neg_integer | nil,
          over: MapSet.t(Limits.kind())
        }

  @doc "What the process used, by the figures of its memory and its work, is beyond; and what of it is to be told."
  @spec take(t, map, integer) :: {found :: [Resources.exceeded()], new :: [Resources.exceeded()], t}
  def take(%__MODULE__{} = track, figures, now) do
    track = %{track | rate: rate(track, figures, now), last: {figures.reductions, now}}

    found =
      for {what, limit, value, action} <-
            Limits.exceeded(track.limits, Map.put(figures, :reductions_per_second, track.rate)) do
        %{id: track.id, what: what, limit: limit, value: value, action: action}
      end

    new = Enum.reject(found, &(&1.action == :warn and &1.what in track.over))
    {found, new, %{track | over: MapSet.new(found, & &1.what)}}
  end

  @doc "What the process that has ended was beyond, if the VM killed it for that."
  @spec killed(Pipeline.Plugin.plugin_id(), Limits.t(), reason :: term) :: [Resources.exceeded()]
  def killed(id, %{max_heap: {limit, :kill}}, :killed) do
    [%{id: id, what: :max_heap, limit: limit, value: nil, action: :kill}]
  end

  def killed(_id, _limits, _reason), do: []

  @doc "What it adds to the figures."
  @spec tell(t, integer) :: map
  def tell(%__MODULE__{} = track, now) do
    %{
      pid: track.pid,
      reductions_per_second: track.rate,
      uptime: track.started_at && System.convert_time_unit(now - track.started_at, :native, :millisecond),
      restarts: track.restarts
    }
  end

  defp rate(%{last: nil, rate: rate}, _figures, _now), do: rate
  defp rate(%{last: {_reductions, now}, rate: rate}, _figures, now), do: rate

  defp rate(%{last: {reductions, at}}, figures, now) do
    div((figures.reductions - reductions) * System.convert_time_unit(1, :second, :native), now - at)
  end
end
