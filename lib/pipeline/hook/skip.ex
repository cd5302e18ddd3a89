defmodule Pipeline.Hook.Skip do
  @moduledoc false
  # A hook with `on_error: :skip`: when it fails, the run goes on as if it were not there. What it got from `next`
  # before it failed is kept, so that nothing behind it runs twice.

  alias Pipeline.Hook.{Failure, Outcome, Registration}

  @spec step(Registration.t(), function, Pipeline.Hook.Chain.step(), atom | nil) :: Pipeline.Hook.Chain.step()
  def step(%Registration{} = entry, fun, next, instance) do
    fn context ->
      # Processes of the hook's own send what they got to the alias, which ends with the hook.
      run = :erlang.alias()
      owner = self()

      try do
        fun.(context, fn context -> keep(run, owner, next, context) end)
      catch
        kind, reason ->
          stacktrace = __STACKTRACE__

          if Failure.owner(kind, reason, stacktrace) do
            :erlang.raise(kind, reason, stacktrace)
          else
            case kept(run) do
              # It called `next` in a process that was killed: there is nothing to go on with.
              :lost ->
                Failure.pass_on(entry, kind, reason, stacktrace, instance)

              outcome ->
                Failure.skip(entry, kind, reason, stacktrace, instance)
                go_on(outcome, next, context)
            end
          end
      after
        :erlang.unalias(run)
        Process.delete(run)
        flush(run)
      end
    end
  end

  # A hook may call `next` in a process of its own, whose dictionary nobody else reads.
  defp keep(run, owner, next, context) do
    if self() == owner do
      outcome = Outcome.of(next, context)
      Process.put(run, outcome)
      Outcome.yield(outcome)
    else
      call = make_ref()
      send(run, {run, :began, call, self()})
      outcome = Outcome.of(next, context)
      send(run, {run, :gave, call, outcome})
      Outcome.yield(outcome)
    end
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

  defp go_on(nil, next, context), do: next.(context)
  defp go_on(outcome, _next, _context), do: Outcome.yield(outcome)
end
