defmodule Pipeline.Plugin.Manager.Load do
  @moduledoc false
  # The steps of loading, each of which leaves nothing behind when it fails.

  alias Pipeline.Core
  alias Pipeline.Hook.{Entry, Spec, Table}
  alias Pipeline.Plugin.{Dependents, Loader, LoadError, Registry}
  alias Pipeline.Plugin.Manager.Candidate

  @doc "The candidates in load order."
  @spec resolve([Candidate.t()], map) :: {:ok, [Candidate.t()]} | {:error, LoadError.t()}
  def resolve(candidates, loaded) do
    manifests = Enum.map(candidates, & &1.manifest)

    case Loader.load_order(manifests, loaded: Map.values(loaded)) do
      {:ok, waves} ->
        by_id = Map.new(candidates, &{&1.manifest.id, &1})
        {:ok, for(wave <- waves, id <- wave, do: by_id[id])}

      {:error, error} ->
        {:error, %{LoadError.resolution(error) | plugin: only_id(manifests), module: only_module(candidates)}}
    end
  end

  @doc "The table as it will be with the candidates' hooks. Native hooks are built here, so their config is checked."
  @spec hooks([Candidate.t()], map) :: {:ok, Table.t()} | {:error, LoadError.t()}
  def hooks(candidates, %{instance: instance, plugins: loaded, spec: spec}) do
    dependencies = Dependents.graph(Enum.into(candidates, loaded, &{&1.manifest.id, &1.manifest}))

    Enum.reduce_while(candidates, {:ok, Table.fetch!(instance)}, fn candidate, {:ok, table} ->
      own_spec = Map.get(candidate.manifest, :spec)

      with {:ok, entries} <- entries(candidate),
           :ok <- check_spec(entries, own_spec, spec),
           {:ok, table} <- Table.add(table, instance, entries, dependencies, List.wrap(own_spec)) do
        {:cont, {:ok, table}}
      else
        {:error, sentence} -> {:halt, {:error, error(candidate, :hooks, {:invalid_hook, sentence})}}
      end
    end)
  end

  @doc "Starts the processes in order, registers the plugins, and runs their start/1 once all are there."
  @spec start([Candidate.t()], atom, timeout) :: {:ok, [pid]} | {:error, LoadError.t()}
  def start(candidates, instance, timeout) do
    with {:ok, running} <- each(candidates, [], &init(&1, instance, timeout), instance),
         {:ok, _} <- each(candidates, [], &run_start(&1, instance, timeout, running), instance) do
      {:ok, for({_candidate, supervisor} <- running, do: supervisor)}
    end
  end

  @spec mark_started([Candidate.t()], atom) :: :ok
  def mark_started(candidates, instance) do
    registry = Registry.of(instance)

    for %{manifest: %{id: id}} <- candidates do
      {:ok, _} = Registry.replace(registry, Map.put(Registry.get(registry, id), :state, :started))
    end

    :ok
  end

  @doc "Finds the running plugin of a registry entry, or starts it again."
  @spec recover(map, atom) :: {:ok, pid} | :failed | {:error, term}
  def recover(%{state: :failed}, _instance), do: :failed

  def recover(%{module: module, id: id, config: config}, instance) do
    Pipeline.Plugin.Supervisor.ensure_plugin(module, id, config, instance)
  end

  defp init(%{manifest: manifest} = candidate, instance, timeout) do
    case Pipeline.Plugin.Supervisor.start_plugin(candidate.module, candidate.config,
           instance: instance,
           timeout: timeout
         ) do
      {:ok, supervisor} ->
        info =
          Map.merge(manifest, %{
            module: candidate.module,
            config: candidate.config,
            state: :loading,
            loaded_at: DateTime.utc_now()
          })

        case Registry.register(Registry.of(instance), info) do
          {:ok, _} ->
            {:ok, supervisor}

          {:error, reason} ->
            Pipeline.Plugin.Supervisor.stop_plugin(supervisor, instance: instance)
            {:error, error(candidate, :register, reason)}
        end

      {:error, reason} ->
        {:error, error(candidate, :init, reason)}
    end
  end

  defp run_start(candidate, instance, timeout, running) do
    case Pipeline.Plugin.Supervisor.start_callback(instance, candidate.manifest.id, timeout) do
      :ok ->
        {:ok, :started}

      {:error, reason} ->
        undo(running, instance)
        {:error, error(candidate, :start, reason)}
    end
  end

  # Runs a step for each candidate. What the step has done for the ones before is undone when one fails.
  defp each([], done, _step, _instance), do: {:ok, Enum.reverse(done)}

  defp each([candidate | rest], done, step, instance) do
    case step.(candidate) do
      {:ok, result} ->
        each(rest, [{candidate, result} | done], step, instance)

      {:error, error} ->
        undo(Enum.reverse(done), instance)
        {:error, error}
    end
  end

  # In reverse order: a plugin goes before what it depends on.
  defp undo(running, instance) do
    for {%{manifest: %{id: id}}, supervisor} <- Enum.reverse(running), is_pid(supervisor) do
      Pipeline.Plugin.Supervisor.stop_plugin(supervisor, instance: instance)
      Registry.unregister(Registry.of(instance), id)
    end
  end

  defp entries(%{module: module, manifest: manifest}) do
    module
    |> declared_hooks()
    |> Enum.reduce_while({:ok, []}, fn options, {:ok, entries} ->
      case call(module, options) do
        {:ok, call} ->
          registration = System.unique_integer([:monotonic, :positive])
          {:cont, {:ok, [Entry.new(options, manifest.id, registration, call) | entries]}}

        error ->
          {:halt, error}
      end
    end)
    |> case do
      {:ok, entries} -> {:ok, Enum.reverse(entries)}
      error -> error
    end
  end

  defp declared_hooks(module) do
    if function_exported?(module, :__hooks__, 0), do: module.__hooks__(), else: []
  end

  defp call(_module, %{native: {_library, _name}} = options), do: Core.native_call(options)

  defp call(module, %{fun: fun, kind: kind, point: point}) do
    arity = Pipeline.Hook.Options.arity(kind)

    if function_exported?(module, fun, arity) do
      {:ok, {:elixir, Function.capture(module, fun, arity)}}
    else
      {:error,
       "the #{inspect(kind)} hook on #{inspect(point)} is #{fun}/#{arity}, which #{inspect(module)} does not define"}
    end
  end

  # The plugin's own spec binds it in everything; the host's where it declares the point.
  defp check_spec(entries, own, host) do
    Enum.find_value(entries, :ok, fn %Entry{point: point, kind: kind} ->
      specs = List.wrap(own) ++ if(host && Spec.mode(host, point), do: [host], else: [])
      Enum.find_value(specs, &sentence(Spec.check(&1, point, kind)))
    end)
  end

  defp sentence(:ok), do: nil
  defp sentence(error), do: error

  defp error(candidate, step, reason) do
    %LoadError{plugin: candidate.manifest.id, module: candidate.module, step: step, reason: reason}
  end

  defp only_id([manifest]), do: manifest.id
  defp only_id(_many), do: nil

  defp only_module([candidate]), do: candidate.module
  defp only_module(_many), do: nil
end
