defmodule Pipeline.Plugin.Manager.Hold do
  @moduledoc false
  # Plugins that cannot do without another are held while that does not run, and start again when it does.

  require Logger

  alias Pipeline.Plugin
  alias Pipeline.Plugin.{Dependents, Lifecycle, Error, Registry}
  alias Pipeline.Plugin.Manager.{Candidate, Load, State}

  @doc "The running plugins that cannot stay when some go, each before what it needs, with the reason why."
  @spec dependents(State.t(), [Plugin.plugin_id()]) :: [{Plugin.plugin_id(), :held, reason :: term}]
  def dependents(state, ids) do
    running = State.running(state)
    graph = Dependents.graph(running)
    going = Dependents.all(running, ids)

    for id <- going do
      {id, :held,
       {:needs, for(target <- Map.get(graph, id, []), target in ids or target in going, do: target)}}
    end
  end

  @doc "Starts the held plugins whose needs are met now, and those for which that is what they wait for."
  @spec release(State.t()) :: State.t()
  def release(state) do
    release(Enum.sort(for(id <- State.in_state(state, :held), waits?(state.plugins[id]), do: id)), state)
  end

  # Not for an operator.
  defp waits?(%{history: [%{reason: {:needs, _}} | _]}), do: true
  defp waits?(_info), do: false

  defp release(waiting, state) do
    {left, state} =
      Enum.flat_map_reduce(waiting, state, fn id, state ->
        case start(state, id) do
          {:ok, state} ->
            {[], state}

          {:unmet, _error} ->
            {[id], state}

          {:error, error, state} ->
            Logger.error("a plugin that was held cannot be started: " <> Exception.message(error))
            {[], state}
        end
      end)

    # One that has started may be what another waits for.
    if left == [] or length(left) == length(waiting), do: state, else: release(left, state)
  end

  @doc """
  Starts a plugin that is known and does not run.

  `{:unmet, error}` changes nothing; a plugin that cannot be started for another reason is failed.
  """
  @spec start(State.t(), Plugin.plugin_id()) ::
          {:ok, State.t()} | {:unmet, Error.t()} | {:error, Error.t(), State.t()}
  def start(state, id) do
    with {:ok, candidate} <- Candidate.again(state.plugins[id]),
         {:ok, candidates} <- Load.resolve(state, [candidate]),
         {:ok, _ids, state} <- Load.run(state, candidates, 30_000) do
      {:ok, state}
    else
      {:error, %Error{step: :resolve} = error} -> {:unmet, error}
      {:error, error} -> {:error, error, fail(state, id, error)}
    end
  end

  # Where it was under way already, the registry has it so.
  defp fail(state, id, error) do
    case Registry.info(Registry.owned(state.instance), id) do
      %{state: :failed} = info -> State.put(state, info)
      _ -> State.enter(state, [id], :failed, error.reason)
    end
  end

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
