defmodule Pipeline.Plugin.Manager.Retire do
  @moduledoc false
  # Takes plugins that run out of service: first their hooks, all in one step, then, once the runs that have them still
  # are over, the processes, each before those it needs.

  alias Pipeline.Foreign
  alias Pipeline.Hook.Chain
  alias Pipeline.Instance.Names
  alias Pipeline.Plugin
  alias Pipeline.Plugin.{Dependents, Lifecycle, Log, Tree}
  alias Pipeline.Plugin.Manager.{Guards, Hold, Hooks, Operation, State, Stored}

  @typedoc "Where they go: `nil` for plugins that are to be forgotten."
  @type target :: :held | :stopped | :failed | nil

  @typedoc "Each with the reason why, dependents first."
  @type leaving :: [{Plugin.plugin_id(), target, reason :: term}]

  @typedoc "How long (ms) to wait for runs that are under way, and whether to end those that take longer."
  @type patience :: {timeout :: non_neg_integer, force :: boolean}

  @doc "Unloads a plugin, with `cascade?` those that need it too."
  @spec unload(Plugin.plugin_id(), cascade? :: boolean, patience, caller :: pid) :: Operation.t()
  def unload(id, cascade?, patience, caller) do
    fn state ->
      case unloading(id, cascade?, state) do
        {:ok, ids} ->
          leaving = for id <- ids, do: {id, nil, :unload}
          {{ids, []}, &begin_unload(&1, leaving, patience, caller)}

        error ->
          {{[id], []}, &forget_stored(&1, id, error)}
      end
    end
  end

  # One that the store has and that could not be loaded, or a module of the configuration that could not be read.
  defp forget_stored(state, id, {:error, {:not_loaded, id}} = error) do
    refused? = fn other, why -> other == id and why.state == :failed end

    cond do
      Stored.known?(state, id) ->
        {:done, {:ok, []}, state |> Stored.unloaded(id) |> State.found(id)}

      Guards.up(state.instance, refused?) != %{} ->
        {:done, {:ok, []}, State.put_up(state, refused?)}

      true ->
        {:done, {error, []}, state}
    end
  end

  defp forget_stored(state, _id, error), do: {:done, {error, []}, state}

  defp unloading(id, _cascade?, state) when not is_map_key(state.plugins, id),
    do: {:error, {:not_loaded, id}}

  defp unloading(id, true, state), do: {:ok, Dependents.all(State.running(state), [id]) ++ [id]}

  defp unloading(id, false, state) do
    case Dependents.direct(State.running(state), id) do
      [] -> {:ok, [id]}
      dependents -> {:error, {:required_by, dependents}}
    end
  end

  defp begin_unload(state, leaving, patience, caller) do
    case check_caller(caller, leaving, state) do
      :ok -> begin(state, leaving, patience, caller, & &1)
      error -> {:done, {error, []}, state}
    end
  end

  @doc "Stops a plugin, which stays known, and has those that need it held."
  @spec stop(Plugin.plugin_id(), :held | :stopped, reason :: term, patience, caller :: pid) :: Operation.t()
  def stop(id, target, reason, patience, caller) do
    fn state ->
      leaving = if is_map_key(state.plugins, id), do: Hold.dependents(state, [id]), else: []
      leaving = leaving ++ [{id, target, reason}]
      {{for({id, _, _} <- leaving, do: id), []}, &begin_stop(&1, leaving, patience, caller)}
    end
  end

  defp begin_stop(state, leaving, patience, caller) do
    {id, target, reason} = List.last(leaving)

    with :ok <- check_loaded(id, state),
         :ok <- check_caller(caller, leaving, state),
         {:ok, state} <- note_stopped(state, id, target, reason) do
      cond do
        target == :held -> begin(state, leaving, patience, caller, & &1)
        state.plugins[id].state == :stopped -> {:done, {:ok, []}, state}
        true -> begin(state, leaving, patience, caller, &note_enabled(&1, id))
      end
    else
      error -> {:done, {error, []}, state}
    end
  end

  defp note_stopped(state, id, :stopped, reason), do: State.note_disabled(state, id, {:disabled, reason})
  defp note_stopped(state, _id, :held, _reason), do: {:ok, state}

  # A plugin that could not be stopped is not disabled.
  defp note_enabled(state, id) do
    case State.note_disabled(state, id, :enabled) do
      {:ok, state} ->
        state

      {:error, failure} ->
        Log.error(
          id,
          state.instance,
          "goes on, and the store has it disabled after a restart all the same: " <>
            Exception.message(failure)
        )

        state
    end
  end

  defp check_loaded(id, state) do
    if is_map_key(state.plugins, id), do: :ok, else: {:error, {:not_loaded, id}}
  end

  # A plugin cannot wait for its own end.
  defp check_caller(caller, leaving, state) do
    if caller?(state, for({id, _, _} <- leaving, do: id), caller),
      do: {:error, {:called_from_callback, :itself}},
      else: :ok
  end

  @doc "Whether a process is that of one of the plugins, which cannot wait for its own end."
  @spec caller?(State.t(), [Plugin.plugin_id()], pid) :: boolean
  def caller?(state, ids, pid), do: Enum.any?(ids, &(Names.whereis(state.instance, {:plugin, &1}) == pid))

  # When runs take too long the hooks are put back, and `undo` has the rest as it was.
  defp begin(state, leaving, patience, caller, undo) do
    {state, before} = drain(state, running(state, leaving))
    key = make_ref()
    state = put_in(state.prepared[key], %{before: before, changes: state.changes})
    ids = for {id, _, _} <- leaving, do: id
    drains = for {_point, chain} <- before, drain <- Chain.drains(chain, ids), do: drain
    {:run, draining(leaving, key, drains, patience, caller, undo), state}
  end

  # The chains from before stay in the manager: they are large.
  defp draining(leaving, key, drains, patience, caller, undo) do
    fn context ->
      # A run whose hook asks for it cannot be waited for.
      case await(context, drains, patience, caller) do
        :ok ->
          for {id, _, _} <- leaving, do: :ok = Tree.stop(context.instance, id)
          {Operation.step(context, &{:ok, gone(without(&1, key), leaving)}), []}

        {:still_running, pids} ->
          :ok = Operation.step(context, &{:ok, put_back(&1, leaving, key, pids, undo)})
          {{:error, {:still_running, pids}}, []}
      end
    end
  end

  defp without(state, key), do: %{state | prepared: Map.delete(state.prepared, key)}

  defp await(context, drains, {timeout, force?}, caller) do
    with {:still_running, pids} when force? <- Operation.await_runs(context, drains, timeout, caller) do
      for pid <- pids, do: Process.exit(pid, :kill)
      :ok
    end
  end

  defp put_back(state, leaving, key, pids, undo) do
    %{before: before, changes: changes} = state.prepared[key]
    ids = for {id, _, _} <- running(state, leaving), do: id
    # Nothing else has changed: the very chains come back.
    chains = if state.changes == changes, do: before, else: Hooks.put_back(before, ids, state)
    state = state |> without(key) |> State.publish(chains)
    state = Enum.reduce(ids, state, &State.watch(&2, &1))
    undo.(settle(state, for(id <- ids, do: {id, :started, {:still_running, pids}})))
  end

  @doc "A step at once, for plugins whose runs end without their processes. `finish/2` is to follow."
  @spec drain_now(State.t(), leaving) :: State.t()
  def drain_now(state, leaving) do
    {state, _before} = drain(state, running(state, leaving))
    state
  end

  @doc "Called in a task: ends the processes of plugins that are drained or do not run, and says so."
  @spec finish(Operation.context(), leaving) :: :ok
  def finish(%{instance: instance} = context, leaving) do
    for {id, _, _} <- leaving, do: :ok = Tree.stop(instance, id)
    Operation.step(context, &{:ok, gone(&1, leaving)})
  end

  defp gone(state, leaving) do
    {draining, idle} = Enum.split_with(leaving, fn {id, _, _} -> state.plugins[id].state == :draining end)

    for {id, target, reason} <- leaving, do: tell(state.plugins[id], target, reason, state.instance)

    state
    |> settle(for({id, target, reason} <- draining, do: {id, target || :stopped, reason}))
    |> settle(for({id, target, reason} <- idle, target, do: {id, target, reason}))
    |> forget(for({id, nil, _reason} <- leaving, do: id))
  end

  defp tell(info, nil, _reason, instance), do: Log.info(info, instance, "is unloaded")
  defp tell(info, :stopped, _reason, instance), do: Log.info(info, instance, "is disabled")

  defp tell(info, :held, {:needs, ids}, instance) do
    needed = Enum.map_join(ids, ", ", &Foreign.term/1)
    Log.error(info, instance, "is held, since it needs #{needed}; it starts again when that runs")
  end

  defp tell(info, :held, _asked, instance), do: Log.info(info, instance, "is held")
  # Said already, with the reason.
  defp tell(_info, :failed, _reason, _instance), do: :ok

  defp running(state, leaving) do
    Enum.filter(leaving, fn {id, _, _} -> state.plugins[id].state in [:started, :draining] end)
  end

  # What is noted with it tells a manager after this one how to go on.
  defp drain(state, leaving) do
    ids = for {id, _, _} <- leaving, do: id

    state =
      Enum.reduce(leaving, state, fn {id, target, reason}, state ->
        state |> State.note([id], &leave(&1, target, reason)) |> State.unwatch(id)
      end)

    {state, before} = hooks_out(state, ids)
    State.announce(state, ids)
    {state, before}
  end

  # One that has failed has no process left that runs could do with.
  defp leave(info, :failed, reason), do: info |> Map.delete(:restarting) |> Lifecycle.enter!(:failed, reason)

  defp leave(info, target, reason) do
    info |> Lifecycle.enter!(:draining, reason) |> Map.put(:leaves_for, target)
  end

  @doc "Takes the hooks of plugins out, in one step."
  @spec remove_hooks(State.t(), [Plugin.plugin_id()]) :: State.t()
  def remove_hooks(state, ids) do
    {state, _before} = hooks_out(state, ids)
    state
  end

  defp hooks_out(state, []), do: {state, %{}}

  defp hooks_out(%State{instance: instance, plugins: plugins} = state, ids) do
    {before, changes} = Hooks.remove(Map.take(plugins, ids), Dependents.graph(plugins), instance)
    {State.publish(state, changes), before}
  end

  defp settle(state, leaving) do
    Enum.reduce(leaving, state, fn {id, target, reason}, state ->
      if state.plugins[id].state == target,
        do: state,
        else: State.update(state, [id], &(&1 |> Lifecycle.enter!(target, reason) |> Map.delete(:leaves_for)))
    end)
  end

  defp forget(state, ids) do
    Enum.reduce(ids, state, fn id, state ->
      Plugin.Telemetry.plugin(:unloaded, state.plugins[id], state.instance)
      state = state |> State.delete(id) |> Stored.unloaded(id)
      Plugin.Events.emit(:plugin_unloaded, %{id: id}, instance: state.instance)
      state
    end)
  end
end
