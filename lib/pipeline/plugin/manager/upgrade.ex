defmodule Pipeline.Plugin.Manager.Upgrade do
  @moduledoc false
  # A plugin that runs becomes another version of itself: code, state, hooks and manifest, or none of them.

  alias Pipeline.Hook.{ChainStore, InFlight}
  alias Pipeline.Plugin
  alias Pipeline.Plugin.{Config, Events, Lifecycle, Error, Loader, Wrapper}
  alias Pipeline.Instance.Names
  alias Pipeline.Plugin.Manager.{Candidate, Hooks, Recovery, State}
  alias Pipeline.Plugin.Manager.Upgrade.Code, as: NewCode
  alias Pipeline.Plugin.Manager.UpgradeGuard
  alias Pipeline.Plugin.Resources.Limits

  @typedoc "A module, the path of a BEAM file, or what stands in one."
  @type target :: module | binary

  @doc "Upgrades a plugin that runs."
  @spec run(State.t(), Plugin.plugin_id(), target, map) :: {:ok, State.t()} | {:error, term, State.t()}
  def run(state, id, target, opts) do
    old = state.plugins[id]

    with {:ok, code} <- NewCode.read(target, old.module, opts.rollback),
         :ok <- check_id(code, old) do
      keeper = UpgradeGuard.start(state.instance)
      result = kept(state, old, code, keeper, opts)
      UpgradeGuard.release(keeper)
      result
    else
      {:error, reason} -> {:error, reason, state}
    end
  end

  defp kept(state, %{id: id} = old, code, keeper, opts) do
    case begin(state, id, keeper) do
      {:ok, upgrade} ->
        # From here until it is taken away again, whoever comes upon an end of this manager goes back.
        note = %{keeper: keeper, way_back: NewCode.way_back(code)}
        state = State.note(state, [id], &Map.put(&1, :upgrade, note))
        state |> change(old, code, keeper, upgrade, opts) |> finish(state, old, keeper, upgrade)

      {:error, reason} ->
        {:error, reason, state}
    end
  end

  defp finish({:ok, state}, _before, old, _keeper, upgrade) do
    tell(upgrade, :commit)
    Events.emit(:plugin_upgraded, event(old, state), instance: state.instance)
    {:ok, state}
  end

  # Neither version is whole. Its points stay closed until its hooks are out.
  defp finish({:error, {:stays, reason}}, state, %{id: id}, keeper, upgrade) do
    state = State.note(state, [id], &Map.delete(&1, :upgrade))
    tell(upgrade, :rollback)
    state = Recovery.fail(state, id, reason)
    ChainStore.unlock(state.instance, keeper)
    {:error, reason, state}
  end

  defp finish({:error, reason}, state, %{id: id}, keeper, upgrade) do
    ChainStore.unlock(state.instance, keeper)
    state = State.note(state, [id], &Map.delete(&1, :upgrade))
    tell(upgrade, :rollback)
    {:error, reason, state}
  end

  defp change(state, old, %{in_place?: false} = code, keeper, upgrade, opts) do
    NewCode.load(code, fn -> swap(state, old, code, keeper, upgrade, opts) end)
  end

  # The chains call functions of the module, which are those of the new code as soon as it is there. So that no run is on
  # both versions, runs of the plugin's points wait while those under way end and the code changes.
  defp change(state, %{id: id} = old, code, keeper, upgrade, opts) do
    points = points(id, state.instance)
    marks = for point <- points, do: ChainStore.chain(state.instance, point).mark
    :ok = ChainStore.lock(state.instance, points, keeper)

    with :ok <- await(marks, opts) do
      NewCode.load(code, fn -> swap(state, old, code, keeper, upgrade, opts) end)
    end
  end

  # Where its own code is called. What native hooks run is not replaced.
  defp points(id, instance) do
    for point <- ChainStore.points(instance),
        Enum.any?(ChainStore.chain(instance, point).entries, &(&1.plugin == id and is_function(&1.call))),
        do: point
  end

  defp await(marks, opts) do
    with {:still_running, pids} <- InFlight.await(marks, opts.drain_timeout, but: [opts.caller]) do
      {:error, {:still_running, pids}}
    end
  end

  # From here on the plugin's process takes no more calls; they wait for the version that answers them.
  defp begin(state, id, keeper) do
    pid = Names.whereis(state.instance, {:plugin, id})
    {:ok, reference} = GenServer.call(pid, {:begin_upgrade, keeper}, :infinity)
    {:ok, {pid, reference}}
  catch
    # It is being restarted.
    :exit, reason -> {:error, {:crashed, id, reason}}
  end

  defp tell({pid, reference}, outcome), do: Wrapper.end_upgrade(pid, reference, outcome)

  # Everything that can fail comes before the one step by which the new version counts, the write to the registry. Runs that
  # come shortly before it wait, so that none sees less or more of it than who reads the registry.
  defp swap(state, %{id: id} = old, code, keeper, {pid, reference}, opts) do
    config = opts.config || old.config

    with {:ok, candidate} <- Candidate.again(%{old | module: code.module, config: config}),
         :ok <- resolve(candidate, state),
         {:ok, [candidate]} <- Config.complete([candidate], opts.timeout),
         {:ok, chains} <- Hooks.replace(candidate, state),
         :ok <- Wrapper.change_code(pid, reference, code.module, old.version, opts.extra, opts.timeout) do
      :ok = ChainStore.prepare(state.instance, chains, keeper)
      reason = {:upgrade, reference, old.version, candidate.manifest.version}

      state =
        State.update(state, [id], fn _noted -> Lifecycle.enter!(info(candidate, old), :started, reason) end)

      :ok = ChainStore.commit(state.instance, keeper)
      {:ok, State.settle_later(state)}
    else
      {:error, %Error{} = error} -> {:error, error}
      {:error, reason} -> {:error, error(old, code.module, :code_change, reason)}
    end
  end

  # What the new version says of its limits counts, and for the rest what the old one had.
  defp info(candidate, old) do
    limits = Map.merge(old.limits, Limits.declared(candidate.module))
    Map.merge(candidate.info, %{config: candidate.config, secrets: candidate.secrets, limits: limits})
  end

  defp check_id(%{id: id}, %{id: id}), do: :ok

  defp check_id(code, old) do
    sentence = "its id is #{inspect(code.id)}, and the plugin to upgrade is #{inspect(old.id)}"
    {:error, error(old, code.module, :validate, {:invalid_manifest, sentence})}
  end

  # What it needs has to be there, and it has to be what others need.
  defp resolve(%{manifest: manifest}, state) do
    others = state |> State.running() |> Map.delete(manifest.id) |> Map.values()

    case Loader.load_order([manifest | others]) do
      {:ok, _waves} -> :ok
      {:error, error} -> {:error, %{Error.resolution(error) | plugin: manifest.id}}
    end
  end

  defp event(old, state), do: %{id: old.id, from: old.version, to: state.plugins[old.id].version}

  defp error(old, module, step, reason) do
    %Error{plugin: old.id, module: module, step: step, reason: reason}
  end
end
