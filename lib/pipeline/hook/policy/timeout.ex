defmodule Pipeline.Hook.Policy.Timeout do
  @moduledoc false
  # `timeout:`. The hook runs in a supervised task. `next` runs in the caller, as it does for other hooks, and
  # the clock stands still meanwhile. The task is killed when its time is up or its caller ends.

  @behaviour Pipeline.Hook.Policy

  alias Pipeline.Foreign.Stacktrace
  alias Pipeline.Hook.{Outcome, Propagation}
  alias Pipeline.Instance.Names
  alias Pipeline.Sandbox.Worker

  @impl true
  def wrap(fun, timeout, hook) do
    # A chain without an instance (`Pipeline.Hook.Manager`) uses the supervisor of the default instance.
    supervisor = Names.via(hook.instance || Pipeline.Instance.default(), :hook_tasks)
    # Nothing else can be known of a task with a limited heap that is killed.
    killed = if is_map_key(hook.policies, :max_heap), do: :max_heap, else: :killed

    fn context, next ->
      caller = self()
      # Drops messages that arrive after the hook has ended.
      line = :erlang.alias()
      propagate = Propagation.capture()

      task =
        Task.Supervisor.async_nolink(supervisor, fn ->
          propagate.()
          call(fun, context, caller, line)
        end)

      try do
        await(task, line, next, timeout, killed)
      after
        :erlang.unalias(line)
        flush(line)
      end
    end
  end

  defp call(fun, context, caller, line) do
    guard(self(), caller)
    (&fun.(&1, fn context -> ask(context, caller, line) end)) |> Outcome.of(context) |> without_arguments()
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
        send(pid, {reference, Outcome.of(next, context)})
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
