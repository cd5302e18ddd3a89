defmodule Pipeline.Plugin.Manager.Hooks do
  @moduledoc false
  # The hooks of plugins that come and go: what they are, and the chains with and without them.

  require Logger

  alias Pipeline.Native
  alias Pipeline.Hook.{ChainStore, ChainUpdate, Registration, Spec}
  alias Pipeline.Plugin.{Dependents, Error}
  alias Pipeline.Plugin.Manager.{Candidate, State}

  # More than one can sensibly have; what is above would only mix with the next plugin's.
  @hooks_of_a_plugin 65_536

  @doc "The chains as they will be with the candidates' hooks. Native hooks are built here, so their config is checked."
  @spec prepare([Candidate.t()], ChainUpdate.current(), State.t()) ::
          {:ok, ChainUpdate.t()} | {:error, Error.t()}
  def prepare(candidates, current, state) do
    if Enum.all?(candidates, &(declared_hooks(&1.module) == [])),
      do: {:ok, %{}},
      else: prepare_hooks(candidates, current, state)
  end

  defp prepare_hooks(candidates, current, %State{instance: instance, spec: spec} = state) do
    loaded = State.running(state)
    dependencies = Dependents.graph(Enum.into(candidates, loaded, &{&1.manifest.id, &1.manifest}))
    add = &ChainUpdate.add(&2, current, instance, &1, dependencies, &3)

    with {:ok, prepared} <- registrations_of_all(candidates, spec) do
      # All at once, so that each chain is put in order and compiled once; one by one to find whose fault it is.
      case add.(Enum.flat_map(prepared, &elem(&1, 1)), %{}, Enum.flat_map(prepared, &elem(&1, 2))) do
        {:ok, changes} -> {:ok, changes}
        {:error, _} -> add_one_by_one(prepared, add)
      end
    end
  end

  defp registrations_of_all(candidates, host_spec) do
    Enum.reduce_while(candidates, {:ok, []}, fn candidate, {:ok, prepared} ->
      own_spec = List.wrap(Map.get(candidate.manifest, :spec))

      with {:ok, registrations} <- registrations(candidate),
           :ok <- check_spec(registrations, own_spec, host_spec) do
        {:cont, {:ok, [{candidate, registrations, own_spec} | prepared]}}
      else
        {:error, sentence} -> {:halt, {:error, error(candidate, sentence)}}
      end
    end)
    |> case do
      {:ok, prepared} -> {:ok, Enum.reverse(prepared)}
      error -> error
    end
  end

  defp add_one_by_one(prepared, add) do
    Enum.reduce_while(prepared, {:ok, %{}}, fn {candidate, registrations, specs}, {:ok, changes} ->
      case add.(registrations, changes, specs) do
        {:ok, changes} -> {:cont, {:ok, changes}}
        {:error, sentence} -> {:halt, {:error, error(candidate, sentence)}}
      end
    end)
  end

  @doc "The chains as they will be with the hooks of a plugin in place of those that it has."
  @spec replace(Candidate.t(), State.t()) :: {:ok, ChainUpdate.t()} | {:error, Error.t()}
  def replace(%{manifest: %{id: id} = manifest} = candidate, %State{instance: instance} = state) do
    dependencies = state |> State.running() |> Map.put(id, manifest) |> Dependents.graph()

    with {:ok, [{_candidate, registrations, specs}]} <- registrations_of_all([candidate], state.spec),
         {:error, sentence} <- ChainUpdate.replace(instance, id, registrations, dependencies, specs) do
      {:error, error(candidate, sentence)}
    end
  end

  @doc "The chains as they are and as they will be without the hooks of plugins."
  @spec remove(Dependents.plugins(), map, atom) :: {before :: ChainUpdate.t(), ChainUpdate.t()}
  def remove(leaving, dependencies, instance) do
    # By what stands in the chains, whatever the manifests say.
    {changes, given_up} =
      ChainUpdate.remove(
        &ChainStore.chain(instance, &1),
        instance,
        ChainStore.points(instance),
        Map.keys(leaving),
        dependencies
      )

    before = Map.new(changes, fn {point, _chain} -> {point, ChainStore.chain(instance, point)} end)

    for sentence <- given_up do
      Logger.error(
        "without #{inspect(Map.keys(leaving))} the constraints of hooks cannot hold and are given up: #{sentence}"
      )
    end

    {before, changes}
  end

  # A plugin keeps its place among others when it comes back, or as another version.
  defp registrations(%{module: module, manifest: manifest, info: %{order: order}}) do
    module
    |> declared_hooks()
    |> Enum.with_index(order * @hooks_of_a_plugin)
    |> Enum.reduce_while({:ok, []}, fn {options, sequence}, {:ok, registrations} ->
      case call(module, options) do
        {:ok, call} ->
          {:cont, {:ok, [Registration.new(options, manifest.id, sequence, call) | registrations]}}

        error ->
          {:halt, error}
      end
    end)
    |> case do
      {:ok, registrations} -> {:ok, Enum.reverse(registrations)}
      error -> error
    end
  end

  defp declared_hooks(module) do
    if function_exported?(module, :__hooks__, 0), do: module.__hooks__(), else: []
  end

  defp call(_module, %{native: {_library, _name}} = options), do: Native.Hook.configure(options)

  defp call(module, %{fun: fun, kind: kind, point: point}) do
    arity = Pipeline.Hook.Definition.arity(kind)

    if function_exported?(module, fun, arity) do
      {:ok, Function.capture(module, fun, arity)}
    else
      {:error,
       "the #{inspect(kind)} hook on #{inspect(point)} is #{fun}/#{arity}, which #{inspect(module)} does not define"}
    end
  end

  # The plugin's own spec binds it in everything; the host's where it declares the point.
  defp check_spec(registrations, own, host) do
    Enum.find_value(registrations, :ok, fn %Registration{point: point, kind: kind} ->
      specs = own ++ if(host && Spec.mode(host, point), do: [host], else: [])
      Enum.find_value(specs, &sentence(Spec.check(&1, point, kind)))
    end)
  end

  defp sentence(:ok), do: nil
  defp sentence(error), do: error

  defp error(%{manifest: manifest, module: module}, sentence) do
    %Error{plugin: manifest.id, module: module, step: :hooks, reason: {:invalid_hook, sentence}}
  end
end
