defmodule Pipeline.Hook.Skip do
  @moduledoc false
  # A hook with `on_error: :skip`: when it fails, the run goes on as if it were not there. What it got from `next`
  # before it failed is kept, so that nothing behind it runs twice.

  alias Pipeline.Hook.{Entry, Failure}

  @spec step(Entry.t(), function, Pipeline.Hook.Chain.step(), atom | nil) :: Pipeline.Hook.Chain.step()
  def step(%Entry{} = entry, fun, next, instance) do
    fn context ->
      run = make_ref()
      owner = self()

      try do
        fun.(context, fn context -> keep(run, owner, outcome(next, context)) end)
      catch
        kind, reason ->
          stacktrace = __STACKTRACE__

          if Failure.noted?(kind, reason, stacktrace) do
            :erlang.raise(kind, reason, stacktrace)
          else
            Failure.report(entry, kind, reason, stacktrace, instance)
            go_on(kept(run), next, context)
          end
      after
        forget(run)
      end
    end
  end

  defp outcome(next, context) do
    {:ok, next.(context)}
  catch
    kind, reason -> {kind, reason, __STACKTRACE__}
  end

  # A hook may call `next` in a process of its own, whose dictionary nobody else reads.
  defp keep(run, owner, outcome) do
    if self() == owner, do: Process.put(run, outcome), else: send(owner, {run, outcome})
    yield(outcome)
  end

  defp kept(run) do
    receive do
      {^run, outcome} -> outcome
    after
      0 -> Process.get(run)
    end
  end

  defp forget(run) do
    Process.delete(run)

    receive do
      {^run, _outcome} -> forget(run)
    after
      0 -> :ok
    end
  end

  defp go_on(nil, next, context), do: next.(context)
  defp go_on(outcome, _next, _context), do: yield(outcome)

  defp yield({:ok, value}), do: value
  defp yield({kind, reason, stacktrace}), do: :erlang.raise(kind, reason, stacktrace)
end
