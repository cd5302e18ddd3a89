defmodule Pipeline.Conformance.Behaviours do
  @moduledoc """
  What the hooks and base operations of the conformance cases do.
  """

  alias Pipeline.Hook.Manager

  def pass(context, next), do: next.(context)

  def mark(context, next, mark), do: next.(context ++ [mark])
  def marked_after(context, next, mark), do: next.(context) ++ [mark]

  def answer(context, _next, mark), do: context ++ [mark]

  def core(context) when is_list(context), do: context ++ [:core]
  def core(_context), do: [:core]

  def boom(_context, _next), do: raise("boom")
  def quit(_context, _next), do: exit(:quit)
  def ball(_context, _next), do: throw(:ball)
  def refuse(_context, _next), do: throw({:hook_error, :refused})
  def badarith(_context, _next), do: :erlang.error(:badarith)

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
      inner = Manager.new() |> Manager.register(:inner, &quit/2, plugin: :inner)
      {:error, %Pipeline.Hook.Error{plugin: :inner, reason: :quit}} = Manager.run(inner, :inner, 1)
      :erlang.raise(kind, reason, stacktrace)
  end

  def retry(context, next, 0), do: next.(context)

  def retry(context, next, times) do
    next.(context)
  rescue
    RuntimeError -> retry(context, next, times - 1)
  end

  # Counts its calls in the process that runs the chain.
  def fails_twice(_context) do
    times = Process.get(__MODULE__, 0)
    Process.put(__MODULE__, times + 1)
    if times < 2, do: raise("not yet"), else: :third_time
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
