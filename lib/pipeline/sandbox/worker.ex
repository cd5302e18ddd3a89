defmodule Pipeline.Sandbox.Worker do
  @moduledoc false
  # The process that a function runs in. Its result is the reason with which it ends: what it is linked to ends with it,
  # and no message can be late.

  @spec run(function, timeout, pos_integer | :infinity) :: {:ok, term} | {:error, Pipeline.Sandbox.reason()}
  def run(fun, timeout, max_heap) do
    tag = make_ref()
    {pid, monitor} = :erlang.spawn_opt(fn -> exit({tag, outcome(fun)}) end, [:monitor | heap(max_heap)])
    guard(pid, self())

    receive do
      {:DOWN, ^monitor, _, _, reason} -> result(reason, tag, max_heap)
    after
      timeout ->
        Process.exit(pid, :kill)

        receive do
          {:DOWN, ^monitor, _, _, _reason} -> {:error, :timeout}
        end
    end
  end

  defp heap(:infinity), do: []
  defp heap(bytes), do: [max_heap_size: Pipeline.HeapLimit.flag(bytes)]

  defp outcome(fun) do
    {:ok, fun.()}
  catch
    :error, reason ->
      {:error, {:raised, Exception.normalize(:error, reason, __STACKTRACE__), __STACKTRACE__}}

    kind, reason ->
      {:error, {kind, reason}}
  end

  defp result({tag, outcome}, tag, _max_heap), do: outcome
  # The VM does not tell who killed a process; nobody else knows of this one.
  defp result(:killed, _tag, max_heap) when is_integer(max_heap), do: {:error, :max_heap}
  defp result(reason, _tag, _max_heap), do: {:error, {:exit, reason}}

  # Nobody waits for a function whose caller is gone.
  defp guard(pid, caller) do
    spawn(fn ->
      done = Process.monitor(pid)
      gone = Process.monitor(caller)

      receive do
        {:DOWN, ^done, _, _, _} -> :ok
        {:DOWN, ^gone, _, _, _} -> Process.exit(pid, :kill)
      end
    end)
  end
end
