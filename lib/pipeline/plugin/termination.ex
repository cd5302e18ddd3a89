defmodule Pipeline.Plugin.Termination do
  @moduledoc false
  # Waits for processes that are ending, so that nothing is started again beside what it replaces.

  # Milliseconds, as many as a supervisor gives a worker.
  @patience 5_000

  @doc "The local processes that a process has started and is linked to."
  @spec started_by(pid) :: [pid]
  def started_by(pid) do
    with {:links, links} <- Process.info(pid, :links) do
      for linked <- links,
          is_pid(linked) and node(linked) == node(),
          {:dictionary, dictionary} <- [Process.info(linked, :dictionary)],
          match?([^pid | _], dictionary[:"$ancestors"]),
          do: linked
    else
      nil -> []
    end
  end

  @doc "Ends what the calling process has started and is linked to, and waits for it."
  @spec end_started(reason :: term) :: :ok
  def end_started(reason) do
    started = started_by(self())
    for pid <- started, do: Process.exit(pid, reason)
    await(started)
  end

  @doc "Waits for processes whose end has begun. It kills those that take longer than #{@patience} milliseconds."
  @spec await([pid]) :: :ok
  def await(pids) do
    deadline = System.monotonic_time(:millisecond) + @patience
    pids |> Enum.map(&{&1, Process.monitor(&1)}) |> Enum.each(&await_one(&1, deadline))
  end

  defp await_one({pid, monitor}, deadline) do
    receive do
      {:DOWN, ^monitor, :process, ^pid, _reason} -> :ok
    after
      max(deadline - System.monotonic_time(:millisecond), 0) ->
        Process.exit(pid, :kill)
        receive do: ({:DOWN, ^monitor, :process, ^pid, _reason} -> :ok)
    end
  end
end
