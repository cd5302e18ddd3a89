defmodule Pipeline.Cluster.Member do
  @moduledoc false
  # The part of a node in changes of its cluster. It carries out the steps for whoever holds its lock, and compares its
  # table with those of other nodes. State that must outlive a crash is in the table.

  use GenServer

  require Logger

  alias Pipeline.Cluster.{CatchUp, Entry, Scope, Table}
  alias Pipeline.Plugin.{Events, Manager}
  alias Pipeline.Plugin.Manager.Server
  alias Pipeline.Instance.Names

  @spec start_link(atom) :: GenServer.on_start()
  def start_link(instance) do
    GenServer.start_link(__MODULE__, instance, name: Names.via(instance, :cluster_member))
  end

  @doc "Has it compare what it knows with others."
  @spec met(atom, [pid]) :: :ok
  def met(instance, members) do
    with member when member != nil <- Names.whereis(instance, :cluster_member) do
      send(member, {:pipeline_cluster, :met, members})
    end

    :ok
  end

  @impl GenServer
  def init(instance) do
    scope = Scope.watch()
    for type <- [:plugin_loaded, :plugin_unloaded], do: Events.subscribe(self(), type, instance: instance)
    group = {instance, :members}

    state = %{
      instance: instance,
      group: group,
      scope: scope,
      holder: nil,
      queue: [],
      look?: false,
      missing: nil
    }

    {:ok, state, {:continue, :join}}
  end

  @impl GenServer
  def handle_continue(:join, state) do
    # Left by a member that crashed.
    take_back(Table.undo(state.instance), state)
    :ok = Scope.join(state.group)
    {:noreply, state |> look() |> tick()}
  end

  # Changes

  @impl GenServer
  def handle_call({:lock, lock}, {pid, _tag} = from, state) do
    waiting = %{from: from, lock: lock, monitor: Process.monitor(pid), change: nil}
    {:noreply, grant(%{state | queue: state.queue ++ [waiting]})}
  end

  def handle_call({:prepare, lock, %module{} = change}, _from, %{holder: %{lock: lock}} = state) do
    case module.prepare(change, state.instance) do
      {:ok, undo, found} ->
        Table.put_undo(state.instance, undo)
        clocks = for id <- module.ids(change), clock = Table.clock(state.instance, id), do: {id, clock}
        {:reply, {:ok, {found, clocks}}, put_in(state.holder.change, change)}

      {:error, reason} ->
        {:reply, {:error, reason}, state}
    end
  end

  def handle_call({:perform, lock}, _from, %{holder: %{lock: lock, change: %module{} = change}} = state) do
    case module.perform(change, state.instance, Table.undo(state.instance)) do
      {:ok, undo, result} ->
        Table.put_undo(state.instance, undo)
        {:reply, {:ok, result}, state}

      {:error, reason, undo} ->
        Table.put_undo(state.instance, undo)
        {:reply, {:error, reason}, state}
    end
  end

  def handle_call({:commit, lock, entries}, from, %{holder: %{lock: lock}} = state) do
    %{shipped: shipped} = Table.undo(state.instance)
    Enum.each(entries, &commit(&1, shipped, state.instance))
    Table.put_undo(state.instance, nil)
    GenServer.reply(from, {:ok, :committed})
    # Nodes that joined meanwhile do not know of it.
    for member <- Scope.others(state.group), do: tell(member, state)
    {:noreply, release(state)}
  end

  def handle_call({:abort, lock}, _from, state), do: {:reply, {:ok, :aborted}, abort(lock, state)}

  # Its lock was taken from it, by a crash of the one before this.
  def handle_call({step, _lock}, _from, state) when step == :perform,
    do: {:reply, {:error, :lock_lost}, state}

  def handle_call({step, _lock, _}, _from, state) when step in [:prepare, :commit],
    do: {:reply, {:error, :lock_lost}, state}

  # Comparing

  def handle_call({:exchange, digest}, _from, state) do
    {:reply, {newer(digest, state), Table.digest(state.instance)}, state}
  end

  def handle_call({:merge, entries}, _from, state) do
    _ = merge(entries, state)
    {:reply, :ok, look(state)}
  end

  @impl GenServer
  def handle_info({:pipeline_cluster, :digest, from, digest, answer?}, state) do
    case newer(digest, state) do
      [] -> :ok
      entries -> Scope.send_now(from, {:pipeline_cluster, :entries, entries})
    end

    if answer? and behind?(digest, state), do: tell(from, state, false)
    {:noreply, state}
  end

  def handle_info({:pipeline_cluster, :entries, entries}, state) do
    {:noreply, if(merge(entries, state), do: look(state), else: state)}
  end

  def handle_info({:pipeline_cluster, :abort, lock}, state), do: {:noreply, abort(lock, state)}

  def handle_info({:pipeline_cluster, :met, pids}, state) do
    for pid <- pids, do: tell(pid, state)
    {:noreply, look(state)}
  end

  # Another entry may have waited for this plugin.
  def handle_info({:pipeline_event, _event, _payload}, state) do
    unless state.look?, do: send(self(), :look)
    {:noreply, %{state | look?: true}}
  end

  def handle_info(:look, state), do: {:noreply, look(%{state | look?: false})}

  # Whatever was lost on the way is found in the end.
  def handle_info(:tick, state) do
    case Scope.others(state.group) do
      [] -> :ok
      others -> others |> Enum.random() |> tell(state)
    end

    {:noreply, tick(state)}
  end

  def handle_info({:DOWN, scope, :process, _pid, _reason}, %{scope: scope} = state) do
    {:stop, {:shutdown, :scope_ended}, state}
  end

  # The one that makes a change is gone, or cut off.
  def handle_info({:DOWN, monitor, :process, _pid, reason}, state) do
    case Enum.find(List.wrap(state.holder) ++ state.queue, &(&1.monitor == monitor)) do
      nil ->
        {:noreply, state}

      %{lock: lock} ->
        if state.holder && state.holder.lock == lock do
          Logger.warning(
            "a change of plugins was not finished by the node that began it: #{Pipeline.Foreign.term(reason)}"
          )
        end

        {:noreply, abort(lock, state)}
    end
  end

  def handle_info(_message, state), do: {:noreply, state}

  # The lock

  defp grant(%{holder: nil, queue: [next | queue]} = state) do
    GenServer.reply(next.from, {:ok, :locked})
    %{state | holder: next, queue: queue}
  end

  defp grant(state), do: state

  defp release(state) do
    Process.demonitor(state.holder.monitor, [:flush])
    %{state | holder: nil} |> look() |> grant()
  end

  defp abort(lock, %{holder: %{lock: lock}} = state) do
    take_back(Table.undo(state.instance), state)
    release(state)
  end

  defp abort(lock, state) do
    {gone, queue} = Enum.split_with(state.queue, &(&1.lock == lock))
    for %{monitor: monitor} <- gone, do: Process.demonitor(monitor, [:flush])
    %{state | queue: queue}
  end

  defp take_back(nil, _state), do: :ok

  defp take_back(%{change: module} = undo, %{instance: instance}) do
    with {:error, ids} <- module.undo(undo, instance) do
      Logger.error("plugins of a change that failed elsewhere cannot be unloaded yet: #{inspect(ids)}")
      Enum.each(ids, &unload_later(&1, undo.shipped, instance))
    end

    Table.put_undo(instance, nil)
  end

  # As what was unloaded elsewhere, which is tried again.
  defp unload_later(id, shipped, instance) do
    {entry, here} = Table.get(instance, id)
    entry = entry || %Entry{id: id, clock: {0, node()}, state: :unloaded}
    Table.put(instance, entry, %{here | applied: :taken_back, shipped: shipped, failed: nil})
  end

  defp commit(%{id: id} = entry, shipped, instance) do
    {known, here} = Table.get(instance, id)

    cond do
      entry.state == :loaded -> CatchUp.done(entry, here, shipped, instance)
      Manager.plugin_info(id, instance: instance) == :error -> CatchUp.removed(entry, here, instance)
      # It went elsewhere, with what it needed there.
      true -> Table.put(instance, entry, here)
    end

    # A node that was cut off may have brought a newer entry meanwhile; it is carried out next.
    if known, do: Table.merge(instance, known)
  end

  # Comparing

  defp tell(member, state, answer? \\ true) do
    Scope.send_now(member, {:pipeline_cluster, :digest, self(), Table.digest(state.instance), answer?})
  end

  defp newer(digest, state) do
    for {entry, _here} <- Table.all(state.instance), Entry.newer?(entry.clock, digest[entry.id]), do: entry
  end

  defp behind?(digest, state) do
    Enum.any?(digest, fn {id, clock} -> Entry.newer?(clock, Table.clock(state.instance, id)) end)
  end

  defp merge(entries, state), do: Enum.count(entries, &Table.merge(state.instance, &1)) > 0

  # Not while a change is under way, of which this could be a part.
  defp look(%{holder: nil, instance: instance} = state) do
    state = close(state)

    if CatchUp.pending?(instance) do
      CatchUp.run(instance)
      close(%{state | missing: nil})
    else
      state
    end
  end

  defp look(state), do: close(state)

  # Closed points close before a plugin comes that others have already, and open once it is here.
  defp close(%{instance: instance, missing: told} = state) do
    missing = CatchUp.missing(instance)
    if missing != told, do: Server.unsynced(instance, missing)
    %{state | missing: missing}
  end

  defp tick(state) do
    %{options: %{interval: interval}} = Table.settings(state.instance)
    Process.send_after(self(), :tick, interval)
    state
  end
end
