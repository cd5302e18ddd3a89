defmodule Pipeline.Plugin.Manager.Server do
  @moduledoc false
  # Serialises what changes an instance. What it knows, it knows from the registry, so that after a crash it goes on
  # where it was: its own state is a cache of that, and the monitors.

  use GenServer

  require Logger

  alias Pipeline.Hook.ChainStore
  alias Pipeline.Instance.{Names, PublishedState}
  alias Pipeline.Plugin.{Config, Dependents, Events, Lifecycle, Error, Restart, Store}

  alias Pipeline.Plugin.Manager.{
    BootPending,
    Candidate,
    Hold,
    Load,
    Recovery,
    Retire,
    Retry,
    State,
    Upgrade,
    UpgradeGuard
  }

  @spec start_link(keyword) :: GenServer.on_start()
  def start_link(opts), do: GenServer.start_link(__MODULE__, opts, name: name(opts[:name]))

  @spec name(atom) :: GenServer.name()
  def name(instance), do: Names.via(instance, :manager)

  @doc "Waits until the manager has done what it does first. A child that starts nothing."
  @spec await_ready(atom) :: :ignore
  def await_ready(instance) do
    GenServer.call(name(instance), :await_ready, :infinity)
  catch
    # It ended before it was done; the supervisor, which waits here, is about to start it again.
    :exit, _ -> :ignore
  end

  @impl GenServer
  def init(opts) do
    :ok = Names.label(opts[:name], :manager)

    case open_store(opts[:store], opts[:name]) do
      {:ok, store} ->
        state = %State{
          instance: opts[:name],
          spec: opts[:hooks],
          store: store,
          restart: Restart.merge(Restart.default(), opts[:restart] || %{})
        }

        {:ok, state, {:continue, {:begin, opts[:plugins] || []}}}

      {:error, error} ->
        {:stop, error}
    end
  end

  defp open_store(nil, _instance), do: {:ok, nil}

  # The path is tried out when the instance starts. A manager that starts again must not fail by a disk that is full.
  defp open_store(path, instance) do
    checked = if PublishedState.configured?(instance), do: :ok, else: Store.check_writable(path)
    with :ok <- checked, do: Store.open(path)
  end

  @impl GenServer
  def handle_continue({:begin, plugins}, state) do
    state = Recovery.run(state)
    state = state.instance |> ChainStore.traces() |> Enum.reduce(state, &watch/2)

    if PublishedState.configured?(state.instance) do
      {:noreply, Hold.release(state)}
    else
      state = load_configured(plugins, state)
      :ok = PublishedState.configured(state.instance)
      {:noreply, state}
    end
  end

  @impl GenServer
  def handle_call({:hidden, request}, from, state), do: handle_call(request.(), from, state)
  def handle_call(:await_ready, _from, state), do: {:reply, :ignore, state}

  def handle_call({:load, plugins, timeout}, _from, state) do
    with {:ok, candidates} <- Candidate.prepare(plugins, state.plugins),
         :ok <- check_enabled(candidates, state),
         :ok <- announce(candidates, state),
         {:ok, candidates} <- Load.resolve(state, candidates),
         {:ok, ids, state} <- Load.run(state, candidates, timeout) do
      {:reply, {:ok, ids}, Hold.release(state)}
    else
      {:error, error} -> {:reply, {:error, error}, state}
    end
  end

  def handle_call({:unload, id, cascade?, patience}, {caller, _tag}, state) do
    with :ok <- check_loaded(id, state),
         {:ok, leaving} <- leaving(id, cascade?, state),
         :ok <- check_caller(caller, leaving, state) do
      retire(state, for(id <- leaving, do: {id, nil, :unload}), patience, caller)
    else
      error -> {:reply, error, state}
    end
  end

  def handle_call({:stop, id, target, reason, patience}, {caller, _tag}, state) do
    with :ok <- check_loaded(id, state),
         dependents = Hold.dependents(state, [id]),
         :ok <- check_caller(caller, [id | for({id, _, _} <- dependents, do: id)], state),
         {:ok, noted} <- note_stopped(state, id, target, reason) do
      cond do
        state.plugins[id].state == :stopped and target == :stopped -> {:reply, :ok, noted}
        target == :stopped -> disable(noted, dependents ++ [{id, target, reason}], patience, caller)
        true -> retire(noted, dependents ++ [{id, target, reason}], patience, caller)
      end
    else
      error -> {:reply, error, state}
    end
  end

  def handle_call({:enable, id}, _from, state) when not is_map_key(state.plugins, id) do
    # One that is disabled may be loaded later.
    with true <- State.disabled?(state, id), {:ok, state} <- State.note_disabled(state, id, :enabled) do
      {:reply, {:ok, :not_loaded}, state}
    else
      false -> {:reply, {:error, {:not_loaded, id}}, state}
      error -> {:reply, error, state}
    end
  end

  def handle_call({:enable, id}, _from, state) do
    with :ok <- check_idle(id, state), {:ok, state} <- State.note_disabled(state, id, :enabled) do
      case Hold.start(state, id) do
        {:ok, state} -> {:reply, {:ok, :started}, Hold.release(state)}
        {:unmet, error} -> {:reply, {:ok, :held}, State.enter(state, [id], :held, {:needs, error.reason})}
        {:error, error, state} -> {:reply, {:error, error}, state}
      end
    else
      error -> {:reply, error, state}
    end
  end

  def handle_call({:restart, id, runs}, {caller, _tag}, state) do
    with :ok <- check_loaded(id, state),
         :ok <- check_runs(id, state),
         :ok <- check_caller(caller, [id], state) do
      keeper = if runs == :wait, do: hold_runs(state, id)

      case Recovery.start(state, id) do
        {:ok, state} ->
          release_runs(state, keeper)
          {:reply, :ok, state}

        {:error, %{reason: reason}, state} ->
          # With its hooks out, before runs go on.
          state = Recovery.fail(state, id, reason)
          release_runs(state, keeper)
          {:reply, {:error, reason}, state}
      end
    else
      error -> {:reply, error, state}
    end
  end

  def handle_call({:upgrade, id, target, opts}, {caller, _tag}, state) do
    with :ok <- check_loaded(id, state),
         :ok <- check_runs(id, state),
         :ok <- check_caller(caller, [id], state),
         {:ok, state} <- Upgrade.run(state, id, target, Map.put(opts, :caller, caller)) do
      {:reply, {:ok, state.plugins[id].version}, Hold.release(state)}
    else
      {:error, reason, state} -> {:reply, {:error, reason}, state}
      error -> {:reply, error, state}
    end
  end

  def handle_call({:update_config, id, update}, {caller, _tag}, state) do
    with :ok <- check_loaded(id, state),
         :ok <- check_caller(caller, [id], state),
         {:ok, info} <- Config.Update.run(id, update, state.instance) do
      Events.emit(:plugin_config_updated, %{id: id}, instance: state.instance)
      # The plugin's process has written it.
      {:reply, :ok, State.put(state, info)}
    else
      error -> {:reply, error, state}
    end
  end

  def handle_call({:trace, trace}, _from, state) do
    ChainStore.trace(trace)
    {:reply, :ok, watch(trace, state)}
  end

  def handle_call({:untrace, trace}, _from, state), do: {:reply, ChainStore.untrace(trace), state}

  @impl GenServer
  def handle_info(:settle, state) do
    ChainStore.settle(state.instance)
    {:noreply, %{state | settling?: false}}
  end

  def handle_info({:DOWN, monitor, :process, _pid, _reason}, state) when is_map_key(state.traces, monitor) do
    {trace, traces} = Map.pop!(state.traces, monitor)
    ChainStore.untrace(trace)
    {:noreply, %{state | traces: traces}}
  end

  # All trees end when their supervisor does. This manager then ends too, and the next one starts them anew.
  def handle_info({{:tree, id}, monitor, :process, _pid, reason}, state) do
    if state.trees[id] == monitor and Names.whereis(state.instance, :plugins) != nil,
      do: {:noreply, Recovery.tree_ended(state, id, reason)},
      else: {:noreply, state}
  end

  def handle_info({:timeout, timer, {:retry, id}}, state) do
    case Retry.due(state.retries, id, timer) do
      {:ok, retries} -> {:noreply, Recovery.retry(%{state | retries: retries}, id)}
      :no -> {:noreply, state}
    end
  end

  def handle_info(_message, state), do: {:noreply, state}

  # From Elixir 1.17 on GenServer knows this callback of OTP 25. What it does not show are configurations.
  if {:format_status, 1} in GenServer.behaviour_info(:callbacks), do: @impl(GenServer)
  @doc false
  @spec format_status(map) :: map
  def format_status(%{state: %State{} = state} = status), do: %{status | state: State.shown(state)}
  def format_status(status), do: status

  # The points on which a plugin has hooks are closed as in an upgrade. If this manager ends meanwhile, the keeper opens
  # them.
  defp hold_runs(%{instance: instance}, id) do
    points =
      for point <- ChainStore.points(instance),
          Enum.any?(ChainStore.chain(instance, point).entries, &(&1.plugin == id)),
          do: point

    keeper = UpgradeGuard.start(instance)
    :ok = ChainStore.lock(instance, points, keeper)
    keeper
  end

  defp release_runs(_state, nil), do: :ok

  defp release_runs(state, keeper) do
    :ok = ChainStore.unlock(state.instance, keeper)
    UpgradeGuard.release(keeper)
  end

  # A trace is over when its process has ended.
  defp watch(trace, state), do: put_in(state.traces[Process.monitor(trace.pid)], trace)

  defp announce(candidates, state) do
    Lifecycle.announce(Enum.map(candidates, & &1.info), state.instance)
  end

  # The configured plugins

  defp load_configured(plugins, state) do
    loaded = for {_id, info} <- state.plugins, do: info.module
    plugins = for {module, config} <- plugins, do: {module, if(is_map(config), do: config, else: config.())}
    {candidates, wrong} = plugins |> Enum.reject(&(elem(&1, 0) in loaded)) |> candidates(state)

    for error <- wrong do
      Logger.error(Exception.message(error))
      BootPending.missing(state.instance, error.module, error)
    end

    announce(candidates, state)
    {disabled, candidates} = Enum.split_with(candidates, &State.disabled?(state, &1.manifest.id))
    state = Enum.reduce(disabled, state, &Hold.keep(&2, &1, :stopped, :disabled))

    # All at once; one bad plugin stops neither the boot nor the others, so then those that can be are loaded one by one.
    with {:ok, resolved} <- Load.resolve(state, candidates),
         {:ok, _ids, state} <- Load.run(state, resolved, 30_000) do
      Hold.release(state)
    else
      {:error, _error} -> candidates |> load_alone(state) |> Hold.release()
    end
  end

  defp candidates(plugins, state) do
    {good, wrong, _known} =
      Enum.reduce(plugins, {[], [], state.plugins}, fn plugin, {good, wrong, known} ->
        case Candidate.prepare([plugin], known) do
          {:ok, [%{info: info} = candidate]} -> {[candidate | good], wrong, Map.put(known, info.id, info)}
          {:error, error} -> {good, [error | wrong], known}
        end
      end)

    {Enum.reverse(good), Enum.reverse(wrong)}
  end

  # A plugin can come before one that it needs, so those that wait are tried again as long as one of them loads.
  defp load_alone(candidates, state) do
    {left, state} =
      Enum.flat_map_reduce(candidates, state, fn candidate, state ->
        with {:ok, resolved} <- Load.resolve(state, [candidate]),
             {:ok, _ids, state} <- Load.run(state, resolved, 30_000) do
          {[], state}
        else
          {:error, %Error{step: :resolve} = error} -> {[{candidate, error}], state}
          {:error, error} -> {[], keep(candidate, error, state)}
        end
      end)

    if left == [] or length(left) == length(candidates),
      do: Enum.reduce(left, state, fn {candidate, error}, state -> keep(candidate, error, state) end),
      else: left |> Enum.map(&elem(&1, 0)) |> load_alone(state)
  end

  defp keep(candidate, error, state) do
    Logger.error(Exception.message(error))
    waits? = error.step == :resolve
    reason = if waits?, do: {:needs, error.reason}, else: error.reason
    Hold.keep(state, candidate, if(waits?, do: :held, else: :failed), reason)
  end

  # Unloading and stopping

  defp check_loaded(id, state) do
    if is_map_key(state.plugins, id), do: :ok, else: {:error, {:not_loaded, id}}
  end

  defp check_idle(id, state) do
    if state.plugins[id].state in Lifecycle.idle(), do: :ok, else: {:error, {:already_started, id}}
  end

  defp check_runs(id, state) do
    with %{state: other} when other != :started <- state.plugins[id],
         do: {:error, {other, id}},
         else: (_ -> :ok)
  end

  defp leaving(id, true, state), do: {:ok, Dependents.all(State.running(state), [id]) ++ [id]}

  defp leaving(id, false, state) do
    case Dependents.direct(State.running(state), id) do
      [] -> {:ok, [id]}
      dependents -> {:error, {:required_by, dependents}}
    end
  end

  # A plugin cannot wait for its own end.
  defp check_caller(caller, leaving, state) do
    if Retire.caller?(state, leaving, caller), do: {:error, {:called_from_callback, :itself}}, else: :ok
  end

  defp check_enabled(candidates, state) do
    case Enum.find(candidates, &State.disabled?(state, &1.manifest.id)) do
      nil ->
        :ok

      %{manifest: %{id: id}, module: module} ->
        {:error, %Error{plugin: id, module: module, step: :validate, reason: {:disabled, id}}}
    end
  end

  defp note_stopped(state, id, :stopped, reason), do: State.note_disabled(state, id, {:disabled, reason})
  defp note_stopped(state, _id, :held, _reason), do: {:ok, state}

  # What could not be stopped is not disabled.
  defp disable(state, leaving, patience, caller) do
    with {:reply, {:error, _} = error, state} <- retire(state, leaving, patience, caller) do
      {id, :stopped, _reason} = List.last(leaving)

      case State.note_disabled(state, id, :enabled) do
        {:ok, state} ->
          {:reply, error, state}

        {:error, failure} ->
          Logger.error(
            "plugin #{inspect(id)} goes on, and the store has it disabled after a restart all the same: " <>
              Exception.message(failure)
          )

          {:reply, error, state}
      end
    end
  end

  # A run whose hook asks for it cannot be waited for.
  defp retire(state, leaving, {timeout, force}, caller) do
    case Retire.run(state, leaving, %{timeout: timeout, force: force, but: [caller]}) do
      {:ok, state} -> {:reply, :ok, state}
      {:error, reason, state} -> {:reply, {:error, reason}, state}
    end
  end
end
