defmodule Pipeline.Plugin.Manager.Launch do
  @moduledoc false
  # Starts the processes of plugins, wave after wave, those of a wave at the same time: first all are initialised and
  # registered, then all run their start/1. When one fails, all are undone: those that are new are no longer registered,
  # those that were known are failed.

  alias Pipeline.Plugin.{Lifecycle, Error, Registry, StartPhase, Tree, Wave, Wrapper}
  alias Pipeline.Plugin.Manager.Candidate
  alias Pipeline.Plugin.Resources.Limits

  @doc "The plugins with what is registered of them, in load order."
  @spec run([Candidate.t()], atom, timeout) :: {:ok, [Candidate.t()]} | {:error, Error.t()}
  def run(candidates, instance, timeout) do
    with {:ok, running} <- candidates |> Enum.chunk_by(& &1.wave) |> init_all([], instance, timeout),
         :ok <- running |> Enum.chunk_by(fn {candidate, _pid} -> candidate.wave end) |> start_all(timeout) do
      {:ok, for({candidate, _pid} <- running, do: candidate)}
    else
      # What has been initialised is registered.
      {:error, error, running} ->
        undo(for({candidate, _pid} <- running, do: candidate), error, instance)
        {:error, error}
    end
  end

  @doc "Undoes the start of plugins that are registered."
  @spec undo([Candidate.t()], Error.t(), atom) :: :ok
  def undo(candidates, error, instance) do
    do_undo(for(candidate <- candidates, do: {candidate, error.reason}), instance, true)
  end

  # `done` is in reverse order, as it would have to be undone.
  defp init_all([], done, _instance, _timeout), do: {:ok, Enum.reverse(done)}

  defp init_all([wave | waves], done, instance, timeout) do
    case init(wave, instance, timeout) do
      {:ok, running} -> init_all(waves, Enum.reverse(running, done), instance, timeout)
      {:error, error} -> {:error, error, Enum.reverse(done)}
    end
  end

  defp init(wave, instance, timeout) do
    at = Lifecycle.now()
    wave = for candidate <- wave, do: loading(candidate, instance, at)
    note(for(%{known?: true, info: info} <- wave, do: info), instance)
    outcomes = wave |> open(instance, timeout) |> Wave.run(:init, timeout, &fill(&1, instance))

    with nil <- failure(wave, outcomes), nil <- register(wave, instance) do
      {:ok, for({candidate, {:ok, pid}} <- Enum.zip(wave, outcomes), do: {candidate, pid})}
    else
      error ->
        wave
        |> Enum.zip(outcomes)
        |> Enum.map(fn {candidate, outcome} -> {candidate, reason(outcome, error)} end)
        |> do_undo(instance, false)

        {:error, error}
    end
  end

  # All trees, empty. A manager after this one finds them all: it ends this task before it looks.
  defp open(wave, instance, timeout) do
    for %{info: info} = candidate <- wave do
      tree = Tree.new(info, instance, timeout)
      {candidate, tree, Tree.open(tree)}
    end
  end

  defp fill({candidate, tree, {:ok, pid}}, instance) do
    Lifecycle.announce([candidate.info], instance)
    Tree.fill(tree, pid)
  end

  defp fill({_candidate, _tree, error}, _instance), do: error

  # A manager after this one finds in the registry which of them it has to undo.
  defp note(infos, instance), do: {:ok, _} = Registry.replace_all(Registry.owned(instance), infos)

  defp loading(candidate, instance, at) do
    %{info: info} = candidate = Candidate.enter(candidate, :loading, :load, at)

    gets = %{
      config: candidate.config,
      secrets: candidate.secrets,
      limits: Limits.effective(instance, candidate.limits),
      loaded_at: at,
      phase: StartPhase.new()
    }

    %{candidate | info: Map.merge(info, gets)}
  end

  defp register(wave, instance) do
    new = for %{known?: false, info: info} <- wave, do: info

    with {:error, {:duplicate_id, id} = reason} <- Registry.register_all(Registry.owned(instance), new) do
      wave |> Enum.find(&(&1.info.id == id)) |> error(:register, reason)
    else
      {:ok, _registry} -> nil
    end
  end

  defp start_all(waves, timeout) do
    running = Enum.concat(waves)

    Enum.find_value(waves, :ok, fn wave ->
      with %Error{} = error <- start_wave(wave, timeout), do: {:error, error, running}
    end)
  end

  # The time is the plugin's: it is ended when it takes longer.
  defp start_wave(wave, timeout) do
    outcomes = Wave.run(wave, :start, :infinity, &start(&1, timeout))
    failure(for({candidate, _pid} <- wave, do: candidate), outcomes)
  end

  defp start({_candidate, pid}, timeout) do
    case Wrapper.start_plugin(pid, timeout) do
      :ok -> {:ok, pid}
      {:error, reason} -> {:error, {:start, reason}}
    end
  end

  # Of several the first in load order.
  defp failure(candidates, outcomes) do
    candidates
    |> Enum.zip(outcomes)
    |> Enum.find_value(fn
      {candidate, {:error, {step, reason}}} -> error(candidate, step, reason)
      _ -> nil
    end)
  end

  defp reason({:error, {_step, reason}}, _error), do: reason
  defp reason({:ok, _pid}, error), do: error.reason
  defp reason(:not_begun, _error), do: :not_begun

  # In reverse order: a plugin goes before what it depends on.
  defp do_undo(failed, instance, registered?) do
    for {%{info: info} = candidate, reason} <- Enum.reverse(failed) do
      # A tree of somebody else's, for which there was none, stays.
      if match?({_pid, phase} when phase == info.phase, Tree.find(instance, info.id)),
        do: Tree.stop(instance, info.id)

      if reason != :not_begun, do: give_up(candidate, reason, instance, registered?)
    end

    :ok
  end

  # One that was known before it was to run stays so.
  defp give_up(candidate, reason, instance, registered?) do
    %{info: info, known?: known?} = Candidate.enter(candidate, :failed, reason, Lifecycle.now())
    Lifecycle.announce([info], instance)

    cond do
      known? -> note([info], instance)
      registered? -> {:ok, _} = Registry.unregister(Registry.owned(instance), info.id)
      true -> :ok
    end
  end

  defp error(candidate, step, reason) do
    %Error{plugin: candidate.manifest.id, module: candidate.module, step: step, reason: reason}
  end
end
