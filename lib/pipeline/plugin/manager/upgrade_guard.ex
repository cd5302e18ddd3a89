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
  #   * of several plugins that are upgraded together one leads. The others have written before it, with a note that says
  #     so and has what they were: what becomes of them is what has become of the one that leads

  alias Pipeline.Hook.ChainStore
  alias Pipeline.Plugin
  alias Pipeline.Plugin.Manager.{CodeUsers, Operation}
  alias Pipeline.Plugin.Manager.Upgrade.Code, as: NewCode
  alias Pipeline.Instance.Names
  alias Pipeline.Plugin.Registry

  @typedoc "What the registry has of a plugin that is being upgraded."
  @type note :: %{
          required(:keeper) => pid,
          required(:way_back) => NewCode.way_back(),
          # Of the one that leads.
          optional(:others) => [CodeUsers.user()],
          # Of the others, and then what they were, once they have written.
          optional(:lead) => CodeUsers.user(),
          optional(:old) => map
        }

  @pause 10

  # Milliseconds in which a manager that is killed is followed by another.
  @patience 1_000

  @doc "Milliseconds between two looks at a note that nobody watches."
  @spec pause() :: pos_integer
  def pause, do: @pause

  @doc "Starts a keeper for an upgrade by the calling task, in one instance or in several, of which the first leads."
  @spec start([Operation.context()]) :: pid
  def start([%{instance: instance} | _] = contexts) do
    # It is to outlive the manager and all that ends with the plugins.
    tasks = Names.via(instance, :hook_tasks)
    places = for %{instance: instance, manager: manager} <- contexts, do: {instance, manager}
    {:ok, keeper} = Task.Supervisor.start_child(tasks, __MODULE__, :stand_by, [Enum.uniq(places), self()])
    keeper
  end

  @doc "Tells a keeper that the upgrade is over, whichever way."
  @spec release(pid) :: :ok
  def release(keeper) do
    send(keeper, {:over, self()})
    :ok
  end

  @doc false
  @spec stand_by([{instance :: term, manager :: pid}], pid) :: :ok
  def stand_by(places, task) do
    monitor = Process.monitor(task)

    receive do
      {:over, ^task} ->
        :ok

      # What it cannot settle is left for the next manager, with the points closed.
      {:DOWN, ^monitor, :process, ^task, _reason} ->
        # They end with the tasks that wait for this one.
        for {_instance, manager} <- places, do: await_end(manager)
        # The one that leads at last, since its note decides.
        for {instance, _manager} <- Enum.reverse(places), do: settle(instance, self())
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
        {:error, id, reason} <- settle(instance, keeper),
        do: {id, keeper, reason}
  end

  defp await_end(keeper) do
    monitor = Process.monitor(keeper)

    receive do
      {:DOWN, ^monitor, :process, ^keeper, _reason} -> :ok
    end
  end

  @doc "Whether an upgrade has not come to count: the plugin that leads has its note."
  @spec open?(CodeUsers.user(), keeper :: pid) :: boolean
  def open?({instance, id}, keeper) do
    match?(%{upgrade: %{keeper: ^keeper}}, Registry.info(Registry.owned(instance), id))
  rescue
    # Its instance has ended, after its keeper has settled the others, or with nobody left to go back.
    ArgumentError -> false
  end

  # Whose work it is has ended.
  defp settle(instance, keeper) do
    ChainStore.await_writes(instance)

    case Enum.filter(notes(instance), &match?({_info, %{keeper: ^keeper}}, &1)) do
      [] ->
        ChainStore.commit(instance, keeper)
        []

      noted ->
        # Those that lead at last.
        noted = Enum.sort_by(noted, fn {_info, note} -> is_map_key(note, :others) end)
        results = for {info, note} <- noted, do: settle(instance, info, note)
        for {:error, _id, _reason} = error <- results, do: error
    end
  rescue
    # The instance has ended.
    ArgumentError -> []
  end

  defp settle(instance, info, %{lead: lead, old: old, keeper: keeper} = note) do
    if open?(lead, keeper) do
      go_back(instance, info.id, note, old)
    else
      {:ok, _} = Registry.replace(Registry.owned(instance), Map.delete(info, :upgrade))
      ChainStore.commit(instance, keeper)
      :ok
    end
  end

  defp settle(instance, info, note) do
    for {other, _id} <- Map.get(note, :others, []), other != instance, do: settle(other, note.keeper)
    go_back(instance, info.id, note, Map.delete(info, :upgrade))
  end

  defp go_back(instance, id, %{way_back: way_back, keeper: keeper}, info) do
    case NewCode.restore(way_back) do
      :ok ->
        ChainStore.unlock(instance, keeper)
        {:ok, _} = Registry.replace(Registry.owned(instance), info)
        :ok

      {:error, reason} ->
        {:error, id, reason}
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
