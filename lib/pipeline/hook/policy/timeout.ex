defmodule Pipeline.Hook.Policy.Timeout do
  @moduledoc false
  # `timeout:`. The hook runs in a supervised task. `next` runs in the caller, as it does for other hooks, and
  # the clock stands still meanwhile. The task is killed when its time is up or its caller ends.
  #
  # Contexts and results are copied from one process to the other, where a term that shares parts of itself may take a
  # million times its memory. None is copied that would be larger than `max_heap:`, or, without one, than 256 MiB.

  @behaviour Pipeline.Hook.Policy

  alias Pipeline.CopiedSize
  alias Pipeline.Foreign.Stacktrace
  alias Pipeline.Hook.{Outcome, Propagation}
  alias Pipeline.Instance.Names
  alias Pipeline.Sandbox.Worker

  # Bytes. As for native hooks that block, see `background_run.rs`.
  @most_copied 256 * 1024 * 1024

  @impl true
  def wrap(fun, timeout, hook) do
    # A chain without an instance (`Pipeline.Hook.Manager`) uses the supervisor of the default instance.
    supervisor = Names.via(hook.instance || Pipeline.Instance.default(), :hook_tasks)
    # Nothing else can be known of a task with a limited heap that is killed.
    {most, too_large, killed} =
      case hook.policies do
        %{max_heap: bytes} -> {bytes, :max_heap, :max_heap}
        _ -> {@most_copied, :too_large, :killed}
      end

    fits = fn outcome -> if CopiedSize.within?(outcome, most), do: outcome, else: {:exit, too_large, []} end

    fn context, next ->
      unless CopiedSize.within?(context, max(most, @most_copied)), do: exit(too_large)
      next = &fits.(Outcome.of(next, &1))
      caller = self()
      # Drops messages that arrive after the hook has ended.
      line = :erlang.alias()
      propagate = Propagation.capture()

      task =
        Task.Supervisor.async_nolink(supervisor, fn ->
          propagate.()
          call(fun, context, fits, caller, line)
        end)

      try do
        await(task, line, next, timeout, killed)
      after
        :erlang.unalias(line)
        flush(line)
      end
    end
  end

  defp call(fun, context, fits, caller, line) do
    guard(self(), caller)
    next = fn context -> ask(Outcome.yield(fits.({:ok, context})), caller, line) end
    (&fun.(&1, next)) |> Outcome.of(context) |> without_arguments() |> fits.()
  end

  # The caller has the context already.
  defp without_arguments({kind, reason, stacktrace}), do: {kind, reason, Stacktrace.arities(stacktrace)}
  defp without_arguments(ok), do: ok

  # Runs `next` in the caller.
  defp ask(context, caller, line) do
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

  defp await(%Task{ref: ref} = task, line, next, time, killed) do
    started = Worker.now()

    receive do
      {^ref, outcome} ->
        Process.demonitor(ref, [:flush])
        # A caller that got no scheduler sees only now that the hook was late.
        if Worker.late?(started, time), do: exit(:timeout), else: Outcome.yield(outcome)

      # From the task, or from a process that the hook started.
      {^line, pid, reference, context} ->
        left = max(time - (Worker.now() - started), 0)
        send(pid, {reference, next.(context)})
        await(task, line, next, left, killed)

      {:DOWN, ^ref, _, _, :killed} ->
        exit(killed)

      {:DOWN, ^ref, _, _, reason} ->
        exit(reason)
    after
      time ->
        Worker.kill(task.pid, ref)
        drop(ref)
        exit(:timeout)
    end
  end

  # The result may just have arrived.
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
