defmodule Pipeline.Plugin.Manager.Load do
  @moduledoc false
  # The steps of loading, each of which leaves nothing behind when it fails.

  alias Pipeline.Hook.Table
  alias Pipeline.Plugin
  alias Pipeline.Plugin.{Config, Events, Lifecycle, Loader, LoadError, Registry}
  alias Pipeline.Plugin.Manager.{Candidate, Hooks, State, Wanted}
  alias Pipeline.Plugin.Resources.Limits

  @doc "The candidates in load order."
  @spec resolve(State.t(), [Candidate.t()]) :: {:ok, [Candidate.t()]} | {:error, LoadError.t()}
  def resolve(%State{} = state, candidates) do
    manifests = Enum.map(candidates, & &1.manifest)

    # A plugin that does not run meets nobody's dependencies.
    case Loader.load_order(manifests, loaded: Map.values(State.running(state))) do
      {:ok, waves} ->
        by_id = Map.new(candidates, &{&1.manifest.id, &1})
        {:ok, for(wave <- waves, id <- wave, do: resolved(by_id[id], state.instance))}

      {:error, error} ->
        {:error, %{LoadError.resolution(error) | plugin: only_id(manifests), module: only_module(candidates)}}
    end
  end

  # One that is known was resolved when it came.
  defp resolved(%{known?: true} = candidate, _instance), do: candidate
  defp resolved(candidate, instance), do: Candidate.enter(candidate, :resolved, :load, instance)

  @doc "Loads candidates that are resolved: starts them, and puts their hooks in place in one step."
  @spec run(State.t(), [Candidate.t()], timeout) ::
          {:ok, [Plugin.plugin_id()], State.t()} | {:error, LoadError.t()}
  def run(%State{instance: instance} = state, candidates, timeout) do
    with {:ok, candidates} <- Config.complete(candidates, timeout),
         {:ok, chains} <- Hooks.prepare(candidates, &Table.chain(instance, &1), state),
         {:ok, started} <- start(candidates, instance, timeout) do
      # Everything has started: from here nothing fails.
      state = State.publish(state, chains)
      state = Enum.reduce(started, state, fn {info, supervisor}, state -> join(state, info, supervisor) end)
      ids = for {%{id: id}, _supervisor} <- started, do: id
      state = State.update(state, ids, &(&1 |> Lifecycle.enter!(:started, :load) |> Map.delete(:phase)))
      Wanted.loaded(instance, Enum.map(candidates, & &1.module))
      for id <- ids, do: Events.emit(:plugin_loaded, %{id: id}, instance: instance)
      {:ok, ids, state}
    end
  end

  defp join(state, info, supervisor), do: state |> State.put(info) |> State.watch(info.id, supervisor)

  # Starts the processes in order, registers the plugins, and runs their start/1 once all are there. When one fails, all
  # are undone: those that are new are no longer registered, those that were known are failed.
  @spec start([Candidate.t()], atom, timeout) :: {:ok, [{Lifecycle.info(), pid}]} | {:error, LoadError.t()}
  defp start(candidates, instance, timeout) do
    with {:ok, running} <- each(candidates, [], &init(&1, instance, timeout), instance),
         {:ok, started} <- start_each(running, [], instance, timeout) do
      {:ok, for({%{info: info}, supervisor} <- started, do: {info, supervisor})}
    end
  end

  defp start_each([], started, _instance, _timeout), do: {:ok, Enum.reverse(started)}

  defp start_each([{candidate, supervisor} | rest] = left, started, instance, timeout) do
    case Pipeline.Plugin.Supervisor.start_callback(instance, candidate.manifest.id, timeout) do
      :ok ->
        # A process that crashes from here on runs start/1 again by itself.
        info = note(candidate.info, :run, instance)
        start_each(rest, [{%{candidate | info: info}, supervisor} | started], instance, timeout)

      {:error, reason} ->
        undo(Enum.reverse(started) ++ left, reason, instance)
        {:error, error(candidate, :start, reason)}
    end
  end

  # `:init` while the manager waits for init/1 of a plugin that is known, `:start` until start/1 has run, then `:run`.
  defp note(info, phase, instance) do
    info = Map.put(info, :phase, phase)
    {:ok, _} = Registry.replace(Registry.of(instance), info)
    info
  end

  defp init(candidate, instance, timeout) do
    candidate = Candidate.enter(candidate, :loading, :load, instance)
    candidate = with_what_it_gets(candidate, instance)
    if candidate.known?, do: note(candidate.info, :init, instance)

    with {:ok, supervisor} <- start_process(candidate, instance, timeout),
         {:ok, info} <- register(candidate, supervisor, instance) do
      {:ok, {%{candidate | info: info}, supervisor}}
    else
      {:error, %LoadError{} = error} ->
        give_up(candidate, error.reason, instance)
        {:error, error}
    end
  end

  defp with_what_it_gets(candidate, instance) do
    gets = %{
      config: candidate.config,
      limits: Limits.effective(instance, candidate.limits),
      loaded_at: DateTime.utc_now()
    }

    %{candidate | info: Map.merge(candidate.info, gets)}
  end

  defp start_process(candidate, instance, timeout) do
    opts = [instance: instance, timeout: timeout, limits: candidate.info.limits]

    with {:error, reason} <-
           Pipeline.Plugin.Supervisor.start_plugin(candidate.module, candidate.config, opts) do
      {:error, error(candidate, :init, reason)}
    end
  end

  defp register(%{known?: true} = candidate, _supervisor, instance) do
    {:ok, note(candidate.info, :start, instance)}
  end

  defp register(candidate, supervisor, instance) do
    info = Map.put(candidate.info, :phase, :start)

    case Registry.register(Registry.of(instance), info) do
      {:ok, _} ->
        {:ok, info}

      {:error, reason} ->
        Pipeline.Plugin.Supervisor.stop_plugin(supervisor, instance: instance)
        {:error, error(candidate, :register, reason)}
    end
  end

  # Runs a step for each candidate. What the step has done for the ones before is undone when one fails.
  defp each([], done, _step, _instance), do: {:ok, Enum.reverse(done)}

  defp each([candidate | rest], done, step, instance) do
    case step.(candidate) do
      {:ok, result} ->
        each(rest, [result | done], step, instance)

      {:error, error} ->
        undo(Enum.reverse(done), error.reason, instance)
        {:error, error}
    end
  end

  # In reverse order: a plugin goes before what it depends on.
  defp undo(running, reason, instance) do
    for {candidate, supervisor} <- Enum.reverse(running) do
      Pipeline.Plugin.Supervisor.stop_plugin(supervisor, instance: instance)
      give_up(candidate, reason, instance)
    end
  end

  # One that was known before it was to run stays so.
  defp give_up(candidate, reason, instance) do
    %{info: info, known?: known?} = Candidate.enter(candidate, :failed, reason, instance)
    registry = Registry.of(instance)
    if known?, do: Registry.replace(registry, info), else: Registry.unregister(registry, info.id)
  end

  defp error(candidate, step, reason) do
    %LoadError{plugin: candidate.manifest.id, module: candidate.module, step: step, reason: reason}
  end

  defp only_id([manifest]), do: manifest.id
  defp only_id(_many), do: nil

  defp only_module([candidate]), do: candidate.module
  defp only_module(_many), do: nil
end
