defmodule Pipeline.Sandbox.Worker do
  @moduledoc false
  # The process that a function runs in. Its result is the reason with which it ends: what it is linked to ends with it,
  # and no message can be late.
  #
  # No limit holds where the result is copied to. So the process itself looks how large it would be there.

  alias Pipeline.{CopiedSize, Foreign, HeapLimit}
  alias Pipeline.Foreign.Stacktrace

  # Milliseconds for a killed process to end. One that is within a BIF which takes no interruption ends after it.
  @patience 100

  @spec run(function, timeout, pos_integer | :infinity) :: {:ok, term} | {:error, Pipeline.Sandbox.reason()}
  def run(fun, timeout, max_heap) do
    # What it closes over is copied before the limit holds.
    if CopiedSize.within?(fun, max_heap), do: start(fun, timeout, max_heap), else: {:error, :max_heap}
  end

  defp start(fun, timeout, max_heap) do
    tag = make_ref()

    {pid, monitor} =
      :erlang.spawn_opt(fn -> exit({tag, outcome(fun, max_heap)}) end, [:monitor | heap(max_heap)])

    guard(pid, self())

    receive do
      {:DOWN, ^monitor, _, _, reason} -> result(reason, tag, max_heap)
    after
      timeout ->
        kill(pid, monitor)
        {:error, :timeout}
    end
  end

  @doc "Kills a process that the caller monitors. It has ended then, unless it is within a BIF."
  @spec kill(pid, reference) :: :ok
  def kill(pid, monitor) do
    Process.exit(pid, :kill)

    receive do
      {:DOWN, ^monitor, _, _, _reason} -> :ok
    after
      @patience ->
        Process.demonitor(monitor, [:flush])
        :ok
    end
  end

  @doc "Whether so many milliseconds are over since a time of `now/0`."
  @spec late?(integer, timeout) :: boolean
  def late?(_started, :infinity), do: false
  def late?(started, timeout), do: now() - started > timeout

  @doc "The time, in milliseconds."
  @spec now :: integer
  def now, do: System.monotonic_time(:millisecond)

  defp heap(:infinity), do: []
  defp heap(bytes), do: [max_heap_size: HeapLimit.flag(bytes)]

  defp outcome(fun, max_heap) do
    outcome = outcome(fun)
    if CopiedSize.within?(outcome, max_heap), do: outcome, else: {:error, :max_heap}
  end

  # A stacktrace names no functions that whoever reads it would call.
  defp outcome(fun) do
    {:ok, fun.()}
  catch
    :error, reason ->
      stacktrace = Stacktrace.bare(__STACKTRACE__)
      {:error, {:raised, Foreign.normalize(reason, stacktrace), stacktrace}}

    :exit, reason ->
      {:error, {:exit, Stacktrace.bare_reason(reason)}}

    :throw, value ->
      {:error, {:throw, value}}
  end

  defp result({tag, outcome}, tag, _max_heap), do: outcome
  # The VM does not tell who killed a process; nobody else knows of this one.
  defp result(:killed, _tag, max_heap) when is_integer(max_heap), do: {:error, :max_heap}
  defp result(reason, _tag, _max_heap), do: {:error, {:exit, Stacktrace.bare_reason(reason)}}

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
