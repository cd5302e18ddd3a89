defmodule Pipeline.Plugin.Manager.Load do
  @moduledoc false
  # The steps of loading, each of which leaves nothing behind when it fails.

  alias Pipeline.Plugin
  alias Pipeline.Plugin.{Config, Dependents, Error, Events, Lifecycle, Loader, Log, Overrides}
  alias Pipeline.Plugin.Manager.{BootPending, Candidate, Hooks, Launch, Locks, Operation, State, Stored}

  @doc "Loads plugins that are new, all or none. The answer has their ids."
  @spec operation([Candidate.t()], timeout) :: Operation.t()
  def operation(candidates, timeout) do
    fn state ->
      {locks(candidates, state), &begin(&1, candidates, timeout)}
    end
  end

  defp begin(state, candidates, timeout) do
    with :ok <- Candidate.check_new(candidates, state.plugins),
         :ok <- check_enabled(candidates, state),
         :ok <- announce(candidates, state.instance),
         {:ok, candidates} <- resolve(state, candidates) do
      {:run, &{run(&1, candidates, timeout), []}, state}
    else
      {:error, error} -> {:done, {{:error, error}, []}, state}
    end
  end

  @spec announce([Candidate.t()], atom) :: :ok
  def announce(candidates, instance), do: Lifecycle.announce(Enum.map(candidates, & &1.info), instance)

  defp check_enabled(candidates, state) do
    case Enum.find(candidates, &State.disabled?(state, &1.manifest.id)) do
      nil ->
        :ok

      %{manifest: %{id: id}, module: module} ->
        {:error, %Error{plugin: id, module: module, step: :validate, reason: {:disabled, id}}}
    end
  end

  @doc "What the load of plugins changes, and what it relies on."
  @spec locks([Candidate.t()], State.t()) :: Locks.wanted()
  def locks(candidates, state), do: needs(for(candidate <- candidates, do: candidate.manifest), state)

  @doc "The same for manifests."
  @spec needs([map], State.t()) :: Locks.wanted()
  def needs(manifests, state) do
    ids = for %{id: id} <- manifests, do: id

    needs =
      case Enum.filter(manifests, &(&1.dependencies != [])) do
        [] -> []
        needy -> needy |> Enum.flat_map(&Dependents.needs(&1, state.plugins)) |> Enum.uniq()
      end

    {ids, needs -- ids}
  end

  @doc "The candidates in load order, with the restarts that they have in this instance."
  @spec resolve(State.t(), [Candidate.t()]) :: {:ok, [Candidate.t()]} | {:error, Error.t()}
  def resolve(%State{} = state, candidates) do
    manifests = Enum.map(candidates, & &1.manifest)

    # A plugin that does not run meets nobody's dependencies.
    case Loader.load_order(manifests, loaded: Map.values(State.running(state))) do
      {:ok, waves} ->
        candidates = Enum.map(candidates, &Candidate.put_restart(&1, state.restart))
        {:ok, in_order(waves, candidates, state.instance)}

      {:error, error} ->
        {:error, %{Error.resolution(error) | plugin: only_id(manifests), module: only_module(candidates)}}
    end
  end

  defp in_order(waves, candidates, instance) do
    by_id = Map.new(candidates, &{&1.manifest.id, &1})
    at = Lifecycle.now()

    resolved =
      for {wave, number} <- Enum.with_index(waves), id <- wave do
        resolved(%{Map.fetch!(by_id, id) | wave: number}, at)
      end

    Lifecycle.announce(for(%{known?: false, info: info} <- resolved, do: info), instance)
    resolved
  end

  # One that is known was resolved when it came.
  defp resolved(%{known?: true} = candidate, _at), do: candidate
  defp resolved(candidate, at), do: Candidate.enter(candidate, :resolved, :load, at)

  @doc "In a task: starts candidates that are resolved, and has their hooks put in place in one step."
  @spec run(Operation.context(), [Candidate.t()], timeout) ::
          {:ok, [Plugin.plugin_id()]} | {:error, Error.t()}
  def run(%{instance: instance} = context, candidates, timeout) do
    with {:ok, candidates} <- Config.complete(candidates, timeout),
         :ok <- Hooks.prepare(candidates, context),
         {:ok, started} <- Launch.run(candidates, instance, timeout) do
      infos = for %{info: info} <- started, do: info

      with {:error, error} <- Operation.step(context, &install(&1, context.reference, infos)) do
        # While they started, another plugin came whose hooks and theirs contradict each other.
        Launch.undo(started, error, instance)
        {:error, error}
      end
    end
  end

  # Everything has started.
  defp install(%State{instance: instance} = state, reference, infos) do
    case Hooks.changes(state, reference) do
      {:ok, chains} ->
        ids = for %{id: id} <- infos, do: id
        state = State.publish(state, chains)
        for info <- infos, not is_map_key(state.plugins, info.id), do: Log.info(info, instance, loaded(info))
        state = Enum.reduce(infos, state, &State.put(&2, &1))
        state = Enum.reduce(ids, state, &State.watch(&2, &1))
        at = Lifecycle.now()
        state = State.update(state, ids, &Lifecycle.enter!(&1, :started, :load, at))
        modules = for %{module: module} <- infos, do: module
        BootPending.loaded(instance, modules)
        state = Enum.reduce(ids, known(state, modules), &State.found(&2, &1))
        state = Stored.loaded(state, for(id <- ids, do: state.plugins[id]))

        if Events.heard?(:plugin_loaded, instance) do
          for id <- ids, do: Events.emit(:plugin_loaded, %{id: id}, instance: instance)
        end

        {{:ok, ids}, state}

      {:error, error} ->
        {{:error, error}, state}
    end
  end

  # The hooks of these are known now.
  defp known(%State{down: down} = state, modules) do
    if Enum.any?(modules, &MapSet.member?(down, &1)),
      do: State.put_up(state, fn _id, why -> why.hooks == [] and why.module in modules end),
      else: state
  end

  defp loaded(%{version: version, overrides: overrides}) when overrides != %{},
    do: "#{version} is loaded, its hooks overridden on #{Overrides.describe(overrides)}"

  defp loaded(%{version: version}), do: "#{version} is loaded"

  defp only_id([manifest]), do: manifest.id
  defp only_id(_many), do: nil

  defp only_module([candidate]), do: candidate.module
  defp only_module(_many), do: nil
end
