defmodule Pipeline.Plugin.Manager.Failure do
  @moduledoc false
  # Plugins that ran and do not any more, and plugins that are started in place of what is there of them.

  alias Pipeline.Native
  alias Pipeline.Plugin
  alias Pipeline.Hook.ChainStore
  alias Pipeline.Plugin.{Error, Events, Lifecycle, Log, Registry, StartPhase, Tree}
  alias Pipeline.Plugin.Manager.{Hold, Operation, Retire, Retry, State, UpgradeGuard}

  # Milliseconds that init/1 may take.
  @timeout 30_000

  @doc "For a plugin whose tree has ended, by itself or killed, as the monitor of the tree says."
  @spec tree_ended(Plugin.plugin_id(), monitor :: reference, reason :: term) :: Operation.t()
  def tree_ended(id, monitor, reason) do
    fn _state ->
      {{[id], []}, &begin_ended(&1, id, monitor, reason)}
    end
  end

  defp begin_ended(state, id, monitor, reason) do
    cond do
      # Whoever changed it since has seen to it.
      state.trees[id] != monitor -> {:done, {:ok, []}, state}
      reason == :shutdown -> gave_up(state, id)
      true -> {:run, in_place(id), note_start(state, id)}
    end
  end

  # It has restarted too often.
  defp gave_up(state, id) do
    {state, follow_ups} = fail(state, id, :shutdown)
    %{restart: restart} = info = state.plugins[id]

    Log.error(
      info,
      state.instance,
      "has failed: it crashed more than #{restart.max} times in #{restart.within} ms. " <>
        "Its hooks are out, and plugins that need it are held. It is tried again in " <>
        "#{Retry.pause(state.retries, id)} ms; disable_plugin/2 stops that"
    )

    {:done, {:ok, follow_ups}, state}
  end

  @doc "Starts a plugin anew that a manager or a supervisor before has left without its tree."
  @spec lost(Plugin.plugin_id()) :: Operation.t()
  def lost(id) do
    fn state ->
      {{[id], needs(id, state)}, &{:run, in_place(id), note_start(&1, id)}}
    end
  end

  # It starts after those that it needs and that start anew too.
  defp needs(id, state), do: Plugin.Dependents.needs(state.plugins[id], state.plugins)

  defp in_place(id) do
    fn context ->
      case start(context, id) do
        :ok ->
          {:ok, []}

        {:error, error} ->
          Log.failed(error, context.instance, "a plugin that was running is lost: ")
          {:ok, Operation.step(context, &lost_for_good(&1, id, error.reason))}
      end
    end
  end

  defp lost_for_good(state, id, reason) do
    {state, follow_ups} = fail(state, id, reason)
    {follow_ups, state}
  end

  @doc "Starts a plugin that runs anew, for an operator."
  @spec restart(Plugin.plugin_id(), runs :: :go_on | :wait, caller :: pid) :: Operation.t()
  def restart(id, runs, caller) do
    fn state ->
      # Of two operations that close a point, one does so after the other.
      points = if runs == :wait, do: for(point <- points(id, state.instance), do: {:point, point}), else: []
      {{[id | points], []}, &begin_restart(&1, id, runs, caller)}
    end
  end

  defp points(id, instance) do
    for point <- ChainStore.points(instance),
        Enum.any?(ChainStore.chain(instance, point).registrations, &(&1.plugin == id)),
        do: point
  end

  defp begin_restart(state, id, runs, caller) do
    with :ok <- check_runs(id, state), :ok <- check_caller(caller, id, state) do
      {:run, restarting(id, runs), note_restart(note_start(state, id), id, runs)}
    else
      error -> {:done, {error, []}, state}
    end
  end

  # Without its process a guard cannot be asked. Where runs wait there is no need.
  defp note_restart(state, id, :go_on), do: State.note(state, [id], &Map.put(&1, :restarting, true))
  defp note_restart(state, _id, :wait), do: state

  # Runs of its points wait as in an upgrade. If the manager ends meanwhile, the keeper lets them go on.
  defp restarting(id, :wait) do
    fn context ->
      keeper = UpgradeGuard.start([context])
      :ok = Operation.step(context, &lock(&1, id, keeper))
      # The hooks of a plugin that cannot start are out before runs go on.
      outcome = restarting(id, :go_on).(context)
      :ok = Operation.step(context, &unlock(&1, keeper))
      UpgradeGuard.release(keeper)
      outcome
    end
  end

  defp restarting(id, :go_on) do
    fn context ->
      case start(context, id) do
        :ok ->
          {:ok, []}

        {:error, %{reason: reason} = error} ->
          Log.failed(error, context.instance, "a plugin that was to be restarted has failed: ")
          {{:error, reason}, Operation.step(context, &lost_for_good(&1, id, reason))}
      end
    end
  end

  defp lock(state, id, keeper) do
    {ChainStore.lock(state.instance, points(id, state.instance), keeper), State.changed(state)}
  end

  defp unlock(state, keeper), do: {ChainStore.unlock(state.instance, keeper), State.changed(state)}

  @doc "Starts a plugin anew, if it runs, after one that it needs was."
  @spec restart_with(Plugin.plugin_id()) :: Operation.t()
  def restart_with(id) do
    fn state ->
      {{[id], if(is_map_key(state.plugins, id), do: needs(id, state), else: [])}, &begin_restart_with(&1, id)}
    end
  end

  defp begin_restart_with(state, id) do
    if check_runs(id, state) == :ok,
      do: {:run, in_place(id), note_start(state, id)},
      else: {:done, {:ok, []}, state}
  end

  @spec check_runs(Plugin.plugin_id(), State.t()) :: :ok | {:error, term}
  def check_runs(id, state) do
    case state.plugins do
      %{^id => %{state: :started}} -> :ok
      %{^id => %{state: other}} -> {:error, {other, id}}
      _ -> {:error, {:not_loaded, id}}
    end
  end

  @spec check_caller(pid, Plugin.plugin_id(), State.t()) :: :ok | {:error, term}
  def check_caller(caller, id, state) do
    if Retire.caller?(state, [id], caller), do: {:error, {:called_from_callback, :itself}}, else: :ok
  end

  # Without a phase, so that a manager after this one starts it anew, whatever there is of it by then.
  defp note_start(state, id), do: state |> State.note([id], &Map.put(&1, :phase, nil)) |> State.unwatch(id)

  # It runs its start/1 by itself.
  defp start(%{instance: instance} = context, id) do
    :ok = Tree.stop(instance, id)
    info = %{Registry.info(Registry.owned(instance), id) | phase: StartPhase.started()}

    case info |> Tree.new(instance, @timeout) |> Tree.start() do
      {:ok, _pid} ->
        Operation.step(context, &{:ok, started(&1, info)})

      {:error, {step, reason}} ->
        {:error, %Error{plugin: id, module: info.module, step: step, reason: reason}}
    end
  end

  defp started(state, %{id: id, phase: phase}),
    do:
      state |> State.note([id], &(&1 |> Map.delete(:restarting) |> Map.put(:phase, phase))) |> State.watch(id)

  @doc """
  A step: a plugin that ran has failed. Its hooks are out at once.

  In the operations that follow, its processes end if there are any, and the plugins that need it are held.
  """
  @spec fail(State.t(), Plugin.plugin_id(), reason :: term) :: {State.t(), [Operation.t()]}
  def fail(state, id, reason) do
    if state.plugins[id].state == :started,
      do: {Retire.drain_now(state, [{id, :failed, reason}]), [hold_dependents(id, reason)]},
      else: {state, []}
  end

  defp hold_dependents(id, reason) do
    fn state ->
      leaving = if is_map_key(state.plugins, id), do: Hold.dependents(state, [id]), else: []
      ids = for {id, _, _} <- leaving, do: id
      {{[id | ids], []}, &begin_hold(&1, id, leaving, reason)}
    end
  end

  defp begin_hold(state, id, leaving, reason) do
    case state.plugins do
      %{^id => %{state: :failed}} ->
        {:run, holding(id, leaving, reason), Retire.drain_now(state, leaving)}

      # It runs again already, or was unloaded, which has held those that need it.
      _ ->
        {:done, {:ok, []}, state}
    end
  end

  defp holding(id, leaving, reason) do
    fn %{instance: instance} = context ->
      :ok = Retire.finish(context, leaving ++ [{id, :failed, reason}])
      Events.emit(:plugin_failed, %{id: id, reason: reason}, instance: instance)
      {:ok, []}
    end
  end

  @doc "An operation that undoes what a manager had half done when it ended, on its way in or out."
  @spec undo(Lifecycle.info()) :: Operation.t()
  def undo(%{id: id} = info) do
    fn _state ->
      {{[id], []}, &{:run, undoing(info), &1}}
    end
  end

  defp undoing(%{id: id} = info) do
    fn %{instance: instance} = context ->
      :ok = Tree.stop(instance, id)
      :ok = Operation.step(context, &{:ok, undone(&1, info)})
      {:ok, []}
    end
  end

  defp undone(state, %{id: id} = info) do
    case target(info) do
      nil ->
        State.delete(state, id)

      {to, reason} ->
        State.update(state, [id], &(&1 |> Map.drop([:leaves_for]) |> Lifecycle.enter!(to, reason)))
    end
  end

  @doc "Where a plugin was going when its manager ended, or where it came from. `nil` if it is to be forgotten."
  @spec target(Lifecycle.info()) :: {Lifecycle.state(), reason :: term} | nil
  def target(%{state: :draining, leaves_for: nil}), do: nil
  def target(%{state: :draining, leaves_for: to, history: [%{reason: reason} | _]}), do: {to, reason}
  def target(%{history: [_loading, %{state: :held, reason: reason} | _]}), do: {:held, reason}

  def target(%{history: [_loading, %{state: from} | _]}) do
    if from in Native.Lifecycle.idle(), do: {:failed, :manager_ended}
  end

  @doc "An operation that ends the tree of a plugin that never was registered."
  @spec discard(Plugin.plugin_id()) :: Operation.t()
  def discard(id) do
    fn _state ->
      {{[id], []}, &{:run, discarding(id), &1}}
    end
  end

  defp discarding(id) do
    fn %{instance: instance} -> {Tree.stop(instance, id), []} end
  end
end
