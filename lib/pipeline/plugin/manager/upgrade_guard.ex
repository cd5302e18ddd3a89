defmodule Pipeline.Plugin.Manager.UpgradeGuard do
  @moduledoc false
  # Stands by while the manager upgrades a plugin. Where the manager ends in between, the keeper, which is not linked to
  # it, settles what it has left: runs of the plugin's points, and the plugin's process, wait for the keeper's end.
  #
  # What is to be settled stands in the registry and in the chains, so that the next manager can do it for a keeper that
  # was killed too:
  #
  #   * a plugin that is being upgraded has a note, `:upgrade`. The write to the registry that takes it away is the one step
  #     by which the upgrade counts
  #   * points that the keeper has closed open with the chains before it as long as there is a note, and with the new
  #     ones, if they are prepared, when there is none

  alias Pipeline.Hook.ChainStore
  alias Pipeline.Plugin
  alias Pipeline.Plugin.Manager.Upgrade.Code, as: NewCode
  alias Pipeline.Instance.Names
  alias Pipeline.Plugin.Registry

  @typedoc "What the registry has of a plugin that is being upgraded."
  @type note :: %{keeper: pid, way_back: NewCode.way_back()}

  @pause 10

  # Milliseconds in which a manager that is killed is followed by another.
  @patience 1_000

  @doc "Milliseconds between two looks at a note that nobody watches."
  @spec pause() :: pos_integer
  def pause, do: @pause

  @doc "Starts a keeper for an upgrade by the calling manager."
  @spec start(atom) :: pid
  def start(instance) do
    # It is to outlive the manager and all that ends with the plugins.
    tasks = Names.via(instance, :hook_tasks)
    {:ok, keeper} = Task.Supervisor.start_child(tasks, __MODULE__, :stand_by, [instance, self()])
    keeper
  end

  @doc "Tells a keeper that the upgrade is over, whichever way."
  @spec release(pid) :: :ok
  def release(keeper) do
    send(keeper, {:over, self()})
    :ok
  end

  @doc false
  @spec stand_by(atom, pid) :: :ok
  def stand_by(instance, manager) do
    monitor = Process.monitor(manager)

    receive do
      {:over, ^manager} -> :ok
      # What it cannot settle is left for the next manager, with the points closed.
      {:DOWN, ^monitor, :process, ^manager, _reason} -> settle(instance, self())
    end

    :ok
  end

  @doc """
  For a manager that starts: waits for keepers, and settles what those have left that were killed.

  Returns the plugins whose code cannot come back; their points stay closed.
  """
  @spec recover(atom) :: [{Plugin.plugin_id(), keeper :: pid, reason :: term}]
  def recover(instance) do
    ChainStore.await_writes(instance)
    noted = for {_info, %{keeper: keeper}} <- notes(instance), do: keeper

    for keeper <- Enum.uniq(noted ++ ChainStore.keepers(instance)),
        :ok = await_end(keeper),
        {:error, id, reason} <- [settle(instance, keeper)],
        do: {id, keeper, reason}
  end

  defp await_end(keeper) do
    monitor = Process.monitor(keeper)

    receive do
      {:DOWN, ^monitor, :process, ^keeper, _reason} -> :ok
    end
  end

  # Whose work it is has ended.
  defp settle(instance, keeper) do
    ChainStore.await_writes(instance)

    case Enum.find(notes(instance), &match?({_info, %{keeper: ^keeper}}, &1)) do
      nil ->
        ChainStore.commit(instance, keeper)

      {%{id: id} = info, %{way_back: way_back}} ->
        case NewCode.restore(way_back) do
          :ok ->
            ChainStore.unlock(instance, keeper)
            {:ok, _} = Registry.replace(Registry.owned(instance), Map.delete(info, :upgrade))
            :ok

          {:error, reason} ->
            {:error, id, reason}
        end
    end
  end

  # The registry is open to all; what somebody else has put there is theirs.
  defp notes(instance) do
    for %{upgrade: %{keeper: keeper, way_back: _} = note} = info when is_pid(keeper) <-
          Registry.list(Registry.owned(instance)),
        do: {info, note}
  end

  @doc """
  What the registry has of a plugin, once it is not being upgraded any more.

  With the note where nobody comes to settle it: a manager may wait for the end of the process that asks.
  """
  @spec await_settled(atom, Plugin.plugin_id(), patience :: integer) :: map | nil
  def await_settled(instance, id, patience \\ @patience) do
    case Registry.info(Registry.owned(instance), id) do
      %{upgrade: %{keeper: keeper}} when patience > 0 ->
        Process.sleep(@pause)
        there? = Process.alive?(keeper) or Names.whereis(instance, :manager) != nil
        await_settled(instance, id, if(there?, do: @patience, else: patience - @pause))

      info ->
        info
    end
  end
end
