defmodule Pipeline.Plugin.Manager.Hooks do
  @moduledoc false
  # The hooks of plugins that come and go: what they are, and the chains with and without them.

  require Logger

  alias Pipeline.Native
  alias Pipeline.Hook.{ChainStore, ChainUpdate, Registration, Spec}
  alias Pipeline.Plugin.{Dependents, Error, Registry}
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

  defp prepare_hooks(candidates, current, %State{instance: instance} = state) do
    loaded = State.running(state)
    dependencies = Dependents.graph(Enum.into(candidates, loaded, &{&1.manifest.id, &1.manifest}))
    add = &ChainUpdate.add(&2, current, instance, &1, dependencies, &3)

    with {:ok, prepared} <- entries_of_all(candidates, state) do
      # All at once, so that each chain is put in order and compiled once; one by one to find whose fault it is.
      case add.(Enum.flat_map(prepared, &elem(&1, 1)), %{}, Enum.flat_map(prepared, &elem(&1, 2))) do
        {:ok, changes} -> {:ok, changes}
        {:error, _} -> add_one_by_one(prepared, add)
      end
    end
  end

  defp entries_of_all(candidates, %State{instance: instance, spec: host_spec}) do
    Enum.reduce_while(candidates, {:ok, []}, fn candidate, {:ok, prepared} ->
      own_spec = List.wrap(Map.get(candidate.manifest, :spec))

      with {:ok, entries} <- entries(candidate, instance), :ok <- check_spec(entries, own_spec, host_spec) do
        {:cont, {:ok, [{candidate, entries, own_spec} | prepared]}}
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
    Enum.reduce_while(prepared, {:ok, %{}}, fn {candidate, entries, specs}, {:ok, changes} ->
      case add.(entries, changes, specs) do
        {:ok, changes} -> {:cont, {:ok, changes}}
        {:error, sentence} -> {:halt, {:error, error(candidate, sentence)}}
      end
    end)
  end

  @doc "The chains as they will be with the hooks of a plugin in place of those that it has."
  @spec replace(Candidate.t(), State.t()) :: {:ok, ChainUpdate.t()} | {:error, Error.t()}
  def replace(%{manifest: %{id: id} = manifest} = candidate, %State{instance: instance} = state) do
    dependencies = state |> State.running() |> Map.put(id, manifest) |> Dependents.graph()

    with {:ok, [{_candidate, entries, specs}]} <- entries_of_all([candidate], state),
         {:error, sentence} <- ChainUpdate.replace(instance, id, entries, dependencies, specs) do
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
  defp entries(%{module: module, manifest: %{id: id}, info: %{order: order}}, instance) do
    secrets = fn -> secrets(instance, id) end

    module
    |> declared_hooks()
    |> Enum.with_index(order * @hooks_of_a_plugin)
    |> Enum.reduce_while({:ok, []}, fn {options, registration}, {:ok, entries} ->
      case call(module, options) do
        {:ok, call} ->
          entry = %{Registration.new(options, id, registration, call) | secrets: secrets}
          {:cont, {:ok, [entry | entries]}}

        error ->
          {:halt, error}
      end
    end)
    |> case do
      {:ok, entries} -> {:ok, Enum.reverse(entries)}
      error -> error
    end
  end

  # Those that it has when a hook fails: it can have got another configuration meanwhile.
  defp secrets(instance, id) do
    with %{secrets: secrets} <- Registry.info(Registry.owned(instance), id), do: secrets, else: (_ -> nil)
  rescue
    # The instance has ended.
    ArgumentError -> nil
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
  defp check_spec(entries, own, host) do
    Enum.find_value(entries, :ok, fn %Registration{point: point, kind: kind} ->
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
