defmodule Pipeline.Plugin.Manager.Launch do
  @moduledoc false
  # Starts the processes of plugins, wave after wave, those of a wave at the same time: first all are initialised and
  # registered, then all run their start/1. When one fails, all are undone: those that are new are no longer registered,
  # those that were known are failed.

  alias Pipeline.Plugin.{Child, Lifecycle, Error, Processes, Registry, Restarts, Wave, Wrapper}
  alias Pipeline.Plugin.Manager.Candidate
  alias Pipeline.Plugin.Resources.Limits

  @doc "The plugins as they are registered, in load order."
  @spec run([Candidate.t()], atom, timeout) :: {:ok, [Lifecycle.info()]} | {:error, Error.t()}
  def run(candidates, instance, timeout) do
    with {:ok, running} <- candidates |> Enum.chunk_by(& &1.wave) |> init_all([], instance, timeout),
         :ok <- running |> Enum.chunk_by(fn {candidate, _pid} -> candidate.wave end) |> start_all(timeout) do
      {:ok, for({candidate, _pid} <- running, do: candidate.info)}
    else
      # What has been initialised is registered.
      {:error, error, running} ->
        stop(running, error.reason, instance, true)
        {:error, error}
    end
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
    outcomes = start_processes(wave, instance, timeout)
    running = for {candidate, {:ok, pid}} <- outcomes, do: {candidate, pid}

    with nil <- failure(outcomes, :init), nil <- register(wave, instance) do
      {:ok, running}
    else
      error ->
        for {candidate, {:error, reason}} <- outcomes, do: give_up(candidate, reason, instance, false)
        stop(running, error.reason, instance, false)
        {:error, error}
    end
  end

  # A manager after this one finds in the registry which of them it has to undo.
  defp note(infos, instance), do: {:ok, _} = Registry.replace_all(Registry.owned(instance), infos)

  defp loading(candidate, instance, at) do
    %{info: info} = candidate = Candidate.enter(candidate, :loading, :load, at)

    gets = %{
      config: candidate.config,
      limits: Limits.effective(instance, candidate.limits),
      loaded_at: at,
      restarts: Restarts.new()
    }

    %{candidate | info: Map.merge(info, gets)}
  end

  # Those that have nothing to initialise are there at once.
  defp start_processes(wave, instance, timeout) do
    {slow, quick} = Enum.split_with(wave, &Child.initialises?(&1.module))
    Lifecycle.announce(Enum.map(quick, & &1.info), instance)
    outcomes = Enum.zip(quick, Processes.start(instance, Enum.map(quick, &child(&1, instance))))

    if slow == [] do
      outcomes
    else
      slow =
        Wave.run(slow, timeout, fn candidate ->
          Lifecycle.announce([candidate.info], instance)
          hd(Processes.start(instance, [child(candidate, instance)]))
        end)

      by_id = Map.new(outcomes ++ slow, fn {candidate, outcome} -> {candidate.info.id, outcome} end)
      for candidate <- wave, do: {candidate, by_id[candidate.info.id]}
    end
  end

  defp child(%Candidate{info: info, module: module}, instance) do
    %Child{
      instance: instance,
      module: module,
      id: info.id,
      config: info.config,
      limits: info.limits,
      restarts: info.restarts,
      starter: self()
    }
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

  # A process that crashes once it has run start/1, where there is one, is started again.
  defp start_wave(wave, timeout) do
    {slow, quick} =
      Enum.split_with(wave, fn {%{module: module}, _pid} -> function_exported?(module, :start, 1) end)

    case Enum.find(quick, fn {%{info: info}, _pid} -> Restarts.arm(info.restarts) == :over end) do
      nil -> slow |> Wave.run(timeout, &begin_start/1) |> failure(:start)
      {candidate, _pid} -> error(candidate, :start, :noproc)
    end
  end

  defp begin_start({_candidate, pid}) do
    Wrapper.start_plugin(pid)
    {:ok, pid}
  end

  # Of several the first in load order.
  defp failure(outcomes, step) do
    Enum.find_value(outcomes, fn
      {{candidate, _pid}, {:error, reason}} -> error(candidate, step, reason)
      {candidate, {:error, reason}} -> error(candidate, step, reason)
      _ -> nil
    end)
  end

  # In reverse order: a plugin goes before what it depends on.
  defp stop(running, reason, instance, registered?) do
    for {%{info: info} = candidate, _pid} <- Enum.reverse(running) do
      Processes.stop(instance, info.id, info.restarts)
      give_up(candidate, reason, instance, registered?)
    end
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
