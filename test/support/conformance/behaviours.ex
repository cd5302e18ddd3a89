defmodule Pipeline.Conformance.Behaviours do
  @moduledoc """
  What hooks of the conformance cases do that is no program: with stacktraces, and in processes of their own.
  """

  alias Pipeline.Hook.Manager

  def boom(_context, _next), do: raise("boom")

  def deep(n, fun), do: Enum.each([n], fn _ -> fun.() end)

  def caught(context, next) do
    next.(context)
  catch
    kind, reason -> {kind, reason}
  end

  def caught_and_raised_on(context, next) do
    next.(context)
  catch
    kind, reason -> :erlang.raise(kind, reason, __STACKTRACE__)
  end

  def rescued_and_reraised(context, next) do
    next.(context)
  rescue
    error -> reraise error, __STACKTRACE__
  end

  def runs_a_failing_chain_and_raises_on(context, next) do
    next.(context)
  catch
    kind, reason ->
      stacktrace = __STACKTRACE__
      inner = Manager.new() |> Manager.register(:inner, fn _, _ -> exit(:quit) end, plugin: :inner)
      {:error, %Pipeline.Hook.Error{plugin: :inner, reason: :quit}} = Manager.run(inner, :inner, 1)
      :erlang.raise(kind, reason, stacktrace)
  end

  # Fails while next is under way in a task, which goes on when this process waits for it.
  def fails_while_next_runs(context, next) do
    owner = self()
    task = Task.async(fn -> next.({:wait, owner, context}) end)

    receive do
      {:under_way, pid} ->
        spawn(fn -> release(pid, owner) end)
        Process.demonitor(task.ref, [:flush])
        raise "boom"
    end
  end

  defp release(pid, owner) do
    case Process.info(owner, :status) do
      {:status, :waiting} -> send(pid, :go_on)
      nil -> :gone
      _ -> release(pid, owner)
    end
  end

  def released({:wait, owner, context}) do
    send(owner, {:under_way, self()})

    receive do
      :go_on -> context
    end
  end

  # A process whose failure reaches the hook as an exit only.
  def in_an_unlinked_task(context, next) do
    {pid, monitor} = spawn_monitor(fn -> exit(returned(context, next)) end)

    receive do
      {:DOWN, ^monitor, :process, ^pid, {:returned, value}} -> value
      {:DOWN, ^monitor, :process, ^pid, :failed} -> exit(:task_failed)
    end
  end

  defp returned(context, next) do
    {:returned, next.(context)}
  catch
    _, _ -> :failed
  end
end
