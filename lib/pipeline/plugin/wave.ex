defmodule Pipeline.Plugin.Wave do
  @moduledoc false
  # Runs callbacks of several plugins at the same time, not more of them than there are schedulers. When one has failed
  # none begins any more, and those under way are waited for.

  @typedoc "`:not_begun` for those that had not begun when another failed."
  @type outcome :: {:ok, pid} | {:error, {step :: atom, reason :: term}} | :not_begun

  @doc "What became of each item, in their order. Each has the whole timeout from where it begins."
  @spec run([item], step :: atom, timeout, (item -> outcome)) :: [outcome] when item: term
  def run([item], _step, :infinity, fun), do: [fun.(item)]

  # Not by a stream, which has a process of its own.
  def run([item], step, timeout, fun) do
    task = Task.async(fn -> fun.(item) end)

    case Task.yield(task, timeout) || Task.shutdown(task, :brutal_kill) do
      {:ok, outcome} -> [outcome]
      _exit_or_nil -> [{:error, {step, :timeout}}]
    end
  end

  def run(items, step, timeout, fun) do
    failed = :atomics.new(1, [])

    items
    |> Task.async_stream(&begin(&1, failed, fun),
      max_concurrency: System.schedulers_online(),
      timeout: timeout,
      on_timeout: :kill_task
    )
    |> Enum.map(fn
      {:ok, outcome} -> outcome
      {:exit, reason} -> {:error, {step, reason}}
    end)
  end

  defp begin(item, failed, fun) do
    if :atomics.get(failed, 1) == 0 do
      outcome = fun.(item)
      if match?({:error, _}, outcome), do: :atomics.put(failed, 1, 1)
      outcome
    else
      :not_begun
    end
  end
end
