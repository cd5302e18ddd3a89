defmodule Pipeline.Plugin.Wave do
  @moduledoc false
  # Waits for callbacks of several plugins that run at the same time, not more of them than there are schedulers: each
  # begins as soon as another is done, and has the whole timeout. When one has failed none begins any more, and those
  # under way are waited for.

  @typedoc "`:not_begun` for those that had not begun when another failed."
  @type outcome :: {:ok, pid} | {:error, reason :: term} | :not_begun

  @doc """
  What became of each item, in their order.

  `begin` starts the callback of an item and returns its process, which is to send `{:plugin_done, pid, :ok | {:error,
  reason}}`.
  """
  @spec run([item], timeout, (item -> {:ok, pid} | {:error, term})) :: [{item, outcome}]
        when item: term
  def run(items, timeout, begin) do
    items
    |> Enum.with_index()
    |> fill(%{}, %{}, {timeout, begin, System.schedulers_online()})
    |> in_order(items)
  end

  defp fill([{item, index} | rest] = left, running, outcomes, {timeout, begin, places} = how) do
    if map_size(running) < places do
      case begin.(item) do
        {:ok, pid} ->
          running = Map.put(running, pid, {index, Process.monitor(pid), deadline(timeout)})
          fill(rest, running, outcomes, how)

        {:error, reason} ->
          drain(running, Map.put(outcomes, index, {:error, reason}))
      end
    else
      {running, outcome, index} = await(running)
      outcomes = Map.put(outcomes, index, outcome)
      if match?({:error, _}, outcome), do: drain(running, outcomes), else: fill(left, running, outcomes, how)
    end
  end

  defp fill([], running, outcomes, _how), do: drain(running, outcomes)

  defp drain(running, outcomes) when running == %{}, do: outcomes

  defp drain(running, outcomes) do
    {running, outcome, index} = await(running)
    drain(running, Map.put(outcomes, index, outcome))
  end

  # There are few at a time.
  defp await(running) do
    receive do
      {:plugin_done, pid, result} when is_map_key(running, pid) ->
        {{index, monitor, _deadline}, running} = Map.pop!(running, pid)
        Process.demonitor(monitor, [:flush])
        {running, if(result == :ok, do: {:ok, pid}, else: result), index}

      {:DOWN, monitor, :process, pid, reason} when elem(:erlang.map_get(pid, running), 1) == monitor ->
        {{index, _monitor, _deadline}, running} = Map.pop!(running, pid)
        {running, {:error, reason(reason)}, index}
    after
      left(running) -> end_late(running)
    end
  end

  # What ends before it was looked at, and has said nothing, was killed.
  defp reason(:noproc), do: :killed
  defp reason(reason), do: reason

  # It could come back any time with a result that nobody waits for.
  defp end_late(running) do
    {pid, {index, monitor, _deadline}} = Enum.min_by(running, fn {_pid, {_, _, deadline}} -> deadline end)
    Process.exit(pid, :kill)

    receive do
      {:DOWN, ^monitor, :process, ^pid, _reason} -> :ok
    end

    receive do
      {:plugin_done, ^pid, _result} -> :ok
    after
      0 -> :ok
    end

    {Map.delete(running, pid), {:error, :timeout}, index}
  end

  defp deadline(:infinity), do: :infinity
  defp deadline(timeout), do: now() + timeout

  defp left(running) do
    # An atom is greater than any number.
    case running |> Enum.map(fn {_pid, {_, _, deadline}} -> deadline end) |> Enum.min() do
      :infinity -> :infinity
      deadline -> max(deadline - now(), 0)
    end
  end

  defp now, do: System.monotonic_time(:millisecond)

  defp in_order(outcomes, items) do
    items
    |> Enum.with_index()
    |> Enum.map(fn {item, index} -> {item, Map.get(outcomes, index, :not_begun)} end)
  end
end
