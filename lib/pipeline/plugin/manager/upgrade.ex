defmodule Pipeline.Plugin.Manager.Upgrade do
  @moduledoc false
  # A plugin that runs becomes another version of itself: code, state, hooks and manifest, or none of them.

  alias Pipeline.Hook.{Chain, ChainStore}
  alias Pipeline.Plugin
  alias Pipeline.Plugin.{Config, Events, Lifecycle, Error, Loader, Log, Wrapper}
  alias Pipeline.Instance.Names
  alias Pipeline.Plugin.Manager.{Candidate, CodeUsers, Failure, Hooks, Load, Operation, State, Stored}
  alias Pipeline.Plugin.Manager.Upgrade.Code, as: NewCode
  alias Pipeline.Plugin.Manager.UpgradeGuard
  alias Pipeline.Plugin.Resources.Limits

  @typedoc "A module, the path of a BEAM file, or what stands in one."
  @type target :: module | binary

  @doc "Upgrades a plugin that runs. The answer has its version."
  @spec operation(Plugin.plugin_id(), target, map, caller :: pid) :: Operation.t()
  def operation(id, target, opts, caller) do
    opts = Map.put(opts, :caller, caller)

    fn state ->
      {locks(id, state), &begin_operation(&1, id, target, opts)}
    end
  end

  # Of two upgrades of plugins that share a point, one closes it after the other.
  defp locks(id, state) do
    case state.plugins do
      %{^id => info} ->
        {[_id], reads} = Load.needs([info], state)
        {[id | for(point <- points(id, state.instance), do: {:point, point})], reads}

      _ ->
        {[id], []}
    end
  end

  defp begin_operation(state, id, target, opts) do
    with :ok <- Failure.check_runs(id, state), :ok <- Failure.check_caller(opts.caller, id, state) do
      {:run, task(state.plugins[id], target, opts), state}
    else
      error -> {:done, {error, []}, state}
    end
  end

  defp task(old, target, opts), do: &run(&1, old, target, opts)

  defp run(context, old, target, opts) do
    with {:ok, code} <- NewCode.read(target, old.module, opts.rollback),
         :ok <- check_id(code, old),
         :ok <- check_alone(code, old, context.instance) do
      keeper = UpgradeGuard.start(context.instance)
      outcome = kept(context, old, code, keeper, opts)
      UpgradeGuard.release(keeper)
      outcome
    else
      {:error, reason} -> {{:error, reason}, []}
    end
  end

  defp kept(context, %{id: id} = old, code, keeper, opts) do
    case begin(context, id, keeper) do
      {:ok, upgrade} ->
        # From here until it is taken away again, whoever comes upon an end of this task goes back.
        note = %{keeper: keeper, way_back: NewCode.way_back(code)}

        :ok =
          Operation.step(context, &{:ok, State.note(&1, [id], fn info -> Map.put(info, :upgrade, note) end)})

        context |> change(old, code, keeper, upgrade, opts) |> finish(context, old, keeper, upgrade)

      {:error, reason} ->
        {{:error, reason}, []}
    end
  end

  defp finish({:ok, version}, context, old, _keeper, upgrade) do
    tell(upgrade, :commit)
    :ok = Operation.step(context, &{:ok, Stored.changed(&1, old.id, :source)})
    Log.info(old.id, context.instance, "is upgraded from #{old.version}")
    Events.emit(:plugin_upgraded, %{id: old.id, from: old.version, to: version}, instance: context.instance)
    {{:ok, version}, []}
  end

  # Neither version is whole. Its points stay closed until its hooks are out.
  defp finish({:error, {:stays, reason}}, context, %{id: id}, keeper, upgrade) do
    :ok = Operation.step(context, &{:ok, forget_note(&1, id)})
    tell(upgrade, :rollback)
    Log.error(id, context.instance, "has failed: an upgrade could be neither finished nor taken back")
    {{:error, reason}, Operation.step(context, &fail(&1, id, keeper, reason))}
  end

  defp finish({:error, reason}, context, %{id: id}, keeper, upgrade) do
    :ok = Operation.step(context, &{:ok, open(&1, id, keeper)})
    tell(upgrade, :rollback)
    {{:error, reason}, []}
  end

  defp fail(state, id, keeper, reason) do
    {state, follow_ups} = Failure.fail(state, id, reason)
    ChainStore.unlock(state.instance, keeper)
    {follow_ups, State.changed(state)}
  end

  defp open(state, id, keeper) do
    ChainStore.unlock(state.instance, keeper)
    state |> State.changed() |> forget_note(id)
  end

  defp forget_note(state, id), do: State.note(state, [id], &Map.delete(&1, :upgrade))

  defp change(context, old, %{in_place?: false} = code, keeper, upgrade, opts) do
    NewCode.load(code, fn -> swap(context, old, code, keeper, upgrade, opts) end)
  end

  # The chains call functions of the module, which are those of the new code as soon as it is there. So that no run is on
  # both versions, runs of the plugin's points wait while those under way end and the code changes.
  defp change(context, %{id: id} = old, code, keeper, upgrade, opts) do
    drains = Operation.step(context, &lock(&1, id, keeper))

    with :ok <- await(context, drains, opts) do
      NewCode.load(code, fn -> swap(context, old, code, keeper, upgrade, opts) end)
    end
  end

  defp lock(%State{instance: instance} = state, id, keeper) do
    points = points(id, instance)

    drains = for point <- points, drain <- Chain.drains(ChainStore.chain(instance, point), [id]), do: drain

    :ok = ChainStore.lock(instance, points, keeper)
    {drains, state}
  end

  # Where its own code is called. What native hooks run is not replaced.
  defp points(id, instance) do
    for point <- ChainStore.points(instance),
        Enum.any?(
          ChainStore.chain(instance, point).registrations,
          &(&1.plugin == id and is_function(&1.call))
        ),
        do: point
  end

  defp await(context, drains, %{drain_timeout: timeout, caller: caller}) do
    with {:still_running, pids} <- Operation.await_runs(context, drains, timeout, caller) do
      {:error, {:still_running, pids}}
    end
  end

  # From here on the plugin's process takes no more calls; they wait for the version that answers them.
  defp begin(context, id, keeper) do
    pid = Names.whereis(context.instance, {:plugin, id})
    {:ok, reference} = GenServer.call(pid, {:begin_upgrade, keeper}, :infinity)
    {:ok, {pid, reference}}
  catch
    # It is being restarted.
    :exit, reason -> {:error, {:crashed, id, reason}}
  end

  defp tell({pid, reference}, outcome), do: Wrapper.end_upgrade(pid, reference, outcome)

  # Everything that can fail comes before the one step by which the new version counts, the write to the registry.
  defp swap(context, %{id: id} = old, code, keeper, {pid, reference}, opts) do
    config = opts.config || old.config

    with {:ok, candidate} <- Candidate.again(%{old | module: code.module, config: config}),
         :ok <- Operation.step(context, &{resolve(candidate.manifest, &1), &1}),
         {:ok, [candidate]} <- Config.complete([candidate], opts.timeout),
         {:ok, hooks} <- Hooks.of(candidate, context.spec),
         :ok <- Operation.step(context, &{check_hooks(hooks, &1), &1}),
         :ok <- Wrapper.change_code(pid, reference, code.module, old.version, opts.extra, opts.timeout),
         :ok <- Operation.step(context, &commit(&1, candidate, hooks, old, keeper, reference)) do
      {:ok, candidate.manifest.version}
    else
      {:error, %Error{} = error} -> {:error, error}
      {:error, reason} -> {:error, error(id, code.module, :code_change, reason)}
    end
  end

  defp check_hooks(hooks, state), do: with({:ok, _chains} <- Hooks.replace(hooks, state), do: :ok)

  # Runs that come shortly before the write to the registry wait, so that none sees less or more of it than who reads the
  # registry. Other plugins may have come since the first look.
  defp commit(%State{instance: instance} = state, candidate, hooks, %{id: id} = old, keeper, reference) do
    with :ok <- resolve(candidate.manifest, state), {:ok, chains} <- Hooks.replace(hooks, state) do
      :ok = ChainStore.prepare(instance, chains, keeper)
      reason = {:upgrade, reference, old.version, candidate.manifest.version}

      state =
        State.update(state, [id], fn _noted -> Lifecycle.enter!(info(candidate, old), :started, reason) end)

      :ok = ChainStore.commit(instance, keeper)
      {:ok, state |> State.changed() |> State.settle_later()}
    else
      error -> {error, state}
    end
  end

  # What the new version says of its limits counts, and for the rest what the old one had.
  defp info(candidate, old) do
    limits = Map.merge(old.limits, Limits.declared(candidate.module))
    Map.merge(candidate.info, %{config: candidate.config, secrets: candidate.secrets, limits: limits})
  end

  # All plugins with the module would have the new code, and the old state.
  defp check_alone(%{in_place?: false}, _old, _instance), do: :ok

  defp check_alone(%{module: module}, old, instance) do
    case CodeUsers.of(module) -- [{instance, old.id}] do
      [] -> :ok
      others -> {:error, error(old.id, module, :code, {:used_by, others})}
    end
  end

  defp check_id(code, old) do
    # Of one that was loaded by another name, its own.
    own = Map.get(old, :alias_of, old.id)

    if code.id == own, do: :ok, else: wrong_id(code, old, own)
  end

  defp wrong_id(code, old, own) do
    sentence = "its id is #{inspect(code.id)}, and that of the plugin to upgrade is #{inspect(own)}"
    {:error, error(old.id, code.module, :validate, {:invalid_manifest, sentence})}
  end

  # What it needs has to be there, and it has to be what others need.
  defp resolve(manifest, state) do
    others = state |> State.running() |> Map.delete(manifest.id) |> Map.values()

    case Loader.load_order([manifest | others]) do
      {:ok, _waves} -> :ok
      {:error, error} -> {:error, %{Error.resolution(error) | plugin: manifest.id}}
    end
  end

  defp error(id, module, step, reason), do: %Error{plugin: id, module: module, step: step, reason: reason}
end
