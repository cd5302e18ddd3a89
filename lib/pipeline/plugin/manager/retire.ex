defmodule Pipeline.Plugin.Manager.Retire do
  @moduledoc false
  # Takes plugins that run out of service: first their hooks, all in one step, then the processes, each before those it
  # needs.

  alias Pipeline.Plugin
  alias Pipeline.Plugin.{Dependents, Lifecycle, Names}
  alias Pipeline.Plugin.Manager.{Hooks, State}

  @typedoc "Where they go: `nil` for plugins that are to be forgotten."
  @type target :: :held | :stopped | :failed | nil

  @doc """
  Takes plugins out, each with the reason why.

  They are given dependents first, and end in `target`, in which they are known and do not run.
  """
  @spec run(State.t(), [{Plugin.plugin_id(), target, reason :: term}]) :: State.t()
  def run(%State{} = state, leaving) do
    {running, idle} = Enum.split_with(leaving, fn {id, _, _} -> state.plugins[id].state == :started end)

    state
    |> drain(running)
    |> stop(running)
    |> settle(for({id, target, reason} <- running, do: {id, target || :stopped, reason}))
    |> settle(for({id, target, reason} <- idle, target, do: {id, target, reason}))
    |> forget(for({id, nil, _reason} <- leaving, do: id))
  end

  # What is noted with it tells a manager after this one how to go on.
  defp drain(state, leaving) do
    state =
      Enum.reduce(leaving, state, fn {id, target, reason}, state ->
        State.update(state, [id], fn info ->
          info |> Lifecycle.enter!(:draining, reason) |> Map.put(:leaves_for, target)
        end)
      end)

    remove_hooks(state, for({id, _, _} <- leaving, do: id))
  end

  @doc "Takes the hooks of plugins out, in one step."
  @spec remove_hooks(State.t(), [Plugin.plugin_id()]) :: State.t()
  def remove_hooks(state, []), do: state

  def remove_hooks(%State{instance: instance, plugins: plugins} = state, ids) do
    Hooks.remove(Map.take(plugins, ids), Dependents.graph(plugins), instance)
    state
  end

  defp stop(state, leaving),
    do: Enum.reduce(leaving, state, fn {id, _, _}, state -> State.stop(state, id) end)

  defp settle(state, leaving) do
    Enum.reduce(leaving, state, fn {id, target, reason}, state ->
      if state.plugins[id].state == target,
        do: state,
        else: State.update(state, [id], &(&1 |> Lifecycle.enter!(target, reason) |> Map.delete(:leaves_for)))
    end)
  end

  defp forget(state, ids) do
    Enum.reduce(ids, state, fn id, state ->
      state = State.delete(state, id)
      Plugin.Events.emit(:plugin_unloaded, %{id: id}, instance: state.instance)
      state
    end)
  end

  @doc "Whether a process is that of one of the plugins, which cannot wait for its own end."
  @spec caller?(State.t(), [Plugin.plugin_id()], pid) :: boolean
  def caller?(state, ids, pid), do: Enum.any?(ids, &(Names.whereis(state.instance, {:plugin, &1}) == pid))
end
