defmodule Pipeline.Plugin.Resources.Track do
  @moduledoc false
  # The state of a plugin between two samples. Times are native units of the monotonic clock.

  alias Pipeline.Plugin.Resources
  alias Pipeline.Plugin.Resources.Limits

  @enforce_keys [:id, :pid, :limits, :started_at, :restarts]
  defstruct [:id, :pid, :limits, :started_at, :restarts, :last, :rate, over: MapSet.new()]

  @type t :: %__MODULE__{
          id: Pipeline.Plugin.plugin_id(),
          # `nil` between two processes
          pid: pid | nil,
          limits: Limits.t(),
          # `nil` if its start was not seen
          started_at: integer | nil,
          restarts: non_neg_integer | nil,
          # reductions, and the time of the sample
          last: {non_neg_integer, integer} | nil,
          rate: non_neg_integer | nil,
          over: MapSet.t(Limits.kind())
        }

  @doc "Takes a sample. Returns the exceeded limits, and those of them that must be reported."
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

  @doc "The exceeded limit of a process that ended, if the VM may have killed it for its heap."
  @spec killed(Pipeline.Plugin.plugin_id(), Limits.t(), reason :: term) :: [Resources.exceeded()]
  def killed(id, %{max_heap: {limit, :kill}}, :killed) do
    [%{id: id, what: :max_heap, limit: limit, value: nil, action: :kill}]
  end

  def killed(_id, _limits, _reason), do: []

  @doc "What the track adds to the figures of the VM."
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
