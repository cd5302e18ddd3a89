defmodule Pipeline.Plugin.Manager.Load do
  @moduledoc false
  # The steps of loading, each of which leaves nothing behind when it fails.

  alias Pipeline.Hook.ChainStore
  alias Pipeline.Plugin
  alias Pipeline.Plugin.{Config, Events, Lifecycle, Loader, Error}
  alias Pipeline.Plugin.Manager.{BootPending, Candidate, Hooks, Launch, State}

  @doc "The candidates in load order."
  @spec resolve(State.t(), [Candidate.t()]) :: {:ok, [Candidate.t()]} | {:error, Error.t()}
  def resolve(%State{} = state, candidates) do
    manifests = Enum.map(candidates, & &1.manifest)

    # A plugin that does not run meets nobody's dependencies.
    case Loader.load_order(manifests, loaded: Map.values(State.running(state))) do
      {:ok, waves} ->
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

  @doc "Loads candidates that are resolved: starts them, and puts their hooks in place in one step."
  @spec run(State.t(), [Candidate.t()], timeout) ::
          {:ok, [Plugin.plugin_id()], State.t()} | {:error, Error.t()}
  def run(%State{instance: instance} = state, candidates, timeout) do
    candidates = Enum.map(candidates, &Candidate.put_restart(&1, state.restart))

    with {:ok, candidates} <- Config.complete(candidates, timeout),
         {:ok, chains} <- Hooks.prepare(candidates, &ChainStore.chain(instance, &1), state),
         {:ok, started} <- Launch.run(candidates, instance, timeout) do
      # Everything has started: from here nothing fails.
      state = State.publish(state, chains)
      state = Enum.reduce(started, state, &State.put(&2, &1))
      ids = for %{id: id} <- started, do: id
      state = Enum.reduce(ids, state, &State.watch(&2, &1))
      at = Lifecycle.now()
      state = State.update(state, ids, &Lifecycle.enter!(&1, :started, :load, at))
      BootPending.loaded(instance, Enum.map(candidates, & &1.module))

      if Events.heard?(:plugin_loaded, instance) do
        for id <- ids, do: Events.emit(:plugin_loaded, %{id: id}, instance: instance)
      end

      {:ok, ids, state}
    end
  end

  defp only_id([manifest]), do: manifest.id
  defp only_id(_many), do: nil

  defp only_module([candidate]), do: candidate.module
  defp only_module(_many), do: nil
end
