defmodule Pipeline.Plugin.RPC.Target do
  @moduledoc false
  # Finds the process of a plugin, and waits for one that is being restarted.

  alias Pipeline.Events
  alias Pipeline.Instance.Names
  alias Pipeline.Plugin.{RPC, Registry}

  # In these states a plugin has a process, unless it crashed.
  @alive [:loading, :started]

  # Dropped events do no harm: each one only causes another look.
  @max_queue 100

  @doc "Returns the process of a plugin, or why it has none."
  @spec find(atom, Pipeline.Plugin.plugin_id()) :: {:ok, pid} | {:error, atom}
  def find(instance, id) do
    # A plugin that the user supervises has a name, but is not in the registry.
    with nil <- Names.whereis(instance, {:plugin, id}),
         state when state in @alive <- state(instance, id) do
      {:error, :restarting}
    else
      nil -> {:error, :not_loaded}
      pid when is_pid(pid) -> {:ok, pid}
      state -> {:error, state}
    end
  end

  @doc "Returns the same, but waits for a plugin that is being restarted."
  @spec await(atom, Pipeline.Plugin.plugin_id(), integer | :infinity) :: {:ok, pid} | {:error, atom}
  def await(instance, id, deadline) do
    with {:error, :restarting} <- find(instance, id), do: ask_waiter(instance, id, deadline)
  end

  @doc "Returns the error of a call whose plugin ended meanwhile."
  @spec ended(atom, Pipeline.Plugin.plugin_id(), term) :: tuple
  def ended(instance, id, reason) do
    with true <- reason in [:normal, :shutdown] or match?({:shutdown, _}, reason),
         state when state not in @alive <- state(instance, id) do
      {state || :not_loaded, id}
    else
      _ -> {:crashed, id, reason}
    end
  end

  # Another process waits, so that no events are left in the caller's mailbox. Its exit reason is the answer.
  defp ask_waiter(instance, id, deadline) do
    caller = self()
    {waiter, monitor} = spawn_monitor(fn -> exit({:shutdown, wait(instance, id, caller)}) end)

    receive do
      {:DOWN, ^monitor, :process, ^waiter, {:shutdown, answer}} -> answer
      {:DOWN, ^monitor, :process, ^waiter, _killed} -> {:error, :restarting}
    after
      RPC.left(deadline) ->
        Process.demonitor(monitor, [:flush])
        Process.exit(waiter, :kill)
        {:error, :restarting}
    end
  end

  # Every change of a plugin emits an event.
  defp wait(instance, id, caller) do
    monitor = Process.monitor(caller)
    :ok = Events.subscribe({:plugin, :_}, match: :pattern, max_queue: @max_queue, instance: instance)
    look(instance, id, monitor)
  end

  defp look(instance, id, monitor) do
    with {:error, :restarting} <- find(instance, id) do
      receive do
        {:DOWN, ^monitor, :process, _caller, _reason} -> {:error, :restarting}
        _event -> look(instance, id, monitor)
      end
    end
  end

  # The instance may not run.
  defp state(instance, id) do
    Registry.info(Registry.owned(instance), id)[:state]
  rescue
    ArgumentError -> nil
  end
end
