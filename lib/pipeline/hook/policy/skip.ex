defmodule Pipeline.Hook.Policy.Skip do
  @moduledoc false
  # `on_error: :skip`. When the hook fails, or its circuit is open, the run goes on as if the hook were not
  # there. The outcome of `next` is kept, so that nothing behind the hook runs twice.

  @behaviour Pipeline.Hook.Policy

  alias Pipeline.Hook.{Failure, Outcome}

  @impl true
  def wrap(fun, _setting, %{sequence: sequence} = hook) do
    fn context, next ->
      # Processes that the hook starts send what `next` gave them to this alias, which ends with the hook.
      run = :erlang.alias()
      owner = self()

      try do
        fun.(context, fn context -> keep(run, owner, next, context) end)
      catch
        kind, reason ->
          stacktrace = __STACKTRACE__

          case Failure.owner(kind, reason, stacktrace) do
            nil -> skip(hook, {kind, reason, stacktrace}, kept(run), next, context)
            {:not_called, %{sequence: ^sequence}} -> next.(context)
            _further_in -> :erlang.raise(kind, reason, stacktrace)
          end
      after
        :erlang.unalias(run)
        Process.delete(run)
        flush(run)
      end
    end
  end

  # The hook called `next` in a process that was killed, so there is nothing to go on with.
  defp skip(hook, {kind, reason, stacktrace}, :lost, _next, _context),
    do: Failure.pass_on(hook, kind, reason, stacktrace)

  defp skip(hook, {kind, reason, stacktrace}, outcome, next, context) do
    Failure.skip(hook, kind, reason, stacktrace)
    if outcome, do: Outcome.yield(outcome), else: next.(context)
  end

  # A hook may call `next` in a process of its own, whose dictionary nobody else reads.
  defp keep(run, owner, next, context) when owner == self() do
    outcome = Outcome.of(next, context)
    Process.put(run, outcome)
    Outcome.yield(outcome)
  end

  defp keep(run, _owner, next, context) do
    call = make_ref()
    send(run, {run, :began, call, self()})
    outcome = Outcome.of(next, context)
    send(run, {run, :gave, call, outcome})
    Outcome.yield(outcome)
  end

  defp kept(run), do: kept(run, Process.get(run))

  defp kept(run, last) do
    receive do
      {^run, :began, call, pid} -> kept(run, await(run, call, pid))
    after
      0 -> last
    end
  end

  # `next` may still be running there.
  defp await(run, call, pid) do
    monitor = Process.monitor(pid)

    receive do
      {^run, :gave, ^call, outcome} ->
        Process.demonitor(monitor, [:flush])
        outcome

      {:DOWN, ^monitor, :process, ^pid, _reason} ->
        :lost
    end
  end

  defp flush(run) do
    receive do
      {^run, _, _, _} -> flush(run)
    after
      0 -> :ok
    end
  end
end
