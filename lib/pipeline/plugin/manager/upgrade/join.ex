defmodule Pipeline.Plugin.Manager.Upgrade.Join do
  @moduledoc false
  # An upgrade that takes several plugins with one module along. In the instance of each of them an operation takes the
  # locks, and waits until the task that leads the upgrade is done.

  alias Pipeline.Hook.ChainStore
  alias Pipeline.Instance.Names
  alias Pipeline.Plugin
  alias Pipeline.Plugin.Manager.{CodeUsers, Failure, Load, Locks, Operation, State}
  alias Pipeline.Plugin.Manager.Upgrade.Part

  @doc "Takes all of them, one instance after the other, or none."
  @spec all([CodeUsers.user()], caller :: pid) :: {:ok, [Part.t()]} | {:error, term}
  def all(users, caller) do
    # In this order in each upgrade, so that two of them do not wait for each other.
    groups = users |> Enum.sort() |> Enum.chunk_by(&elem(&1, 0))

    Enum.reduce_while(groups, {:ok, []}, fn [{instance, _id} | _] = users, {:ok, parts} ->
      ids = for {_instance, id} <- users, do: id

      case join(instance, Names.whereis(instance, :manager), ids, caller) do
        {:ok, joined} ->
          {:cont, {:ok, parts ++ joined}}

        {:error, reason} ->
          :ok = over(for part <- parts, do: {part, []})
          {:halt, {:error, reason}}
      end
    end)
  end

  defp join(instance, nil, _ids, _caller), do: {:error, {:instance_ended, instance}}

  defp join(instance, manager, ids, caller) do
    reference = make_ref()
    monitor = Process.monitor(manager)
    GenServer.cast(manager, {:join_upgrade, ids, {self(), reference}, caller})

    receive do
      {^reference, :joined, pid, context, plugins} ->
        Process.demonitor(monitor, [:flush])
        {:ok, for(old <- plugins, do: %Part{context: context, old: old, joined: {pid, reference}})}

      {^reference, :refused, reason} ->
        Process.demonitor(monitor, [:flush])
        {:error, {:in_instance, instance, reason}}

      {:DOWN, ^monitor, :process, ^manager, _reason} ->
        {:error, {:instance_ended, instance}}
    end
  end

  @doc "Lets the operations of the instances end, and begin what follows from them."
  @spec over([{Part.t(), [Operation.t()]}]) :: :ok
  def over(outcomes) do
    for {{pid, reference}, follow_ups} <- Enum.group_by(outcomes, &elem(&1, 0).joined, &elem(&1, 1)),
        do: send(pid, {reference, :over, Enum.concat(follow_ups)})

    :ok
  end

  @doc "The operation of an instance."
  @spec operation([Plugin.plugin_id()], {leader :: pid, reference}, caller :: pid) :: Operation.t()
  def operation(ids, leader, caller), do: fn state -> {locks(ids, state), &begin(&1, ids, leader, caller)} end

  defp begin(state, ids, {leader, reference}, caller) do
    refused =
      Enum.find_value(ids, fn id ->
        with :ok <- Failure.check_runs(id, state), :ok <- Failure.check_caller(caller, id, state), do: nil
      end)

    case refused do
      nil ->
        plugins = for id <- ids, do: state.plugins[id]
        {:run, &wait(&1, plugins, leader, reference), state}

      {:error, reason} = error ->
        send(leader, {reference, :refused, reason})
        {:done, {error, []}, state}
    end
  end

  defp wait(context, plugins, leader, reference) do
    monitor = Process.monitor(leader)
    send(leader, {reference, :joined, self(), context, plugins})

    receive do
      {^reference, :over, follow_ups} ->
        Process.demonitor(monitor, [:flush])
        {:ok, follow_ups}

      # The manager ends with this task, and the next one finds what is left to be done.
      {:DOWN, ^monitor, :process, ^leader, reason} ->
        exit({:upgrade_interrupted, reason})
    end
  end

  @doc "Of two upgrades of plugins that share a point, one closes it after the other."
  @spec locks([Plugin.plugin_id()], State.t()) :: Locks.wanted()
  def locks(ids, state) do
    infos = for id <- ids, info = state.plugins[id], do: info
    {_ids, reads} = Load.needs(infos, state)
    points = for id <- ids, point <- points(id, state.instance), uniq: true, do: {:point, point}
    {ids ++ points, reads -- ids}
  end

  @doc "Where a plugin's own code is called. What native hooks run is not replaced."
  @spec points(Plugin.plugin_id(), term) :: [atom]
  def points(id, instance) do
    for point <- ChainStore.points(instance),
        Enum.any?(
          ChainStore.chain(instance, point).registrations,
          &(&1.plugin == id and is_function(&1.call))
        ),
        do: point
  end
end
