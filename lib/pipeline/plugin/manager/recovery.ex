defmodule Pipeline.Plugin.Manager.Recovery do
  @moduledoc false
  # What a manager does about the plugins that one before it has left behind, by how far the registry says they had come.

  require Logger

  alias Pipeline.Hook.ChainStore
  alias Pipeline.Plugin.{Child, Lifecycle, Error, Processes, Registry, Restarts}
  alias Pipeline.Plugin.Manager.{Hold, Retire, State}
  alias Pipeline.Plugin.Manager.UpgradeGuard

  @doc "Undoes or ends what was half done, and sees to it that what was started runs."
  @spec run(State.t()) :: State.t()
  def run(%State{instance: instance} = state) do
    half = UpgradeGuard.recover(instance)
    ChainStore.settle(instance)

    # The registry is open to all; what somebody else has put there is theirs.
    all =
      for %{state: _, module: _, config: _, history: _} = info <- Registry.list(Registry.owned(instance)),
          do: info

    state = Enum.reduce(all, state, &State.put(&2, &1))

    # Runs wait for it, those of plugins too that this manager is about to wait for.
    state = Retire.remove_hooks(state, for({id, _keeper, _reason} <- half, do: id))
    for {_id, keeper, _reason} <- half, do: ChainStore.unlock(instance, keeper)

    # A process that was started and not yet registered.
    for id <- Processes.ids(instance),
        not is_map_key(state.plugins, id),
        do: Processes.stop(instance, id, nil)

    underway = for %{state: state} = info <- all, state in [:loading, :draining], do: info
    state = underway |> Enum.reverse() |> Enum.reduce(state, &undo/2)

    # Nobody that does not run has hooks.
    idle = for id <- Map.keys(state.plugins), state.plugins[id].state in Lifecycle.idle(), do: id
    state = Retire.remove_hooks(state, idle)

    lost = for {id, _keeper, _reason} <- half, do: id
    state = restart(for(%{state: :started, id: id} <- all, id not in lost, do: id), state)
    Enum.reduce(half, state, &give_up/2)
  end

  @doc "Finds plugins that were started, or starts them again; those that cannot be are failed."
  @spec restart([Pipeline.Plugin.plugin_id()], State.t()) :: State.t()
  def restart(ids, state) do
    {lost, state} =
      Enum.flat_map_reduce(ids, state, fn id, state ->
        case ensure(state, id) do
          {:ok, state} ->
            {[], state}

          {:error, reason, state} ->
            error = %Error{plugin: id, module: state.plugins[id].module, step: :init, reason: reason}
            Logger.error("a plugin that was running is lost: " <> Exception.message(error))
            {[{id, reason}], state}
        end
      end)

    # A held plugin's process is stopped in vain where it is lost too.
    Enum.reduce(lost, state, fn {id, reason}, state -> fail(state, id, reason) end)
  end

  defp ensure(%State{} = state, id) do
    case Processes.find(state.instance, id) do
      nil -> start(state, id)
      {_pid, restarts} -> {:ok, keep(state, id, restarts)}
    end
  end

  @doc "Starts the process of a plugin that is started, which has none. It runs its start/1 by itself."
  @spec start(State.t(), Pipeline.Plugin.plugin_id()) :: {:ok, State.t()} | {:error, term, State.t()}
  def start(%State{instance: instance} = state, id) do
    # First noted, so that nobody starts it with those that it had.
    state = keep(state, id, Restarts.new())
    info = state.plugins[id]

    child = %Child{
      instance: instance,
      module: info.module,
      id: id,
      config: info.config,
      limits: info.limits,
      restarts: info.restarts,
      starter: self(),
      then: :start
    }

    case Pipeline.Plugin.Supervisor.start_child(child, 30_000) do
      {:ok, _pid} -> {:ok, state}
      # It was being started again.
      {:error, {:already_started, _pid}} -> ensure(state, id)
      {:error, reason} -> {:error, reason, state}
    end
  end

  defp keep(state, id, restarts) do
    case state.plugins[id] do
      %{restarts: ^restarts} -> state
      _ -> State.note(state, [id], &Map.put(&1, :restarts, restarts))
    end
  end

  @doc "A plugin that ran does not any more: it loses its hooks, and those that need it are held."
  @spec fail(State.t(), Pipeline.Plugin.plugin_id(), reason :: term) :: State.t()
  def fail(state, id, reason) do
    if state.plugins[id].state == :started do
      state = Retire.now(state, Hold.dependents(state, [id]) ++ [{id, :failed, reason}])
      Pipeline.Plugin.Events.emit(:plugin_failed, %{id: id, reason: reason}, instance: state.instance)
      state
    else
      state
    end
  end

  # Its manager ended while its code was being replaced, and the code before cannot come back.
  defp give_up({id, _keeper, reason}, state) do
    Logger.error(
      "plugin #{inspect(id)} was being upgraded when its manager ended, and cannot go back: #{Pipeline.Foreign.term(reason)}"
    )

    state = State.note(state, [id], &Map.delete(&1, :upgrade))
    fail(state, id, reason)
  end

  # Its manager ended while it was on its way in or out.
  defp undo(%{id: id, state: half} = info, state) do
    Logger.warning("plugin #{inspect(id)} was #{half} when its manager ended; #{consequence(info)}")
    state = Retire.remove_hooks(state, [id])

    state = State.stop(state, id)

    case target(info) do
      nil ->
        State.delete(state, id)

      {to, reason} ->
        State.update(state, [id], fn info ->
          info |> Map.drop([:leaves_for]) |> Lifecycle.enter!(to, reason)
        end)
    end
  end

  # Where it was going, or where it came from.
  defp target(%{state: :draining, leaves_for: nil}), do: nil
  defp target(%{state: :draining, leaves_for: to, history: [%{reason: reason} | _]}), do: {to, reason}
  defp target(%{history: [_loading, %{state: :held, reason: reason} | _]}), do: {:held, reason}

  defp target(%{history: [_loading, %{state: from} | _]}) do
    if from in Lifecycle.idle(), do: {:failed, :manager_ended}
  end

  defp consequence(info) do
    case target(info) do
      nil -> "it is taken out"
      {to, _reason} -> "it is #{to}"
    end
  end
end
