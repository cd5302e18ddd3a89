defmodule Pipeline.Plugin.Manager.Server do
  @moduledoc false
  # Serialises what changes an instance, and waits for nothing (`Pipeline.Plugin.Manager.Operation`). What it knows, it
  # knows from the registry, so that after a crash it goes on where it was: its own state is a cache of that, the
  # operations under way, which end with it, and the monitors.

  use GenServer

  require Logger

  alias Pipeline.Hook.ChainStore
  alias Pipeline.Instance.{Names, PublishedState}
  alias Pipeline.Plugin.{Dependents, Restart, Store}

  alias Pipeline.Plugin.Manager.{
    Boot,
    BootPending,
    Configure,
    ConfigureHook,
    Failure,
    Hold,
    Hooks,
    Load,
    Operations,
    Recovery,
    Retire,
    Retry,
    Start,
    State,
    Stored,
    Upgrade
  }

  # The group of the operations that a manager begins with.
  @start :start

  @spec start_link(keyword) :: GenServer.on_start()
  def start_link(opts), do: GenServer.start_link(__MODULE__, opts, name: name(opts[:name]))

  @spec name(atom) :: GenServer.name()
  def name(instance), do: Names.via(instance, :manager)

  @doc "Waits until the manager has done what it begins with. A child that starts nothing."
  @spec await_ready(atom) :: :ignore
  def await_ready(instance) do
    :ok = GenServer.call(name(instance), :await_ready, :infinity)
    :ignore
  catch
    # It ended before it was done; the supervisor, which waits here, is about to start it again.
    :exit, _ -> :ignore
  end

  @doc "Plugins that other nodes of the cluster have, and that this one is yet to load: closed points stay closed for them."
  @spec unsynced(atom, [Pipeline.Plugin.plugin_id()]) :: :ok
  def unsynced(instance, ids), do: GenServer.call(name(instance), {:unsynced, ids}, :infinity)

  @doc "This node knows what the others of its cluster have."
  @spec synced(atom) :: :ok
  def synced(instance), do: GenServer.call(name(instance), :synced, :infinity)

  @impl GenServer
  def init(opts) do
    :ok = Names.label(opts[:name], :manager)

    case open_store(opts[:store], opts[:name]) do
      {:ok, store} ->
        state = %State{
          instance: opts[:name],
          spec: opts[:hooks],
          store: store,
          operations: %Operations{next: &Hold.release/1},
          restart: Restart.merge(Restart.default(), opts[:restart] || %{}),
          configured:
            MapSet.new(
              for {module, _config} <- opts[:plugins] || [], {:ok, id} <- [Stored.id(module)], do: id
            ),
          packages: opts[:packages]
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
    {state, operations} = Recovery.run(state)
    state = forget_guards(state)
    state = state.instance |> ChainStore.traces() |> Enum.reduce(state, &watch/2)
    configured? = PublishedState.configured?(state.instance)
    state = if configured?, do: State.publish(state, Hooks.refresh(state)), else: state
    boot = if configured?, do: [], else: [Boot.operation(plugins)]

    {released, state} =
      if configured?,
        do: Hold.release(%{note_stopped_again(state) | news?: true}),
        else: {[], state}

    {:noreply, Operations.start(state, operations ++ boot ++ released, nil, @start)}
  end

  @impl GenServer
  def handle_call({:hidden, request}, from, state), do: handle_call(request.(), from, state)

  def handle_call(:await_ready, from, state) do
    case Operations.join(state, @start, from) do
      {:ok, state} -> {:noreply, state}
      :over -> {:reply, :ok, state}
    end
  end

  def handle_call({:unsynced, ids}, _from, state), do: {:reply, :ok, State.unsynced(state, ids)}
  def handle_call(:synced, _from, state), do: {:reply, :ok, State.synced(state)}

  # A step of an operation.
  def handle_call({:step, fun}, _from, state) do
    {result, state} = fun.(state)
    {:reply, result, state}
  end

  def handle_call({:trace, trace}, _from, state) do
    ChainStore.trace(trace)
    {:reply, :ok, State.changed(watch(trace, state))}
  end

  def handle_call({:untrace, trace}, _from, state),
    do: {:reply, ChainStore.untrace(trace), State.changed(state)}

  def handle_call(request, {caller, _tag} = from, state),
    do: {:noreply, Operations.start(state, [operation(request, caller)], from)}

  defp operation({:load, candidates, timeout}, _caller), do: Load.operation(candidates, timeout)

  defp operation({:unload, id, cascade?, patience}, caller),
    do: Retire.unload(id, cascade?, patience, caller)

  defp operation({:stop, id, target, reason, patience}, caller),
    do: Retire.stop(id, target, reason, patience, caller)

  defp operation({:enable, id}, _caller), do: Start.enable(id)
  defp operation({:restart, id, runs}, caller), do: Failure.restart(id, runs, caller)
  defp operation({:upgrade, id, target, opts}, caller), do: Upgrade.operation(id, target, opts, caller)

  defp operation({:configure_hook, id, point, options}, _caller),
    do: ConfigureHook.operation(id, point, options)

  defp operation({:update_config, id, update}, caller), do: Configure.operation(id, update, caller)

  @impl GenServer
  def handle_cast({:join_upgrade, ids, leader, caller}, state),
    do: {:noreply, Operations.start(state, [Upgrade.Join.operation(ids, leader, caller)], nil)}

  @impl GenServer
  def handle_info({:operation, reference, outcome}, state),
    do: {:noreply, Operations.ended(state, reference, outcome)}

  def handle_info(:settle, state) do
    ChainStore.settle(state.instance)
    {:noreply, %{state | settling?: false}}
  end

  def handle_info({:DOWN, monitor, :process, _pid, _reason}, state) when is_map_key(state.traces, monitor) do
    {trace, traces} = Map.pop!(state.traces, monitor)
    ChainStore.untrace(trace)
    {:noreply, State.changed(%{state | traces: traces})}
  end

  # All trees end when their supervisor does. This manager then ends too, and the next one starts them anew.
  def handle_info({{:tree, id}, monitor, :process, _pid, reason}, state) do
    if state.trees[id] == monitor and Names.whereis(state.instance, :plugins) != nil,
      do: {:noreply, Operations.start(state, [Failure.tree_ended(id, monitor, reason)], nil)},
      else: {:noreply, state}
  end

  def handle_info({:restarted, id}, state) do
    dependents = state |> State.running() |> Dependents.rest_for_one(id)
    # One that is being changed starts after it anyway.
    operations = for id <- dependents, not Operations.busy?(state, id), do: Failure.restart_with(id)
    {:noreply, Operations.start(state, operations, nil)}
  end

  def handle_info({:timeout, timer, {:retry, id}}, state) do
    case Retry.due(state.retries, id, timer) do
      {:ok, retries} -> {:noreply, Operations.start(%{state | retries: retries}, [Start.retry(id)], nil)}
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

  # Of plugins that were unloaded when the manager before this one ended.
  defp forget_guards(state) do
    pending = BootPending.list(state.instance)

    State.put_up(state, fn id, why ->
      not is_map_key(state.plugins, id) and not is_map_key(pending, why.module) and
        why.state not in [:not_synced, :not_restored]
    end)
  end

  # A trace is over when its process has ended.
  defp watch(trace, state), do: put_in(state.traces[Process.monitor(trace.pid)], trace)

  # After a crash: the store may have been torn since it was written.
  defp note_stopped_again(state) do
    lost =
      for {id, %{state: :stopped, history: [%{reason: reason} | _]}} <- state.plugins,
          not State.disabled?(state, id),
          do: {id, reason}

    Enum.reduce(lost, state, fn {id, reason}, state ->
      case State.note_disabled(state, id, {:disabled, reason}) do
        {:ok, state} ->
          state

        {:error, error} ->
          Logger.error(
            "plugin #{inspect(id)} is stopped, and will start with the VM: " <> Exception.message(error)
          )

          state
      end
    end)
  end
end
