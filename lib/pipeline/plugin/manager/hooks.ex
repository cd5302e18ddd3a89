defmodule Pipeline.Plugin.Manager.Hooks do
  @moduledoc false
  # The hooks of plugins that come and go: what they are, and the chains with and without them.

  require Logger

  alias Pipeline.Native
  alias Pipeline.Hook.{ChainStore, ChainUpdate, Definition, Registration, Spec}
  alias Pipeline.Plugin.Config.Reference
  alias Pipeline.Plugin.{Dependents, Error, Handle, Overrides, Registry}
  alias Pipeline.Secrets
  alias Pipeline.Plugin.Manager.{Candidate, Operation, State}

  # More than one can sensibly have; what is above would only mix with the next plugin's.
  @hooks_of_a_plugin 65_536

  @typedoc "Hooks of candidates that are about to start, with the chains as they were to be after so many changes."
  @type prepared :: %{hooks: [hooks], chains: ChainUpdate.t(), changes: non_neg_integer}

  @typedoc "The hooks of a plugin that is to be."
  @type hooks :: {Candidate.t(), [Registration.t()], specs :: [module]}

  @doc """
  Called in a task: checks the hooks of candidates, and has the manager prepare the chains.

  Native hooks are built here, so their configuration is checked.
  """
  @spec prepare([Candidate.t()], Operation.context()) :: :ok | {:error, Error.t()}
  def prepare(candidates, %{reference: reference, spec: spec} = context) do
    if Enum.all?(candidates, &(Overrides.declared(&1.module) == [])) do
      :ok
    else
      with {:ok, hooks} <- registrations_of_all(candidates, spec),
           do: Operation.step(context, &keep_prepared(&1, reference, hooks))
    end
  end

  defp keep_prepared(state, reference, hooks) do
    case add(hooks, standing(state), state) do
      {:ok, chains} ->
        prepared = %{hooks: hooks, chains: chains, changes: state.changes}
        {:ok, put_in(state.prepared[reference], prepared)}

      error ->
        {error, state}
    end
  end

  @doc "The chains as they would be with the candidates' hooks, given those that stand."
  @spec chains([Candidate.t()], ChainUpdate.current(), State.t()) ::
          {:ok, ChainUpdate.t()} | {:error, Error.t()}
  def chains(candidates, current, state) do
    with {:ok, hooks} <- registrations_of_all(candidates, state.spec), do: add(hooks, current, state)
  end

  @doc "The chains with the hooks that an operation has prepared."
  @spec changes(State.t(), reference) :: {:ok, ChainUpdate.t()} | {:error, Error.t()}
  def changes(%State{prepared: prepared, changes: now} = state, reference) do
    case prepared do
      %{^reference => %{chains: chains, changes: ^now}} -> {:ok, chains}
      %{^reference => %{hooks: hooks}} -> add(hooks, standing(state), state)
      %{} -> {:ok, %{}}
    end
  end

  defp standing(%State{instance: instance}), do: &ChainStore.chain(instance, &1)

  # All at once, so that each chain is put in order and compiled once; one by one to find whose fault it is.
  defp add(hooks, current, %State{instance: instance} = state) do
    manifests = for {%{manifest: manifest}, _, _} <- hooks, into: %{}, do: {manifest.id, manifest}
    dependencies = state |> State.running() |> Map.merge(manifests) |> Dependents.graph()
    add = &ChainUpdate.add(&2, current, instance, &1, dependencies, &3)

    case add.(Enum.flat_map(hooks, &elem(&1, 1)), %{}, Enum.flat_map(hooks, &elem(&1, 2))) do
      {:ok, changes} -> {:ok, changes}
      {:error, _} -> add_one_by_one(hooks, add)
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

  @doc "Called in a task: the hooks of a plugin that comes in place of another."
  @spec of(Candidate.t(), module | nil) :: {:ok, hooks} | {:error, Error.t()}
  def of(candidate, spec) do
    with {:ok, [hooks]} <- registrations_of_all([candidate], spec), do: {:ok, hooks}
  end

  @doc "The chains as they will be with the hooks of plugins in place of those that they have."
  @spec replace([hooks], State.t()) :: {:ok, ChainUpdate.t()} | {:error, Error.t()}
  def replace([{candidate, _registrations, _specs} | _] = hooks, state) do
    manifests = for {%{manifest: %{id: id} = manifest}, _, _} <- hooks, into: %{}, do: {id, manifest}
    registrations = for {_, registrations, _} <- hooks, registration <- registrations, do: registration
    specs = for {_, _, specs} <- hooks, spec <- specs, uniq: true, do: spec
    dependencies = state |> State.running() |> Map.merge(manifests) |> Dependents.graph()

    with {:error, sentence} <-
           ChainUpdate.replace(state.instance, Map.keys(manifests), registrations, dependencies, specs),
         do: {:error, error(candidate, sentence)}
  end

  @doc """
  The chains with hooks that were taken out before, `before` being the chains from then.

  Where they contradict what has come since, the constraints on that point are given up.
  """
  @spec put_back(ChainUpdate.t(), [Pipeline.Plugin.plugin_id()], State.t()) :: ChainUpdate.t()
  def put_back(before, ids, %State{instance: instance} = state) do
    dependencies = state |> State.running() |> Map.merge(Map.take(state.plugins, ids)) |> Dependents.graph()
    {changes, given_up} = ChainUpdate.put_back(standing(state), instance, before, ids, dependencies)
    tell_given_up(given_up, "with the hooks of #{inspect(ids)} back")
    changes
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

    tell_given_up(given_up, "without #{inspect(Map.keys(leaving))}")
    {before, changes}
  end

  defp tell_given_up(given_up, when_) do
    for sentence <- given_up,
        do: Logger.error("#{when_} the constraints of hooks cannot hold and are given up: #{sentence}")
  end

  # A plugin keeps its place among others when it comes back, or as another version.
  defp registrations(%{module: module, manifest: %{id: id} = manifest, config: config, info: info}) do
    # The chain adds the instance.
    handle = %Handle{id: id, instance: nil, config: config}

    with {:ok, definitions} <- defined(module, info),
         do: collect(definitions, &registration(&1, module, manifest, config, handle, id))
  end

  defp registration({options, sequence}, module, manifest, config, handle, id) do
    with {:ok, call} <- call(module, options, config) do
      handle = if takes_handle?(call, options.kind) or Reference.any?(options.config), do: handle
      registration = Registration.new(with_condition(options, module), id, sequence, call, handle)
      {:ok, %{registration | version: manifest.version, secrets: &__MODULE__.secrets/2}}
    end
  end

  # The hooks that a plugin is to have, by what it and an operator say. An override of a point that it has no longer waits
  # for a version that has it.
  defp defined(module, info) do
    overrides = Map.get(info, :overrides, %{})

    with {:ok, defined} <-
           collect(numbered(module, info), fn {definition, sequence} ->
             with {:ok, overridden} <-
                    Definition.override(definition, Map.get(overrides, definition.point, %{})),
                  do: {:ok, {overridden, sequence}}
           end),
         do: {:ok, Enum.filter(defined, &elem(&1, 0))}
  end

  @doc "The hooks of a plugin that runs, on one point, by what is noted of it; those that stand keep their counters."
  @spec overridden(map, atom, [Registration.t()]) :: {:ok, [Registration.t()]} | {:error, String.t()}
  def overridden(%{id: id, module: module, config: config} = info, point, standing) do
    handle = %Handle{id: id, instance: nil, config: config}

    with {:ok, defined} <- defined(module, info) do
      collect(for({%{point: ^point}, _} = one <- defined, do: one), fn {definition, sequence} = one ->
        case Enum.find(standing, &(&1.sequence == sequence)) do
          nil ->
            registration(one, module, info, config, handle, id)

          %{call: %Native.Hook{cost: cost}} when cost in [:light, :heavy] and definition.timeout != nil ->
            {:error, Native.Hook.no_timeout(cost)}

          hook ->
            {:ok, Registration.redefine(hook, definition)}
        end
      end)
    end
  end

  defp numbered(module, %{order: order}),
    do: module |> Overrides.declared() |> Enum.with_index(order * @hooks_of_a_plugin)

  # The values that a function returns for the elements of a list, or its first error.
  defp collect(list, fun) do
    Enum.reduce_while(list, {:ok, []}, fn element, {:ok, collected} ->
      case fun.(element) do
        {:ok, value} -> {:cont, {:ok, [value | collected]}}
        {:error, sentence} -> {:halt, {:error, sentence}}
      end
    end)
    |> case do
      {:ok, collected} -> {:ok, Enum.reverse(collected)}
      error -> error
    end
  end

  defp takes_handle?(call, kind), do: is_function(call, Definition.arity(kind) + 1)

  defp with_condition(%{when: name} = options, module) when is_atom(name) and name != nil,
    do: %{options | when: Function.capture(module, name, 1)}

  defp with_condition(options, _module), do: options
  @doc false
  # Those that it has when a hook fails: it can have got another configuration meanwhile.
  @spec secrets(term, Pipeline.Plugin.plugin_id()) :: Pipeline.Secrets.t() | nil
  def secrets(instance, id) do
    with %{secrets: secrets} <- Registry.info(Registry.owned(instance), id), do: secrets, else: (_ -> nil)
  rescue
    # The instance has ended.
    ArgumentError -> nil
  end

  defp call(_module, %{native: {_library, name}} = options, config) do
    case Reference.resolve(options.config, config) do
      {:ok, resolved} -> Native.Hook.configure(%{options | config: resolved})
      {:error, sentence} -> {:error, "the config of the native hook #{inspect(name)} is wrong: #{sentence}"}
    end
  end

  defp call(module, %{fun: fun, kind: kind, point: point}, _config) do
    [arity | _] = arities = Definition.arities(kind)

    case Enum.find(arities, &function_exported?(module, fun, &1)) do
      nil ->
        {:error,
         "the #{inspect(kind)} hook on #{inspect(point)} is #{fun}/#{arity}, which #{inspect(module)} does not define"}

      found ->
        {:ok, Function.capture(module, fun, found)}
    end
  end

  @doc "The native hooks of a plugin that refer to its configuration, made for another one: by their sequence number."
  @spec native(map, config :: map) :: {:ok, %{non_neg_integer => Native.Hook.t()}} | {:error, reason :: term}
  def native(%{module: module} = info, config) do
    referring =
      for {options, sequence} <- numbered(module, info),
          Reference.any?(options.config),
          do: {options, sequence}

    result =
      collect(referring, fn {options, sequence} ->
        with {:ok, call} <- call(module, options, config), do: {:ok, {sequence, call}}
      end)

    case result do
      {:ok, calls} -> {:ok, Map.new(calls)}
      {:error, sentence} -> {:error, {:invalid_hook, sentence}}
    end
  end

  @doc "The chains of plugins whose configuration was changed by a manager that was killed before it published them."
  @spec refresh(State.t()) :: ChainUpdate.t()
  def refresh(%State{instance: instance} = state) do
    configs = for {id, info} <- State.running(state), into: %{}, do: {id, info.config}

    stale =
      for point <- ChainStore.points(instance),
          %{handle: %{id: id, config: config}} <- ChainStore.chain(instance, point).registrations,
          Map.get(configs, id, config) != config,
          uniq: true,
          do: id

    # A plugin took its configuration after its native hooks had.
    native =
      for id <- stale, {:ok, native} <- [native(state.plugins[id], configs[id])], into: %{}, do: {id, native}

    reconfigure(for(id <- stale, do: {state.plugins[id], Map.get(native, id, %{})}), instance)
  end

  @doc """
  The chains with the hooks of plugins made for the configuration that they have now.

  Hooks keep their counters and circuits.
  """
  @spec reconfigure([{map, %{non_neg_integer => Native.Hook.t()}}], instance :: term) :: ChainUpdate.t()
  def reconfigure(plugins, instance) do
    new =
      for {%{id: id, config: config}, native} <- plugins, into: %{} do
        {id, {%Handle{id: id, instance: instance, config: config}, native}}
      end

    ChainUpdate.map(instance, fn %Registration{plugin: id, sequence: sequence} = hook ->
      case new do
        %{^id => {handle, native}} ->
          %{hook | handle: hook.handle && handle, call: Map.get(native, sequence, hook.call)}

        %{} ->
          hook
      end
    end)
  end

  # The plugin's own spec binds it in everything; the host's too, unless it is open, where it declares the point.
  defp check_spec(registrations, own, host) do
    Enum.find_value(registrations, :ok, fn %Registration{point: point, kind: kind} ->
      specs = own ++ if(host && (Spec.mode(host, point) || not Spec.open?(host)), do: [host], else: [])
      Enum.find_value(specs, &sentence(Spec.check(&1, point, kind)))
    end)
  end

  defp sentence(:ok), do: nil
  defp sentence(error), do: error

  # The configuration of a native hook can have a value of the plugin's in it.
  defp error(%{manifest: manifest, module: module, secrets: secrets}, sentence) do
    reason = {:invalid_hook, Secrets.conceal(sentence, secrets)}
    %Error{plugin: manifest.id, module: module, step: :hooks, reason: reason}
  end
end
