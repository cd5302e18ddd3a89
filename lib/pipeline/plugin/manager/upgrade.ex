defmodule Pipeline.Plugin.Manager.Upgrade do
  @moduledoc false
  # A plugin that runs becomes another version of itself: code, state, hooks and manifest, or none of them.
  #
  # With `instances: :all` so do all plugins with its module, in all instances of the VM. Each is a part. The first part
  # leads: the write to its registry, which takes its note away, is the one step by which the new version counts. The
  # others have written by then, with their points closed and with a note that says who leads.

  alias Pipeline.Hook.{Chain, ChainStore}
  alias Pipeline.Plugin
  alias Pipeline.Plugin.{Config, Events, Lifecycle, Error, Loader, Log, Registry, Wrapper}
  alias Pipeline.Instance.Names
  alias Pipeline.Plugin.Manager.{Candidate, CodeUsers, Failure, Hooks, Operation, State, Stored}
  alias Pipeline.Plugin.Manager.Upgrade.{Join, Part}
  alias Pipeline.Plugin.Manager.Upgrade.Code, as: NewCode
  alias Pipeline.Plugin.Manager.UpgradeGuard
  alias Pipeline.Plugin.Resources.Limits

  @typedoc "A module, the path of a BEAM file, or what stands in one."
  @type target :: module | binary

  @doc "Upgrades a plugin that runs. The answer has its version."
  @spec operation(Plugin.plugin_id(), target, map, caller :: pid) :: Operation.t()
  # Its task takes the locks, of each instance in turn.
  def operation(id, target, %{instances: :all} = opts, caller) do
    opts = Map.put(opts, :caller, caller)
    fn _state -> {{[], []}, &{:run, fn context -> everywhere(context, id, target, opts) end, &1}} end
  end

  def operation(id, target, opts, caller) do
    opts = Map.put(opts, :caller, caller)

    fn state ->
      {Join.locks([id], state), &begin_operation(&1, id, target, opts)}
    end
  end

  defp begin_operation(state, id, target, opts) do
    with :ok <- Failure.check_runs(id, state), :ok <- Failure.check_caller(opts.caller, id, state) do
      {:run, alone(state.plugins[id], target, opts), state}
    else
      error -> {:done, {error, []}, state}
    end
  end

  defp alone(old, target, opts) do
    fn context ->
      {answer, [{_part, follow_ups}]} = run([%Part{context: context, old: old}], target, opts)
      {answer, follow_ups}
    end
  end

  defp everywhere(context, id, target, opts) do
    case Registry.info(Registry.owned(context.instance), id) do
      %{module: module} ->
        joined(Join.all(CodeUsers.of(module), opts.caller), target, opts)

      _none ->
        {{:error, {:not_loaded, id}}, []}
    end
  end

  defp joined({:ok, parts}, target, opts) do
    {answer, outcomes} = run(parts, target, opts)
    :ok = Join.over(outcomes)
    {answer, []}
  end

  defp joined({:error, reason}, _target, _opts), do: {{:error, reason}, []}

  # The answer, and for each part what follows from it.
  defp run([%Part{old: old} | _] = parts, target, opts) do
    with {:ok, code} <- NewCode.read(target, old.module, opts.rollback, Enum.map(parts, &Part.user/1)),
         :ok <- check_id(code, old),
         :ok <- check_alone(code, parts) do
      keeper = UpgradeGuard.start(Enum.map(parts, & &1.context))
      outcome = kept(parts, code, keeper, opts)
      UpgradeGuard.release(keeper)
      outcome
    else
      {:error, reason} -> {{:error, reason}, nothing_follows(parts)}
    end
  end

  defp nothing_follows(parts), do: for(part <- parts, do: {part, []})

  defp kept(parts, code, keeper, opts) do
    case begin(parts, keeper, []) do
      {:ok, parts} ->
        # From here until they are taken away again, whoever comes upon an end of this task goes back.
        result =
          with :ok <- each(parts, &note(&1, keeper, code, parts)), do: change(parts, code, keeper, opts)

        finish(result, parts, keeper)

      {:error, reason} ->
        {{:error, reason}, nothing_follows(parts)}
    end
  end

  defp note(%Part{old: %{id: id}} = part, keeper, code, [lead | others]) do
    note = %{keeper: keeper, way_back: NewCode.way_back(code)}

    note =
      if part == lead,
        do: Map.put(note, :others, Enum.map(others, &Part.user/1)),
        else: Map.put(note, :lead, Part.user(lead))

    Part.step(part, &{:ok, State.note(&1, [id], fn info -> Map.put(info, :upgrade, note) end)})
  end

  defp finish({:ok, version}, parts, keeper) do
    {{:ok, version}, for(part <- parts, do: {part, done(part, version, keeper)})}
  end

  # Neither version is whole. Its points stay closed until its hooks are out.
  defp finish({:error, {:stays, reason}}, parts, keeper) do
    outcomes =
      for part <- parts do
        _ = Part.step(part, &{:ok, forget_note(&1, part)})
        tell(part, :rollback)

        Log.error(
          part.old.id,
          part.context.instance,
          "has failed: an upgrade could be neither finished nor taken back"
        )

        follow_ups = Part.step(part, &fail(&1, part.old.id, keeper, reason))
        {part, if(is_list(follow_ups), do: follow_ups, else: [])}
      end

    {{:error, reason}, outcomes}
  end

  defp finish({:error, reason}, parts, keeper) do
    for part <- parts do
      _ = Part.step(part, &{:ok, open(&1, part, keeper)})
      tell(part, :rollback)
    end

    {{:error, reason}, nothing_follows(parts)}
  end

  # Those that do not lead have written, and their points are closed.
  defp done(%Part{old: old, context: %{instance: instance}} = part, version, keeper) do
    _ =
      Part.step(part, fn state ->
        ChainStore.commit(instance, keeper)
        {:ok, state |> forget_note(part) |> State.changed() |> Stored.changed(old.id, :source)}
      end)

    tell(part, :commit)
    Log.info(old.id, instance, "is upgraded from #{old.version}")
    Events.emit(:plugin_upgraded, %{id: old.id, from: old.version, to: version}, instance: instance)
    []
  end

  defp fail(state, id, keeper, reason) do
    {state, follow_ups} = Failure.fail(state, id, reason)
    ChainStore.unlock(state.instance, keeper)
    {follow_ups, State.changed(state)}
  end

  # One that had written goes back to what it was.
  defp open(state, part, keeper) do
    state = forget_note(state, part, fn note, info -> Map.get(note, :old, info) end)
    ChainStore.unlock(state.instance, keeper)
    State.changed(state)
  end

  defp forget_note(state, %Part{old: %{id: id}}, settled \\ fn _note, info -> info end) do
    State.note(state, [id], fn info ->
      {note, info} = Map.pop(info, :upgrade)
      if note, do: settled.(note, info), else: info
    end)
  end

  defp change(parts, %{in_place?: false} = code, keeper, opts) do
    NewCode.load(code, fn -> swap(parts, code, keeper, opts) end)
  end

  # The chains call functions of the module, which are those of the new code as soon as it is there. So that no run is on
  # both versions, runs of the plugin's points wait while those under way end and the code changes.
  defp change(parts, code, keeper, opts) do
    with :ok <- each(parts, &lock(&1, keeper, opts)) do
      NewCode.load(code, fn -> swap(parts, code, keeper, opts) end)
    end
  end

  defp lock(%Part{context: context} = part, keeper, %{drain_timeout: timeout, caller: caller}) do
    with drains when is_list(drains) <- Part.step(part, &closed(&1, part.old.id, keeper)),
         {:still_running, pids} <- Operation.await_runs(context, drains, timeout, caller) do
      {:error, {:still_running, pids}}
    end
  end

  defp closed(%State{instance: instance} = state, id, keeper) do
    points = Join.points(id, instance)

    drains = for point <- points, drain <- Chain.drains(ChainStore.chain(instance, point), [id]), do: drain

    :ok = ChainStore.lock(instance, points, keeper)
    {drains, state}
  end

  # From here on the plugins' processes take no more calls; they wait for the version that answers them.
  defp begin([], _keeper, begun), do: {:ok, Enum.reverse(begun)}

  defp begin([%Part{old: %{id: id}, context: %{instance: instance}} = part | parts], keeper, begun) do
    pid = Names.whereis(instance, {:plugin, id})
    {:ok, reference} = GenServer.call(pid, {:begin_upgrade, keeper}, :infinity)
    begin(parts, keeper, [%{part | process: {pid, reference}} | begun])
  catch
    # It is being restarted.
    :exit, reason ->
      Enum.each(begun, &tell(&1, :rollback))
      {:error, {:crashed, id, reason}}
  end

  defp tell(%Part{process: {pid, reference}}, outcome), do: Wrapper.end_upgrade(pid, reference, outcome)

  # Everything that can fail comes before the one step by which the new version counts, the write to the registry.
  defp swap(parts, code, keeper, opts) do
    with {:ok, [lead | _] = parts} <- prepare(parts, code, opts, []),
         :ok <- commit(parts, keeper) do
      {:ok, lead.candidate.manifest.version}
    end
  end

  defp prepare([], _code, _opts, prepared), do: {:ok, Enum.reverse(prepared)}

  defp prepare([part | parts], code, opts, prepared) do
    with {:ok, part} <- prepare(part, code, opts), do: prepare(parts, code, opts, [part | prepared])
  end

  defp prepare(%Part{context: context, old: old, process: {pid, reference}} = part, code, opts) do
    config = opts.config || old.config

    with {:ok, candidate} <- Candidate.again(%{old | module: code.module, config: config}),
         :ok <- Part.step(part, &{resolve([candidate.manifest], &1), &1}),
         {:ok, [candidate]} <- Config.complete([candidate], opts.timeout),
         {:ok, hooks} <- Hooks.of(candidate, context.spec),
         :ok <- Part.step(part, &{check_hooks(hooks, &1), &1}),
         :ok <- Wrapper.change_code(pid, reference, code.module, old.version, opts.extra, opts.timeout) do
      {:ok, %{part | candidate: candidate, hooks: hooks}}
    else
      {:error, %Error{} = error} -> {:error, error}
      {:error, reason} -> {:error, error(old.id, code.module, :code_change, reason)}
    end
  end

  defp check_hooks(hooks, state), do: with({:ok, _chains} <- Hooks.replace([hooks], state), do: :ok)

  # Each manager takes its step while those before it are in theirs. So all have looked before one writes, and the one of
  # the part that leads, which is the first, writes last.
  defp commit([lead | _] = parts, keeper) do
    with {:error, {:instance_ended, _}} = error <-
           write(Enum.chunk_by(parts, & &1.context.instance), lead, keeper) do
      # Its manager may have ended after it had written.
      if UpgradeGuard.open?(Part.user(lead), keeper), do: error, else: :ok
    end
  end

  defp write([], _lead, _keeper), do: :ok

  defp write([[part | _] = parts | others], lead, keeper) do
    Part.step(part, fn state ->
      with :ok <- resolve(for(%{candidate: candidate} <- parts, do: candidate.manifest), state),
           {:ok, chains} <- Hooks.replace(for(%{hooks: hooks} <- parts, do: hooks), state),
           :ok <- write(others, lead, keeper) do
        {:ok, written(state, parts, chains, lead, keeper)}
      else
        error -> {error, state}
      end
    end)
  end

  # Runs that come shortly before the write to the registry wait, so that none sees less or more of it than who reads the
  # registry. Other plugins may have come since the first look.
  defp written(%State{instance: instance} = state, parts, chains, lead, keeper) do
    :ok = ChainStore.prepare(instance, chains, keeper)
    # The one that leads is the first, and so the last.
    state =
      List.foldr(parts, state, fn part, state -> State.update(state, [part.old.id], &written(&1, part)) end)

    if hd(parts) == lead, do: ChainStore.commit(instance, keeper)
    state |> State.changed() |> State.settle_later()
  end

  defp written(noted, %Part{old: old, candidate: candidate, process: {_pid, reference}}) do
    reason = {:upgrade, reference, old.version, candidate.manifest.version}
    info = Lifecycle.enter!(info(candidate, old), :started, reason)

    case noted do
      %{upgrade: %{lead: _} = note} -> Map.put(info, :upgrade, Map.put(note, :old, old))
      _leads -> info
    end
  end

  # What the new version says of its limits counts, and for the rest what the old one had.
  defp info(candidate, old) do
    limits = Map.merge(old.limits, Limits.declared(candidate.module))
    Map.merge(candidate.info, %{config: candidate.config, secrets: candidate.secrets, limits: limits})
  end

  # Until one fails.
  defp each(parts, fun) do
    Enum.reduce_while(parts, :ok, fn part, :ok ->
      case fun.(part) do
        :ok -> {:cont, :ok}
        error -> {:halt, error}
      end
    end)
  end

  # All plugins with the module would have the new code, and the old state.
  defp check_alone(%{in_place?: false}, _parts), do: :ok

  defp check_alone(%{module: module}, [%Part{old: old} | _] = parts) do
    case CodeUsers.of(module) -- Enum.map(parts, &Part.user/1) do
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
  defp resolve([%{id: id} | _] = manifests, state) do
    ids = for %{id: id} <- manifests, do: id
    others = state |> State.running() |> Map.drop(ids) |> Map.values()

    case Loader.load_order(manifests ++ others) do
      {:ok, _waves} -> :ok
      {:error, error} -> {:error, %{Error.resolution(error) | plugin: id}}
    end
  end

  defp error(id, module, step, reason), do: %Error{plugin: id, module: module, step: step, reason: reason}
end
