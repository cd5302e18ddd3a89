defmodule Pipeline.Plugin.Manager.Retry do
  @moduledoc false
  # When plugins that have failed are tried again: each after a pause, which doubles while the plugin keeps failing.
  # A plugin that has run for as long as the longest pause begins anew with the shortest.

  alias Pipeline.Plugin.{Lifecycle, Restart}

  @typedoc "The pause before the last try, and the timer of the next one, or since when the plugin runs."
  @type entry :: %{pause: pos_integer, timer: reference | nil, runs_since: integer | nil}
  @type t :: %{Pipeline.Plugin.plugin_id() => entry}

  @doc """
  Does what the state of a plugin asks for: one that has failed is tried again, no other is.

  The calling process is sent `{:timeout, timer, {:retry, id}}` when it is time.
  """
  @spec follow(t, Lifecycle.info()) :: t
  def follow(retries, %{id: id, state: state} = info) do
    case {state, retries[id]} do
      {:failed, %{timer: timer}} when timer != nil -> retries
      {:failed, entry} -> Map.put(retries, id, arrange(info, entry))
      {:started, %{} = entry} -> Map.put(retries, id, entry |> cancel() |> runs())
      {idle, _} when idle in [:held, :stopped] -> forget(retries, id)
      _ -> retries
    end
  end

  @doc "For a plugin that is no longer known."
  @spec forget(t, Pipeline.Plugin.plugin_id()) :: t
  def forget(retries, id) do
    {entry, retries} = Map.pop(retries, id)
    if entry, do: cancel(entry)
    retries
  end

  @doc "Whether it is time for what this timer was for."
  @spec due(t, Pipeline.Plugin.plugin_id(), reference) :: {:ok, t} | :no
  def due(retries, id, timer) do
    case retries do
      %{^id => %{timer: ^timer} = entry} -> {:ok, Map.put(retries, id, %{entry | timer: nil})}
      _ -> :no
    end
  end

  @doc "The pause that a plugin waits for, in milliseconds."
  @spec pause(t, Pipeline.Plugin.plugin_id()) :: pos_integer | nil
  def pause(retries, id), do: retries[id][:pause]

  defp arrange(%{id: id} = info, entry) do
    restart = Map.get(info, :restart, Restart.default())
    pause = Restart.pause(restart, unless(ran_long?(entry, restart), do: entry[:pause]))
    %{pause: pause, timer: :erlang.start_timer(pause, self(), {:retry, id}), runs_since: nil}
  end

  defp ran_long?(%{runs_since: since}, restart) when since != nil, do: now() - since >= restart.backoff.max
  defp ran_long?(_entry, _restart), do: false

  defp runs(%{runs_since: nil} = entry), do: %{entry | runs_since: now()}
  defp runs(entry), do: entry

  defp cancel(%{timer: nil} = entry), do: entry

  defp cancel(%{timer: timer} = entry) do
    :erlang.cancel_timer(timer)
    %{entry | timer: nil}
  end

  defp now, do: System.monotonic_time(:millisecond)
end
