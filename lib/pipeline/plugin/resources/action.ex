defmodule Pipeline.Plugin.Resources.Action do
  @moduledoc false
  # The action for a plugin that exceeded a limit.

  require Logger

  alias Pipeline.Plugin.{Error, Log}
  alias Pipeline.Instance.Names

  # Milliseconds, the default shutdown time of a worker.
  @patience 5_000

  @order [:warn, :restart, :hold, :unload]

  @spec severity(atom) :: non_neg_integer
  def severity(action), do: Enum.find_index(@order, &(&1 == action))

  @spec sentence(Pipeline.Plugin.Resources.exceeded()) :: String.t()
  def sentence(%{action: :kill} = exceeded) do
    "plugin #{inspect(exceeded.id)} was killed; its heap probably exceeded its limit of #{exceeded.limit} bytes"
  end

  def sentence(%{id: id, what: what, limit: limit, value: value, action: action}) do
    "plugin #{inspect(id)} exceeds its limit: #{what} is #{value}, more than #{limit} (#{action})"
  end

  @doc "Starts the action and returns the process that runs it. `manager` is the module that holds and unloads plugins."
  @spec begin(Pipeline.Plugin.Resources.exceeded(), pid, atom, module) :: pid | nil
  def begin(%{action: :warn}, _pid, _instance, _manager), do: nil

  def begin(exceeded, pid, instance, manager) do
    {:ok, task} =
      Task.Supervisor.start_child(Names.via(instance, :hook_tasks), fn ->
        run(exceeded, pid, instance, manager)
      end)

    task
  end

  defp run(%{action: :restart, what: what}, pid, _instance, _manager) do
    GenServer.stop(pid, {:shutdown, {:limit_exceeded, what}}, @patience)
  catch
    # The process is too busy to stop, or is gone.
    :exit, _ -> Process.exit(pid, :kill)
  end

  defp run(%{action: action, id: id} = exceeded, _pid, instance, manager) do
    case through(manager, action, exceeded, instance) do
      # The plugin was unloaded meanwhile.
      {:error, %Error{reason: {:not_loaded, ^id}}} -> :ok
      {:error, error} -> Logger.error(Exception.message(error), Log.metadata(id, instance))
      _done -> :ok
    end
  end

  defp through(manager, :hold, exceeded, instance) do
    reason = {:limit_exceeded, Map.take(exceeded, [:what, :limit, :value])}
    manager.hold_plugin(exceeded.id, instance: instance, reason: reason)
  end

  defp through(manager, :unload, %{id: id}, instance) do
    manager.unload_plugin(id, instance: instance, cascade: true)
  end
end
