defmodule Pipeline.Plugin.Manager.Recovery do
  @moduledoc false
  # What a manager does about the plugins that one before it has left behind, by how far the registry says they had come.

  alias Pipeline.Hook.ChainStore
  alias Pipeline.Native
  alias Pipeline.Plugin.{Lifecycle, Loader, Log, Registry, Tree}
  alias Pipeline.Plugin.Manager.{Failure, Guards, Operation, Retire, State, UpgradeGuard}

  @doc """
  Takes in what is registered. No plugin that does not run has hooks then.

  The operations that are returned end what was half done, and see to it that what was started runs.
  """
  @spec run(State.t()) :: {State.t(), [Operation.t()]}
  def run(%State{instance: instance} = state) do
    :ok = Operation.end_all(instance)
    half = UpgradeGuard.recover(instance)
    ChainStore.settle(instance)
    # Not before: what a manager has put that was killed may come after its end.
    state = %{state | down: Guards.standing(instance)}

    # The registry is open to all; what somebody else has put there is theirs.
    all =
      for %{state: _, module: _, config: _, history: _} = info <- Registry.list(Registry.owned(instance)),
          do: info

    state = Enum.reduce(all, state, &State.put(&2, &1))
    {state, given_up} = give_up(half, state)
    underway = for %{state: state} = info <- all, state in [:loading, :draining], do: info
    for info <- underway, do: tell(info, instance)

    idle = for id <- Map.keys(state.plugins), state.plugins[id].state in Native.Lifecycle.idle(), do: id
    state = Retire.remove_hooks(state, idle ++ for(%{id: id} <- underway, do: id))

    {lost, state} = lost(state)

    operations =
      for(id <- unknown(state), do: Failure.discard(id)) ++
        for(info <- Enum.reverse(underway), do: Failure.undo(info)) ++
        for(id <- lost, do: Failure.lost(id)) ++ given_up

    {state, operations}
  end

  # Trees of plugins that were started and not yet registered.
  defp unknown(state), do: Enum.reject(Tree.ids(state.instance), &is_map_key(state.plugins, &1))

  # Plugins that were started and have no tree, those first that others need. The others are watched. A tree with another
  # phase was being replaced.
  defp lost(%State{instance: instance} = state) do
    {watched, lost} =
      state
      |> State.in_state(:started)
      |> Enum.split_with(fn id ->
        phase = state.plugins[id][:phase]
        match?({_pid, ^phase}, Tree.find(instance, id))
      end)

    # One that has ended since then did so with the supervisor of all plugins, and starts anew.
    {in_order(lost, state), Enum.reduce(watched, state, &State.watch(&2, &1, :killed))}
  end

  defp in_order([], _state), do: []

  defp in_order(ids, state) do
    running = State.running(state)

    case Loader.load_order(Map.values(running)) do
      {:ok, waves} -> waves |> List.flatten() |> Enum.filter(&(&1 in ids))
      # One of them needs what does not run, and is held before long.
      {:error, _error} -> ids
    end
  end

  # Plugins whose manager ended while their code was being replaced, and where the code before cannot come back. Runs wait
  # at their points.
  defp give_up(half, state) do
    Enum.reduce(half, {state, []}, fn {id, keeper, reason}, {state, operations} ->
      Log.error(
        id,
        state.instance,
        "was being upgraded when its manager ended, and cannot go back: #{Pipeline.Foreign.term(reason)}"
      )

      {state, follow_ups} = state |> State.note([id], &Map.delete(&1, :upgrade)) |> Failure.fail(id, reason)
      ChainStore.unlock(state.instance, keeper)
      {state, operations ++ follow_ups}
    end)
  end

  @spec tell(Lifecycle.info(), term) :: :ok
  defp tell(%{state: half} = info, instance) do
    consequence =
      case Failure.target(info) do
        nil -> "it is taken out"
        {to, _reason} -> "it is #{to}"
      end

    Log.warning(info, instance, "was #{half} when its manager ended; #{consequence}")
  end
end
