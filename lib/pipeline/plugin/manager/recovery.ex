defmodule Pipeline.Plugin.Manager.Recovery do
  @moduledoc false
  # What a manager does about the plugins that one before it has left behind, by how far the registry says they had come.

  require Logger

  alias Pipeline.Hook.ChainStore
  alias Pipeline.Plugin.{Lifecycle, Error, Registry, StartPhase, Tree}
  alias Pipeline.Plugin.Manager.{Hold, Retire, Retry, State}
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

    # One that was started and not yet registered.
    for id <- Tree.ids(instance),
        not is_map_key(state.plugins, id),
        do: Tree.stop(instance, id)

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

          {:error, error, state} ->
            Logger.error("a plugin that was running is lost: " <> Exception.message(error))
            {[{id, error.reason}], state}
        end
      end)

    # A held plugin's process is stopped in vain where it is lost too.
    Enum.reduce(lost, state, fn {id, reason}, state -> fail(state, id, reason) end)
  end

  # A tree with another phase was being replaced.
  defp ensure(%State{} = state, id) do
    phase = state.plugins[id][:phase]

    case Tree.find(state.instance, id) do
      {_pid, ^phase} -> {:ok, State.watch(state, id)}
      _ -> start(state, id)
    end
  end

  @doc "Starts a plugin that is started, in place of what is there of it. It runs its start/1 by itself."
  @spec start(State.t(), Pipeline.Plugin.plugin_id()) :: {:ok, State.t()} | {:error, Error.t(), State.t()}
  def start(%State{instance: instance} = state, id) do
    # First noted, so that a manager after this one knows the tree that goes from the one that comes.
    state = State.note(state, [id], &Map.put(&1, :phase, StartPhase.started()))
    state = State.stop(state, id)
    %{module: module} = info = state.plugins[id]

    case info |> Tree.new(instance, 30_000) |> Tree.start() do
      {:ok, _pid} ->
        {:ok, State.watch(state, id)}

      {:error, {step, reason}} ->
        {:error, %Error{plugin: id, module: module, step: step, reason: reason}, state}
    end
  end

  @doc "For a plugin whose tree has ended, by itself or killed."
  @spec tree_ended(State.t(), Pipeline.Plugin.plugin_id(), reason :: term) :: State.t()
  def tree_ended(state, id, :shutdown) do
    state = fail(state, id, :shutdown)
    %{version: version, restart: restart} = state.plugins[id]

    Logger.error(
      "plugin #{inspect(id)} has failed: it crashed more than #{restart.max} times in #{restart.within} ms. " <>
        "Its hooks are out, and plugins that need it are held. It is tried again in " <>
        "#{Retry.pause(state.retries, id)} ms; disable_plugin/2 stops that",
      plugin: id,
      instance: state.instance,
      version: version
    )

    state
  end

  def tree_ended(state, id, _killed), do: restart([id], state)

  @doc "Tries a failed plugin again. One that cannot be started stays failed, and is tried again later."
  @spec retry(State.t(), Pipeline.Plugin.plugin_id()) :: State.t()
  def retry(state, id) do
    metadata = [plugin: id, instance: state.instance, version: state.plugins[id].version]

    case Hold.start(state, id) do
      {:ok, state} ->
        Logger.info("plugin #{inspect(id)} had failed, and runs again", metadata)
        Hold.release(state)

      {:unmet, error} ->
        State.enter(state, [id], :held, {:needs, error.reason})

      {:error, error, state} ->
        pause = Retry.pause(state.retries, id)

        Logger.error(
          "a plugin that has failed cannot be started again: #{Exception.message(error)}. " <>
            "It is tried again in #{pause} ms; disable_plugin/2 stops that",
          metadata
        )

        state
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
