defmodule Pipeline.Plugin.Manager.Retire do
  @moduledoc false
  # Takes plugins that run out of service: first their hooks, all in one step, then, once the runs that have them still
  # are over, the processes, each before those it needs.

  alias Pipeline.Hook.InFlight
  alias Pipeline.Plugin
  alias Pipeline.Plugin.{Dependents, Lifecycle}
  alias Pipeline.Instance.Names
  alias Pipeline.Plugin.Manager.{Hooks, State}

  @typedoc "Where they go: `nil` for plugins that are to be forgotten."
  @type target :: :held | :stopped | :failed | nil

  @typedoc "How long (ms) to wait for runs that are under way, which not to wait for, and whether to end the others."
  @type patience :: %{timeout: non_neg_integer, but: [pid], force: boolean}

  @doc """
  Takes plugins out, each with the reason why, once no run is under way in which they have hooks.

  They are given dependents first, and end in `target`, in which they are known and do not run. When runs take too long
  the hooks are put back and nothing has changed.
  """
  @spec run(State.t(), [{Plugin.plugin_id(), target, reason :: term}], patience) ::
          {:ok, State.t()} | {:error, {:still_running, [pid]}, State.t()}
  def run(%State{} = state, leaving, patience) do
    {state, before} = drain(state, running(state, leaving))

    case await(before, patience) do
      :ok ->
        {:ok, go(state, leaving)}

      {:still_running, pids} ->
        state = State.publish(state, before)
        ids = for {id, _, _} <- running(state, leaving), do: id

        {:error, {:still_running, pids},
         settle(state, for(id <- ids, do: {id, :started, {:still_running, pids}}))}
    end
  end

  @doc "The same at once: runs that are under way end without the plugins' processes."
  @spec now(State.t(), [{Plugin.plugin_id(), target, reason :: term}]) :: State.t()
  def now(%State{} = state, leaving) do
    {state, _before} = drain(state, running(state, leaving))
    go(state, leaving)
  end

  defp running(state, leaving) do
    Enum.filter(leaving, fn {id, _, _} -> state.plugins[id].state in [:started, :draining] end)
  end

  defp await(before, %{timeout: timeout, but: but, force: force}) do
    marks = for {_point, %{mark: mark}} <- before, do: mark

    with {:still_running, pids} when force <- InFlight.await(marks, timeout, but: but) do
      for pid <- pids, do: Process.exit(pid, :kill)
      :ok
    end
  end

  defp go(state, leaving) do
    {draining, idle} = Enum.split_with(leaving, fn {id, _, _} -> state.plugins[id].state == :draining end)

    leaving
    |> Enum.reduce(state, fn {id, _, _}, state -> State.stop(state, id) end)
    |> settle(for({id, target, reason} <- draining, do: {id, target || :stopped, reason}))
    |> settle(for({id, target, reason} <- idle, target, do: {id, target, reason}))
    |> forget(for({id, nil, _reason} <- leaving, do: id))
  end

  # What is noted with it tells a manager after this one how to go on.
  defp drain(state, leaving) do
    ids = for {id, _, _} <- leaving, do: id

    state =
      Enum.reduce(leaving, state, fn {id, target, reason}, state ->
        State.note(state, [id], &leave(&1, target, reason))
      end)

    {state, before} = hooks_out(state, ids)
    State.announce(state, ids)
    {state, before}
  end

  # One that has failed has no process left that runs could do with.
  defp leave(info, :failed, reason), do: Lifecycle.enter!(info, :failed, reason)

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
      state = State.delete(state, id)
      Plugin.Events.emit(:plugin_unloaded, %{id: id}, instance: state.instance)
      state
    end)
  end

  @doc "Whether a process is that of one of the plugins, which cannot wait for its own end."
  @spec caller?(State.t(), [Plugin.plugin_id()], pid) :: boolean
  def caller?(state, ids, pid), do: Enum.any?(ids, &(Names.whereis(state.instance, {:plugin, &1}) == pid))
end
