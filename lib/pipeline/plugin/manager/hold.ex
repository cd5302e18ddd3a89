defmodule Pipeline.Plugin.Manager.Hold do
  @moduledoc false
  # Plugins that cannot do without another are held while that does not run, and start again when it does.

  alias Pipeline.Plugin
  alias Pipeline.Plugin.{Dependents, Lifecycle, Loader, Registry}
  alias Pipeline.Plugin.Manager.{Candidate, Operation, Operations, Start, State}

  @doc "The running plugins that cannot stay when some go, each before what it needs, with the reason why."
  @spec dependents(State.t(), [Plugin.plugin_id()]) :: [{Plugin.plugin_id(), :held, reason :: term}]
  def dependents(state, ids) do
    # One that has failed just now does not run any more.
    plugins = state |> State.running() |> Map.merge(Map.take(state.plugins, ids))

    case Dependents.all(plugins, ids) do
      [] ->
        []

      going ->
        graph = Dependents.graph(plugins)

        for id <- going do
          {id, :held,
           {:needs, for(target <- Map.get(graph, id, []), target in ids or target in going, do: target)}}
        end
    end
  end

  @doc "The starts of held plugins whose needs are met now. None unless a plugin has started since the last time."
  @spec release(State.t()) :: {[Operation.t()], State.t()}
  def release(%State{news?: false} = state), do: {[], state}

  def release(state) do
    waiting = for id <- State.in_state(state, :held), waits?(state.plugins[id]), do: id
    {for(id <- Enum.sort(releasable(waiting, state)), do: Start.release(id)), %{state | news?: false}}
  end

  defp releasable([], _state), do: []

  defp releasable(waiting, state) do
    running = Map.values(State.running(state))

    Enum.filter(waiting, fn id ->
      not Operations.busy?(state, id) and
        match?({:ok, _}, Loader.load_order([state.plugins[id]], loaded: running))
    end)
  end

  @doc "Whether a plugin is held for want of another, and not by an operator."
  @spec waits?(Lifecycle.info()) :: boolean
  def waits?(%{state: :held, history: [%{reason: {:needs, _}} | _]}), do: true
  def waits?(_info), do: false

  @doc "Keeps a plugin that is not loaded, as one that waits, has failed or was stopped."
  @spec keep(State.t(), Candidate.t(), Lifecycle.state(), reason :: term) :: State.t()
  def keep(%State{} = state, candidate, to, reason) do
    candidate = Candidate.put_restart(candidate, state.restart)
    info = candidate.info |> Lifecycle.enter!(to, reason) |> Map.put(:loaded_at, nil)
    {:ok, _} = Registry.register(Registry.owned(state.instance), info)
    Lifecycle.announce([info], state.instance)
    State.put(state, info)
  end
end
