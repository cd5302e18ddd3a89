defmodule Pipeline.Python.Reaper do
  @moduledoc false
  # Ends the Python of a worker that was killed and could not do it itself: Python sees the end of its input, but not
  # while it is busy in C code.

  use GenServer

  @spec start_link(term) :: GenServer.on_start()
  def start_link(_opts), do: GenServer.start_link(__MODULE__, [], name: __MODULE__)

  @doc "Ends this operating system process, with its group, when the calling process ends without `done/0`."
  @spec watch(pos_integer) :: :ok
  def watch(os_pid), do: GenServer.call(__MODULE__, {:watch, os_pid})

  @doc "The process has ended."
  @spec done() :: :ok
  def done, do: GenServer.cast(__MODULE__, {:done, self()})

  @doc "Kills an operating system process and its group."
  @spec kill(pos_integer) :: :ok
  def kill(os_pid) do
    # A builtin of the shell: small systems have no program of this name. Programs of ports lead a group of their own.
    script = ~S(kill -s KILL -- "-$0" 2>/dev/null || kill -s KILL "$0" 2>/dev/null)
    System.cmd("/bin/sh", ["-c", script, Integer.to_string(os_pid)])
    :ok
  end

  @impl GenServer
  def init([]), do: {:ok, %{}}

  @impl GenServer
  def handle_call({:watch, os_pid}, {worker, _tag}, watched) do
    {:reply, :ok, Map.put(watched, worker, {Process.monitor(worker), os_pid, started(os_pid)})}
  end

  @impl GenServer
  def handle_cast({:done, worker}, watched) do
    {entry, watched} = Map.pop(watched, worker)
    with {monitor, _os_pid, _started} <- entry, do: Process.demonitor(monitor, [:flush])
    {:noreply, watched}
  end

  @impl GenServer
  def handle_info({:DOWN, _monitor, :process, worker, _reason}, watched) do
    {{_monitor, os_pid, started}, watched} = Map.pop!(watched, worker)
    # The number may be another process's by now.
    if started != nil and started(os_pid) == started, do: kill(os_pid)
    {:noreply, watched}
  end

  # When a process started, in ticks since the system did.
  defp started(os_pid) do
    with {:ok, stat} <- File.read("/proc/#{os_pid}/stat") do
      # The name of the program, in parentheses, may have spaces.
      stat |> String.split(")") |> List.last() |> String.split() |> Enum.at(19)
    else
      _ -> nil
    end
  end
end
