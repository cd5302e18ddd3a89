defmodule Pipeline.Hook.TimeLimit do
  @moduledoc false
  # A hook with a `timeout` runs in a supervised task. What it calls `next` for runs in the caller, as ever, and the
  # clock stands still meanwhile. The task is killed when its time is up or when its caller ends.
  #
  # With a `max_heap` (bytes) the VM kills the task whose heap grows beyond it. A task with that limit that is killed has
  # failed for it, for all that can be known. Neither does it hand anything to the caller that would be larger there.

  alias Pipeline.CopiedSize
  alias Pipeline.Foreign.Stacktrace
  alias Pipeline.Hook.Outcome
  alias Pipeline.Sandbox.Worker

  @spec wrap(function, pos_integer, pos_integer | nil, atom | nil) :: function
  def wrap(fun, timeout, max_heap, instance) do
    fn context, next ->
      caller = self()
      # What is sent to it after the hook has ended is dropped.
      line = :erlang.alias()

      task =
        start(instance, fn ->
          limit_heap(max_heap)
          call(fun, context, caller, line, max_heap || :infinity)
        end)

      try do
        await(task, line, next, timeout, max_heap)
      after
        :erlang.unalias(line)
        flush(line)
      end
    end
  end

  # `nil` is a chain without an instance (`Pipeline.Hook.Manager`), which uses the supervisor of the application.
  defp start(instance, work) do
    supervisor = Pipeline.Instance.Names.via(instance || Pipeline.Instance.default(), :hook_tasks)
    Task.Supervisor.async_nolink(supervisor, work)
  end

  defp limit_heap(nil), do: :ok

  defp limit_heap(bytes) do
    Process.flag(:max_heap_size, Pipeline.HeapLimit.flag(bytes))
  end

  defp call(fun, context, caller, line, max_heap) do
    guard(self(), caller)

    outcome =
      (&fun.(&1, fn context -> ask(context, caller, line, max_heap) end))
      |> Outcome.of(context)
      |> without_arguments()

    if CopiedSize.within?(outcome, max_heap), do: outcome, else: {:exit, :max_heap, []}
  end

  # The caller has the context already.
  defp without_arguments({kind, reason, stacktrace}), do: {kind, reason, Stacktrace.arities(stacktrace)}
  defp without_arguments(ok), do: ok

  # What comes next runs in the caller.
  defp ask(context, caller, line, max_heap) do
    unless CopiedSize.within?(context, max_heap), do: exit(:max_heap)
    reference = Process.monitor(caller)
    send(line, {line, self(), reference, context})

    receive do
      {^reference, outcome} ->
        Process.demonitor(reference, [:flush])
        Outcome.yield(outcome)

      {:DOWN, ^reference, _, _, reason} ->
        exit(reason)
    end
  end

  # Nobody waits for a hook whose caller is gone.
  defp guard(task, caller) do
    spawn(fn ->
      task_down = Process.monitor(task)
      caller_down = Process.monitor(caller)

      receive do
        {:DOWN, ^task_down, _, _, _} -> :ok
        {:DOWN, ^caller_down, _, _, _} -> Process.exit(task, :kill)
      end
    end)
  end

  defp await(%Task{ref: ref} = task, line, next, time, max_heap) do
    started = Worker.now()

    receive do
      {^ref, outcome} ->
        Process.demonitor(ref, [:flush])
        # The caller may have got no scheduler to see in time that it is late.
        if Worker.late?(started, time), do: exit(:timeout), else: Outcome.yield(outcome)

      # From the task, or from a process that the hook started.
      {^line, pid, reference, context} ->
        left = max(time - (Worker.now() - started), 0)
        send(pid, {reference, Outcome.of(next, context)})
        await(task, line, next, left, max_heap)

      {:DOWN, ^ref, _, _, :killed} when max_heap != nil ->
        exit(:max_heap)

      {:DOWN, ^ref, _, _, reason} ->
        exit(reason)
    after
      time ->
        Worker.kill(task.pid, ref)
        drop(ref)
        exit(:timeout)
    end
  end

  # Its result, if it was just there.
  defp drop(ref) do
    receive do
      {^ref, _outcome} -> :ok
    after
      0 -> :ok
    end
  end

  defp flush(line) do
    receive do
      {^line, _pid, _reference, _context} -> flush(line)
    after
      0 -> :ok
    end
  end
end
