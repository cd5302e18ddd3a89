defmodule Pipeline.Plugin.Wrapper do
  @moduledoc """
  The process of a loaded plugin.

  It keeps the plugin's state and turns messages into callbacks of `Pipeline.Plugin`. The plugin's own supervisor starts
  it, or another one from the `child_spec/1` that every plugin module has, and restarts it when it crashes:
  `c:Pipeline.Plugin.init/1` and `c:Pipeline.Plugin.start/1` then run again with the same configuration.

  It ends after the processes that the plugin has started and linked to, so that a restart finds none of them.
  """

  use GenServer, restart: :permanent

  alias Pipeline.{Foreign, HeapLimit, Secrets}
  alias Pipeline.Foreign.Stacktrace
  alias Pipeline.Plugin.Config
  alias Pipeline.Plugin.Config.Update
  alias Pipeline.Plugin.Manager.Health
  alias Pipeline.Plugin.Manager.UpgradeGuard
  alias Pipeline.Plugin.{Error, Log, Registry, StartPhase, Termination, Tree}
  alias Pipeline.Instance.{Caller, Names}
  alias Pipeline.Plugin.Resources.{Limits, Monitor}
  alias Pipeline.Plugin.RPC.{OnError, Waiting}

  # There once init/1 is through.
  @running_key :"$pipeline_plugin_running"

  # `secrets` are those of the configuration that it was started with; the registry has those that came later.
  @enforce_keys [:module, :id, :instance]
  defstruct [:module, :id, :instance, :phase, :state, :secrets]

  @doc """
  Starts the process of a plugin.

  ## Options

    * `:instance` - the instance it belongs to, by default the application's own
    * `:config` - given to `c:Pipeline.Plugin.init/1`, by default `%{}`; or a function that returns it, which keeps it out
      of what supervisors report
    * `:timeout` - milliseconds that `c:Pipeline.Plugin.init/1` may take, by default 30 seconds
    * `:limits` - see `Pipeline.Plugin.Resources`; by default those that it is registered with or declares
  """
  @spec start_link({module, keyword} | Tree.t()) :: GenServer.on_start()
  def start_link({module, opts}) do
    instance = opts[:instance] || Pipeline.Plugin
    id = module.__plugin__().id
    limits = Limits.of(instance, module, id, opts[:limits])
    config = with config when is_function(config, 0) <- opts[:config] || %{}, do: config.()

    GenServer.start_link(
      __MODULE__,
      fn -> init_supervised_elsewhere(module, id, instance, config, limits) end,
      start_options(instance, id, limits, opts[:timeout] || 30_000)
    )
  end

  # Under the supervisor of the plugin.
  def start_link(%Tree{instance: instance, id: id} = tree) do
    %{limits: limits} = Tree.current(tree, Registry.info(Registry.owned(instance), id))
    options = start_options(instance, id, limits, tree.timeout)

    case StartPhase.enter(tree.phase) do
      # The load of the plugin is about to fail.
      :abandoned -> :ignore
      start -> GenServer.start_link(__MODULE__, fn -> init_supervised(tree, start) end, options)
    end
  end

  @doc false
  # So that supervisors do not report it.
  @spec hide_config(keyword) :: keyword
  def hide_config(opts) do
    case opts[:config] do
      config when is_map(config) -> Keyword.put(opts, :config, fn -> config end)
      _ -> opts
    end
  end

  defp start_options(instance, id, limits, timeout) do
    [
      name: Names.via(instance, {:plugin, id}),
      timeout: timeout,
      spawn_opt: Limits.spawn_options(limits)
    ]
  end

  @doc false
  # Has the plugin run its start/1.
  @spec start_plugin(pid, timeout) :: :ok | {:error, reason :: term}
  def start_plugin(pid, timeout) do
    GenServer.call(pid, :start_plugin, timeout)
  catch
    :exit, {:timeout, _call} ->
      # It could come back any time with a result that nobody waits for.
      monitor = Process.monitor(pid)
      Process.exit(pid, :kill)
      receive do: ({:DOWN, ^monitor, :process, ^pid, _reason} -> {:error, :timeout})

    :exit, {reason, _call} ->
      {:error, reason}
  end

  # In a function, the configuration is in no report of how the process was started.
  @impl GenServer
  def init(initialise), do: initialise.()

  # Under a supervisor of the user's.
  defp init_supervised_elsewhere(module, id, instance, config, limits) do
    secrets = secrets_elsewhere(module, config)
    data = %{new(module, id, instance, limits) | secrets: secrets}

    guard(data, fn ->
      with {:error, reason} <- initialise(data, config), do: {:stop, conceal(reason, data)}
    end)
  end

  defp secrets_elsewhere(module, config) do
    case Config.check(module, config, 5_000) do
      {:ok, _config, secrets} -> secrets
      {:error, _reason} -> Config.unchecked(module, config)
    end
  end

  defp init_supervised(%Tree{} = tree, start) do
    data = new(tree.module, tree.id, tree.instance, tree.limits)

    case as_error(fn -> initialise_settled(data, tree) end) do
      {:ok, data} when start == :first ->
        {:ok, %{data | phase: tree.phase}}

      {:ok, data} ->
        {:ok, data, {:continue, :start_plugin}}

      {:error, _reason} = error ->
        {:error, reason} = bounded(error, data)
        if start == :again, do: log_failure(data, :init, reason)
        {:stop, {:shutdown, reason}}
    end
  end

  defp new(module, id, instance, limits) do
    # So that a shutdown reaches the plugin's stop/1.
    Process.flag(:trap_exit, true)
    Caller.enter(instance)
    Waiting.enter(instance, id)
    HeapLimit.note()
    :ok = Names.label(instance, {:plugin, id})
    # What the plugin logs, and how it crashes.
    Logger.metadata(plugin: id, instance: instance, version: module.__plugin__().version)
    Monitor.watch(instance, id, limits)
    %__MODULE__{module: module, id: id, instance: instance}
  end

  # With code that stays: that of an upgrade can be on its way back.
  defp initialise_settled(data, tree) do
    case UpgradeGuard.await_settled(data.instance, data.id) do
      %{upgrade: _undecided} ->
        {:error, :upgrade_interrupted}

      info ->
        %{module: module, config: config, secrets: secrets} = Tree.current(tree, info)
        data = %{data | module: module, secrets: secrets}

        with {:error, reason} <- as_error(fn -> initialise(data, config) end),
             do: {:error, conceal(reason, data)}
    end
  end

  defp log_failure(data, step, reason) do
    error = %Error{plugin: data.id, module: data.module, step: step, reason: reason}
    Log.failed(error, data.instance, "a plugin that has crashed cannot be started again: ")
  end

  defp initialise(%{module: module} = data, config) do
    init = if exports?(data, :init, 1), do: &module.init/1, else: &{:ok, &1}

    case Caller.in_callback(:init, fn -> init.(config) end) do
      {:ok, state} ->
        Process.put(@running_key, true)
        {:ok, %{data | state: state}}

      {:error, reason} ->
        {:error, reason}

      other ->
        {:error, {:bad_return, {module, :init, 1}, other}}
    end
  end

  @impl GenServer
  def handle_continue(:start_plugin, data) do
    case run_start(data) do
      {:ok, data} ->
        Log.warning(data.id, data.instance, "was restarted")
        Pipeline.Plugin.Events.emit(:plugin_restarted, %{id: data.id}, instance: data.instance)
        Pipeline.Plugin.Telemetry.plugin(:restarted, registered(data) || %{id: data.id}, data.instance)
        # For the plugins that restart with it.
        with manager when manager != nil <- Names.whereis(data.instance, :manager),
             do: send(manager, {:restarted, data.id})

        {:noreply, data}

      {:error, reason} ->
        {:stop, reason, data}
    end
  end

  # As errors with which a process does not start.
  defp as_error(fun) do
    fun.()
  catch
    :error, reason -> {:error, {reason, __STACKTRACE__}}
    :exit, reason -> {:error, reason}
    thrown -> {:error, {:bad_return_value, thrown}}
  end

  @impl GenServer
  def handle_call({:plugin_rpc, request}, _from, data) do
    cond do
      not exports?(data, :handle_rpc, 2) -> {:reply, {:error, {:no_rpc, data.id}}, data}
      OnError.declared(data.module) == :crash -> answered(data.module.handle_rpc(request, data.state), data)
      true -> request |> handle_rpc(data) |> answered(data)
    end
  end

  def handle_call(:start_plugin, _from, data) do
    case run_start(data) do
      {:ok, data} ->
        # A crash from here on does not fail the load.
        :ok = StartPhase.complete(data.phase)
        {:reply, :ok, data}

      {:error, reason} ->
        {:reply, bounded({:error, conceal(reason, data)}, data), data}
    end
  end

  # Until the manager says how it ended, what is sent to the plugin waits.
  def handle_call({:begin_upgrade, keeper}, {manager, _tag} = from, data) do
    upgrade = Process.monitor(keeper)
    GenServer.reply(from, {:ok, upgrade})
    data = await_upgrade(upgrade, manager, data, data, :infinity)
    Process.demonitor(upgrade, [:flush])
    Logger.metadata(version: data.module.__plugin__().version)
    {:noreply, data}
  end

  def handle_call({:update_config, update}, _from, %{module: module, state: state} = data) do
    asked = %{data | secrets: Secrets.merge(data.secrets, Update.secrets(update))}

    guard(asked, fn ->
      case Caller.in_callback(:update_config, fn ->
             Update.take(update, module, data.id, data.instance, state)
           end) do
        {:ok, answer, state} -> {:reply, bounded(conceal(answer, asked), data), %{data | state: state}}
        {:bad_return, other} -> {:stop, {:bad_return, {module, :update_config, 2}, other}, data}
      end
    end)
  end

  def handle_call(:health, _from, data) do
    answer = data.module |> Health.ask(data.state) |> conceal(data)
    answer = if HeapLimit.fits?(answer), do: answer, else: {{:unhealthy, {:too_large, data.id}}, nil}
    {:reply, answer, data}
  end

  def handle_call({:subscription, change, subscription}, _from, data) do
    {:reply, apply(Pipeline.Events.Subscription, change, [subscription]), data}
  end

  @impl GenServer
  def handle_cast({:plugin_message, message}, data), do: handle_message(message, data)

  @impl GenServer
  def handle_info({:pipeline_event, {:plugin, type}, payload} = event, data) do
    if exports?(data, :handle_event, 3) do
      keep(data, :handle_event, 3, data.module.handle_event(type, payload, data.state))
    else
      handle_message(event, data)
    end
  end

  # Not for the plugin itself, whose callbacks know nothing of it: it can subscribe to the event.
  def handle_info({:pipeline_events_dropped, count}, data) do
    Log.warning(data.id, data.instance, "was too slow and has missed #{count} events")
    Pipeline.Plugin.Events.emit(:events_dropped, %{id: data.id, count: count}, instance: data.instance)
    {:noreply, data}
  end

  # As a process that does not trap exits: a plugin lives and dies with what it has linked to.
  def handle_info({:EXIT, _from, :normal}, data), do: {:noreply, data}
  def handle_info({:EXIT, _from, reason}, data), do: {:stop, reason, data}
  def handle_info(message, data), do: handle_message(message, data)

  # A request that the plugin fails on is its caller's error, and nobody else's.
  defp handle_rpc(request, data) do
    case data.module.handle_rpc(request, data.state) do
      {answer, _value, _state} = answered when answer in [:reply, :error] -> answered
      other -> rpc_failed({:rpc_failed, data.id, {:bad_return, {data.module, :handle_rpc, 2}, other}}, data)
    end
  catch
    kind, reason -> data.module |> OnError.reason(data.id, kind, reason, __STACKTRACE__) |> rpc_failed(data)
  end

  defp rpc_failed(reason, data) do
    OnError.note(data.id, data.instance, reason)
    {:error, reason, data.state}
  end

  defp answered({:reply, reply, state}, data),
    do: {:reply, bounded({:ok, reply}, data), %{data | state: state}}

  defp answered({:error, reason, state}, data),
    do: {:reply, bounded({:error, conceal(reason, data)}, data), %{data | state: state}}

  defp answered(other, data), do: {:stop, {:bad_return, {data.module, :handle_rpc, 2}, other}, data}

  # Whatever ends this process is its exit reason, which is logged and sent to others.
  defoverridable handle_continue: 2, handle_call: 3, handle_cast: 2, handle_info: 2

  @impl GenServer
  def handle_continue(continue, data), do: guard(data, fn -> super(continue, data) end)

  @impl GenServer
  def handle_call(request, from, data), do: guard(data, fn -> super(request, from, data) end)

  @impl GenServer
  def handle_cast(message, data), do: guard(data, fn -> super(message, data) end)

  @impl GenServer
  def handle_info(message, data), do: guard(data, fn -> super(message, data) end)

  defp guard(data, callback) do
    case callback.() do
      {:stop, reason, stopped} -> {:stop, ending(reason, data), stopped}
      other -> other
    end
  catch
    kind, reason -> :erlang.raise(kind, ending(reason, data), Stacktrace.told(__STACKTRACE__))
  end

  # It is copied to all that are linked to this process or watch it.
  defp ending(reason, data),
    do: if(HeapLimit.fits?(reason), do: conceal(reason, data), else: {:too_large, data.id})

  defp conceal(reason, data), do: Secrets.conceal_reason(reason, secrets(data))

  defp secrets(data), do: Secrets.merge(data.secrets, registered(data)[:secrets])

  # Nothing is registered of a plugin that the user supervises, nor where its instance has ended.
  defp registered(data) do
    Registry.info(Registry.owned(data.instance), data.id)
  rescue
    ArgumentError -> nil
  end

  # From Elixir 1.17 on GenServer knows this callback of OTP 25.
  if {:format_status, 1} in GenServer.behaviour_info(:callbacks), do: @impl(GenServer)
  @doc false
  @spec format_status(map) :: map
  def format_status(%{state: %__MODULE__{} = data} = status) do
    status
    |> Map.take([:message, :reason, :log])
    |> Map.new(fn {key, value} -> {key, conceal(value, data)} end)
    |> Map.put(:state, shown(data))
  end

  def format_status(status), do: status

  @doc false
  # The state as tools show it.
  @spec shown(struct) :: map
  def shown(%__MODULE__{} = data) do
    state = if exports?(data, :format_status, 1), do: formatted(data), else: data.state
    %{plugin: data.id, module: data.module, instance: data.instance, state: conceal(state, data)}
  end

  defp formatted(data) do
    data.module.format_status(data.state)
  rescue
    error -> {:format_status_failed, error.__struct__}
  catch
    kind, _reason -> {:format_status_failed, kind}
  end

  @impl GenServer
  def terminate(reason, data) do
    guard(data, fn -> stop_plugin(data) end)
    :ok
  after
    conceal_own(secrets(data))
    Termination.end_started(if reason == :normal, do: :shutdown, else: reason)
  end

  defp stop_plugin(data) do
    if Process.get(@running_key) && exports?(data, :stop, 1),
      do: Caller.in_callback(:stop, fn -> data.module.stop(data.state) end)
  end

  # A crash report shows the process dictionary and the messages that are left.
  defp conceal_own(nil), do: :ok

  defp conceal_own(secrets) do
    for {key, value} <- Process.get(), do: Process.put(key, Secrets.conceal(value, secrets))
    for message <- mailbox(), do: send(self(), Secrets.conceal(message, secrets))
    :ok
  end

  defp mailbox do
    receive do
      message -> [message | mailbox()]
    after
      0 -> []
    end
  end

  defp handle_message(message, data) do
    if exports?(data, :handle_message, 2) do
      keep(data, :handle_message, 2, data.module.handle_message(message, data.state))
    else
      text = "has no handle_message/2 and dropped #{Foreign.term(conceal(message, data))}"
      Log.warning(data.id, data.instance, text)

      {:noreply, data}
    end
  end

  defp keep(data, _name, _arity, {:ok, state}), do: {:noreply, %{data | state: state}}

  defp keep(data, name, arity, other) do
    {:stop, {:bad_return, {data.module, name, arity}, other}, data}
  end

  @doc false
  # Runs `code_change/3` of the version to be, in a plugin process that has begun an upgrade.
  @spec change_code(pid, reference, module, Pipeline.Plugin.version(), term, timeout) :: :ok | {:error, term}
  def change_code(pid, upgrade, module, from_version, extra, timeout) do
    monitor = Process.monitor(pid)
    send(pid, {upgrade, :change, module, from_version, extra})

    receive do
      {^upgrade, :changed, result} ->
        Process.demonitor(monitor, [:flush])
        result

      {:DOWN, ^monitor, :process, ^pid, reason} ->
        {:error, reason}
    after
      timeout ->
        # It could come back any time with a state that nobody waits for.
        Process.exit(pid, :kill)

        receive do
          {:DOWN, ^monitor, :process, ^pid, _reason} -> {:error, :timeout}
        end
    end
  end

  @doc false
  @spec end_upgrade(pid, reference, :commit | :rollback) :: :ok
  def end_upgrade(pid, upgrade, outcome) do
    send(pid, {upgrade, outcome})
    :ok
  end

  defp await_upgrade(upgrade, manager, old, new, next_look) do
    [parent | _] = Process.get(:"$ancestors")

    receive do
      # Who is to decide may come only after this process has ended. It ends where such exits are dealt with.
      {:EXIT, ^parent, _reason} = ending ->
        send(self(), ending)
        old

      {^upgrade, :change, module, from_version, extra} ->
        {result, new} = changed(old, module, from_version, extra)
        result = with {:error, reason} <- result, do: {:error, conceal(reason, old)}
        send(manager, {upgrade, :changed, result})
        await_upgrade(upgrade, manager, old, new, next_look)

      {^upgrade, :commit} ->
        new

      {^upgrade, :rollback} ->
        old

      # The manager has ended, and the keeper has settled what it left; or the keeper was killed.
      {:DOWN, ^upgrade, :process, _keeper, _reason} ->
        await_upgrade(upgrade, manager, old, new, 0)
    after
      next_look ->
        # A manager that lives tells, also before it has noted the upgrade.
        case not Process.alive?(manager) && Registry.info(Registry.owned(old.instance), old.id) do
          false -> await_upgrade(upgrade, manager, old, new, UpgradeGuard.pause())
          %{upgrade: _open} -> await_upgrade(upgrade, manager, old, new, UpgradeGuard.pause())
          %{history: [%{reason: {:upgrade, ^upgrade, _, _}} | _]} -> new
          _ -> old
        end
    end
  end

  defp changed(old, module, from_version, extra) do
    new = %{old | module: module}

    if exports?(new, :code_change, 3) do
      case Caller.in_callback(:code_change, fn -> module.code_change(from_version, old.state, extra) end) do
        {:ok, state} -> {:ok, %{new | state: state}}
        {:error, reason} -> {{:error, reason}, old}
        other -> {{:error, {:bad_return, {module, :code_change, 3}, other}}, old}
      end
    else
      {:ok, new}
    end
  catch
    :error, reason -> {{:error, {Foreign.normalize(reason, __STACKTRACE__), __STACKTRACE__}}, old}
    kind, reason -> {{:error, {kind, reason}}, old}
  end

  defp run_start(data) do
    if exports?(data, :start, 1) do
      case Caller.in_callback(:start, fn -> data.module.start(data.state) end) do
        {:ok, state} -> {:ok, %{data | state: state}}
        {:error, reason} -> {:error, reason}
        other -> {:error, {:bad_return, {data.module, :start, 1}, other}}
      end
    else
      {:ok, data}
    end
  end

  # An answer is copied to the caller, where no limit of this process holds.
  defp bounded(answer, data),
    do: if(HeapLimit.fits?(answer), do: answer, else: {:error, {:too_large, data.id}})

  defp exports?(data, name, arity), do: function_exported?(data.module, name, arity)

  defimpl Inspect do
    import Inspect.Algebra

    def inspect(data, opts) do
      concat(["#Pipeline.Plugin.Wrapper<", to_doc(Pipeline.Plugin.Wrapper.shown(data), opts), ">"])
    end
  end
end
