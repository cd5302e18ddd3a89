defmodule Pipeline.Plugin.Manager.Load do
  @moduledoc false
  # The steps of loading, each of which leaves nothing behind when it fails.

  require Logger

  alias Pipeline.Core
  alias Pipeline.Hook.{Entry, Spec, Table}
  alias Pipeline.Plugin.{Dependents, Loader, LoadError, Registry}
  alias Pipeline.Plugin.Manager.Candidate
  alias Pipeline.Plugin.Resources.Limits

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

  @doc "The chains as they will be with the candidates' hooks. Native hooks are built here, so their config is checked."
  @spec hooks([Candidate.t()], Table.current(), map) :: {:ok, Table.changes()} | {:error, LoadError.t()}
  def hooks(candidates, current, %{instance: instance, plugins: loaded, spec: spec}) do
    dependencies = Dependents.graph(Enum.into(candidates, loaded, &{&1.manifest.id, &1.manifest}))
    add = &Table.add(&2, current, instance, &1, dependencies, &3)

    with {:ok, prepared} <- prepare(candidates, spec) do
      # All at once, so that each chain is put in order and compiled once; one by one to find whose fault it is.
      case add.(Enum.flat_map(prepared, &elem(&1, 1)), %{}, Enum.flat_map(prepared, &elem(&1, 2))) do
        {:ok, changes} -> {:ok, changes}
        {:error, _} -> add_one_by_one(prepared, add)
      end
    end
  end

  defp prepare(candidates, host_spec) do
    Enum.reduce_while(candidates, {:ok, []}, fn candidate, {:ok, prepared} ->
      own_spec = List.wrap(Map.get(candidate.manifest, :spec))

      with {:ok, entries} <- entries(candidate), :ok <- check_spec(entries, own_spec, host_spec) do
        {:cont, {:ok, [{candidate, entries, own_spec} | prepared]}}
      else
        {:error, sentence} -> {:halt, {:error, error(candidate, :hooks, {:invalid_hook, sentence})}}
      end
    end)
    |> case do
      {:ok, prepared} -> {:ok, Enum.reverse(prepared)}
      error -> error
    end
  end

  defp add_one_by_one(prepared, add) do
    Enum.reduce_while(prepared, {:ok, %{}}, fn {candidate, entries, specs}, {:ok, changes} ->
      case add.(entries, changes, specs) do
        {:ok, changes} -> {:cont, {:ok, changes}}
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

  @doc "Takes the hooks of plugins out, in one step."
  @spec remove_hooks(Dependents.plugins(), map, atom) :: :ok
  def remove_hooks(leaving, dependencies, instance) do
    # By what stands in the chains, whatever the manifests say.
    {changes, given_up} =
      Table.remove(
        &Table.chain(instance, &1),
        instance,
        Table.points(instance),
        Map.keys(leaving),
        dependencies
      )

    Table.publish(instance, changes)

    for sentence <- given_up do
      Logger.error(
        "without #{inspect(Map.keys(leaving))} the constraints of hooks cannot hold and are given up: #{sentence}"
      )
    end

    :ok
  end

  @doc "Notes in the registry how far plugins have come, in one step, for readers and for a manager after this one."
  @spec mark([Pipeline.Plugin.plugin_id()], atom, atom) :: :ok
  def mark(ids, state, instance) do
    registry = Registry.of(instance)

    {:ok, _} =
      Registry.replace_all(registry, for(id <- ids, do: %{Registry.get(registry, id) | state: state}))

    :ok
  end

  defp init(%{manifest: manifest} = candidate, instance, timeout) do
    limits = Limits.effective(instance, candidate.limits)

    case Pipeline.Plugin.Supervisor.start_plugin(candidate.module, candidate.config,
           instance: instance,
           timeout: timeout,
           limits: limits
         ) do
      {:ok, supervisor} ->
        info =
          Map.merge(manifest, %{
            module: candidate.module,
            config: candidate.config,
            limits: limits,
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
        mark([candidate.manifest.id], :starting, instance)
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
      specs = own ++ if(host && Spec.mode(host, point), do: [host], else: [])
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
