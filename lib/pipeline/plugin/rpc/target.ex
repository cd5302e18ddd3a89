defmodule Pipeline.Plugin.RPC.Target do
  @moduledoc false
  # The process that a call is for.

  alias Pipeline.Events
  alias Pipeline.Instance.Names
  alias Pipeline.Plugin.{RPC, Registry}

  # States in which a plugin is meant to have a process: without one, it has crashed.
  @alive [:loading, :starting, :started]

  # One event that is missed for another is no loss: each is only a reason to look again.
  @max_queue 100

  @doc "The process of a plugin, or why it has none."
  @spec find(atom, Pipeline.Plugin.plugin_id()) :: {:ok, pid} | {:error, atom}
  def find(instance, id) do
    # A plugin under a supervisor of the user is not in the registry.
    with nil <- Names.whereis(instance, {:plugin, id}),
         state when state in @alive <- state(instance, id) do
      {:error, :restarting}
    else
      nil -> {:error, :not_loaded}
      pid when is_pid(pid) -> {:ok, pid}
      state -> {:error, state}
    end
  end

  @doc "The same, but waits for one that is being restarted."
  @spec await(atom, Pipeline.Plugin.plugin_id(), integer | :infinity) :: {:ok, pid} | {:error, atom}
  def await(instance, id, deadline) do
    with {:error, :restarting} <- find(instance, id), do: ask_waiter(instance, id, deadline)
  end

  @doc "The reason for a caller whose plugin ended while it waited."
  @spec ended(atom, Pipeline.Plugin.plugin_id(), term) :: tuple
  def ended(instance, id, reason) do
    with true <- reason in [:normal, :shutdown] or match?({:shutdown, _}, reason),
         state when state not in @alive <- state(instance, id) do
      {state || :not_loaded, id}
    else
      _ -> {:crashed, id, reason}
    end
  end

  # The waiting is done in a process of its own, so that none of the events that it waits for are left in the caller's
  # mailbox. Its answer is the reason with which it ends.
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

  # Whatever becomes of a plugin, there is an event of it.
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

  # The instance may not be there either.
  defp state(instance, id) do
    Registry.info(Registry.owned(instance), id)[:state]
  rescue
    ArgumentError -> nil
  end
end
