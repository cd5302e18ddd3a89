defmodule Pipeline.Hook.ClosedPointTest do
  # `fail: :closed` and `required: true`: what a run returns while the plugin that guards a point does not run.
  use Pipeline.InstanceCase, async: true

  alias Pipeline.Plugin.RPC

  defmodule Hooks do
    use Pipeline.Hook.Spec

    hookpoint :authorize, kinds: [:before], fail: :closed
    hookpoint :votes, mode: :collect, fail: :closed
    hookpoint :told, mode: :notify, fail: :closed
    hookpoint :chosen, mode: :first, fail: :closed
    hookpoint :greet
    hookpoint :route, mode: :first, required: true
    hookpoint :store, required: true
  end

  defmodule OwnHooks do
    use Pipeline.Hook.Spec
    hookpoint :admit, fail: :closed
  end

  defp start!(context, opts) do
    name = {context.test, make_ref()}

    start_supervised!(
      {Manager, [name: name, restart: [max: 0, backoff: [min: 3_600_000, max: 3_600_000]]] ++ opts},
      id: name
    )

    name
  end

  defp guard do
    plugin id: :guard, hooks: Hooks, on_rpc_error: :crash do
      hook :before, :authorize do
        def authorize(_context, _next), do: throw({:hook_error, :denied})
      end

      hook :listen, :votes do
        def votes(_context), do: :no
      end

      hook :listen, :told do
        def told(_context), do: :ok
      end

      hook :listen, :chosen do
        def chosen(_context), do: :guard
      end

      hook :before, :greet do
        def greet(context, next), do: next.([:greeted | context])
      end

      @impl Pipeline.Plugin
      def init(config), do: if(fails?(config), do: {:error, :no_ldap}, else: {:ok, config})

      @impl Pipeline.Plugin
      def handle_rpc(:crash, _), do: exit({:shutdown, :lost_ldap})

      defp fails?(%{flag: flag}), do: :counters.get(flag, 1) > 0
      defp fails?(_config), do: false
    end
  end

  defp down(id, state, kind \\ :before, point \\ :authorize) do
    {:error, %Hook.Error{plugin: id, point: point, kind: kind, reason: {:plugin_down, id, state}}}
  end

  defp crash(instance) do
    :ok = Events.subscribe(self(), :plugin_failed, instance: instance)
    _ = RPC.call(:guard, :crash, 5_000, instance: instance)
    assert_receive {:pipeline_event, {:plugin, :plugin_failed}, %{id: :guard}}, 5_000
    :ok = Events.unsubscribe(self(), :plugin_failed, instance: instance)
  end

  test "a guard whose process gave up closes its points, on each kind of run, until it is unloaded",
       context do
    instance = start!(context, hooks: Hooks)
    {:ok, :guard} = Manager.load_plugin(guard(), %{}, instance: instance)
    assert Hook.run(instance, :authorize, %{}, nil) == {:error, :denied}
    assert Hook.down(instance: instance) == %{}

    crash(instance)
    core = fn _ -> flunk("the base operation of a closed point was reached") end
    assert Hook.run(instance, :authorize, %{}, nil) == down(:guard, :failed)
    assert Hook.run(instance, :authorize, %{}, core) == down(:guard, :failed)
    assert Hook.run(:authorize, %{}, core, instance: instance, only: [:guard]) == down(:guard, :failed)
    assert Hook.run(instance, :votes, %{}, nil) == down(:guard, :failed, :listen, :votes)
    assert Hook.run(instance, :told, %{}, nil) == down(:guard, :failed, :listen, :told)
    assert Hook.run(instance, :chosen, %{}, nil) == down(:guard, :failed, :listen, :chosen)
    # Others pass without it.
    assert Hook.run(instance, :greet, [], nil) == {:ok, []}
    assert %{authorize: %{guard: :failed}, votes: _, told: _, chosen: _} = Hook.down(instance: instance)

    {:error, error} = down(:guard, :failed)

    assert Exception.message(error) ==
             "the hook point :authorize is closed: plugin :guard, which guards it, is failed. It opens when the plugin " <>
               "runs, or once it is disabled or unloaded"

    # Traced and measured runs too.
    {:ok, _} = Hook.trace(:authorize, instance: instance)
    for _ <- 1..2_000, do: assert(Hook.run(instance, :authorize, %{}, core) == down(:guard, :failed))
    assert %{failures: failures} = Hook.stats(:authorize, instance: instance)
    assert failures >= 2_000

    :ok = Manager.unload_plugin(:guard, instance: instance)
    assert Hook.run(instance, :authorize, 1, nil) == {:ok, 1}
    assert Hook.run(instance, :told, 1, nil) == :ok
    assert Hook.down(instance: instance) == %{}
  end

  test "no selection of hooks passes a guard that is down", context do
    instance = start!(context, hooks: Hooks)
    {:ok, :guard} = Manager.load_plugin(guard(), %{}, instance: instance)
    selections = [[except: [:guard]], [only: [:other]], [only: []], [only: [:guard], except: [:guard]]]
    run = &Hook.run(:authorize, 1, nil, [instance: instance] ++ &1)
    # The caller's own word, of a guard that runs.
    for selection <- selections, do: assert(run.(selection) == {:ok, 1})
    crash(instance)
    for selection <- selections, do: assert(run.(selection) == down(:guard, :failed))
    :ok = Manager.unload_plugin(:guard, instance: instance)
    for selection <- selections, do: assert(run.(selection) == {:ok, 1})
  end

  test "the chain shows the hooks that are down", context do
    instance = start!(context, hooks: Hooks)
    {:ok, :guard} = Manager.load_plugin(guard(), %{}, instance: instance)
    [shown] = Hook.chain(:authorize, instance: instance)
    refute is_map_key(shown, :down)
    crash(instance)

    assert Hook.chain(:authorize, instance: instance) == [Map.put(shown, :down, :failed)]
    assert Hook.chain(:greet, instance: instance) == []
    :ok = Manager.disable_plugin(:guard, instance: instance)
    assert Hook.chain(:authorize, instance: instance) == []
  end

  @tag :capture_log
  test "restart_plugin closes them while the process is away, unless runs wait", context do
    instance = start!(context, hooks: Hooks)
    test = self()

    guard =
      plugin id: :guard, hooks: Hooks do
        hook :before, :authorize do
          def authorize(_context, _next), do: throw({:hook_error, :denied})
        end

        @impl Pipeline.Plugin
        def init(%{test: test} = config) do
          send(test, {:init, self()})
          receive do: (answer -> if(answer == :go, do: {:ok, config}, else: {:error, answer}))
        end
      end

    answer = fn answer ->
      assert_receive {:init, pid}, 5_000
      send(pid, answer)
    end

    load = Task.async(fn -> Manager.load_plugin(guard, %{test: test}, instance: instance) end)
    answer.(:go)
    {:ok, :guard} = Task.await(load)

    restart = fn opts ->
      Task.async(fn -> Manager.restart_plugin(:guard, [instance: instance] ++ opts) end)
    end

    restarting = restart.([])
    assert_receive {:init, pid}, 5_000
    assert Hook.run(instance, :authorize, 1, nil) == down(:guard, :restarting)
    assert %{authorize: %{guard: :restarting}} == Hook.down(instance: instance)
    send(pid, :go)
    :ok = Task.await(restarting)
    assert Hook.run(instance, :authorize, 1, nil) == {:error, :denied}
    assert Hook.down(instance: instance) == %{}

    restarting = restart.(runs: :wait)
    assert_receive {:init, pid}, 5_000
    run = Task.async(fn -> Hook.run(instance, :authorize, 1, nil) end)
    assert Task.yield(run, 20) == nil
    send(pid, :go)
    :ok = Task.await(restarting)
    assert Task.await(run) == {:error, :denied}

    restarting = restart.([])
    answer.(:no_ldap)
    {:error, _} = Task.await(restarting)
    assert Hook.run(instance, :authorize, 1, nil) == down(:guard, :failed)

    # The manager ends while the process is away.
    enable = Task.async(fn -> Manager.enable_plugin(:guard, instance: instance) end)
    answer.(:go)
    {:ok, :started} = Task.await(enable)
    {:ok, restarting} = Task.start(fn -> Manager.restart_plugin(:guard, instance: instance) end)
    assert_receive {:init, pid}, 5_000
    manager = Pipeline.Instance.Names.whereis(instance, :manager)
    kill(manager)
    assert Hook.run(instance, :authorize, 1, nil) == down(:guard, :restarting)
    Process.exit(restarting, :kill)
    send(pid, :go)
    answer.(:go)
    await_other_manager(instance, manager)
    await_up(instance)
    assert Hook.run(instance, :authorize, 1, nil) == {:error, :denied}
  end

  defp await_up(instance) do
    if Hook.down(instance: instance) != %{}, do: await_up(instance)
  end

  test "a hook that an operator has switched off guards nothing, whether its plugin runs or not", context do
    instance = start!(context, hooks: Hooks)
    opts = [instance: instance]
    {:ok, :guard} = Manager.load_plugin(guard(), %{}, opts)
    :ok = Manager.configure_hook(:guard, :authorize, [enabled: false] ++ opts)
    assert Hook.run(instance, :authorize, 1, nil) == {:ok, 1}
    crash(instance)
    assert Hook.run(instance, :authorize, 1, nil) == {:ok, 1}
    assert Hook.run(instance, :votes, 1, nil) == down(:guard, :failed, :listen, :votes)

    :ok = Manager.configure_hook(:guard, :authorize, [enabled: true] ++ opts)
    assert Hook.run(instance, :authorize, 1, nil) == down(:guard, :failed)
    :ok = Manager.configure_hook(:guard, :authorize, [enabled: false] ++ opts)
    assert Hook.run(instance, :authorize, 1, nil) == {:ok, 1}
    {:ok, :started} = Manager.enable_plugin(:guard, opts)
    assert Hook.run(instance, :authorize, 1, nil) == {:ok, 1}
    :ok = Manager.configure_hook(:guard, :authorize, [enabled: nil] ++ opts)
    assert Hook.run(instance, :authorize, 1, nil) == {:error, :denied}
  end

  test "disabling takes the hooks away, and enabling brings them back, down again if that fails", context do
    instance = start!(context, hooks: Hooks)
    flag = :counters.new(1, [])
    {:ok, :guard} = Manager.load_plugin(guard(), %{flag: flag}, instance: instance)
    crash(instance)
    :ok = Manager.disable_plugin(:guard, instance: instance)
    assert Hook.run(instance, :authorize, 1, nil) == {:ok, 1}
    {:ok, :started} = Manager.enable_plugin(:guard, instance: instance)
    assert Hook.run(instance, :authorize, 1, nil) == {:error, :denied}

    :ok = Manager.disable_plugin(:guard, instance: instance)
    assert Hook.run(instance, :authorize, 1, nil) == {:ok, 1}
    :counters.add(flag, 1, 1)
    {:error, _} = Manager.enable_plugin(:guard, instance: instance)
    assert Hook.run(instance, :authorize, 1, nil) == down(:guard, :failed)
  end

  test "a guard that is held, by an operator or for want of another, closes them", context do
    instance = start!(context, hooks: Hooks)

    base =
      plugin id: :base do
      end

    guard =
      plugin id: :guard, hooks: Hooks do
        depends_on :base

        hook :before, :authorize do
          def authorize(_context, _next), do: throw({:hook_error, :denied})
        end
      end

    {:ok, _} = Manager.load_plugins([base, guard], instance: instance)
    :ok = Manager.hold_plugin(:guard, instance: instance)
    assert Hook.run(instance, :authorize, 1, nil) == down(:guard, :held)
    {:ok, :started} = Manager.enable_plugin(:guard, instance: instance)
    assert Hook.run(instance, :authorize, 1, nil) == {:error, :denied}

    :ok = Manager.disable_plugin(:base, instance: instance)
    assert Hook.run(instance, :authorize, 1, nil) == down(:guard, :held)
    :ok = Manager.unload_plugin(:guard, instance: instance)
    assert Hook.run(instance, :authorize, 1, nil) == {:ok, 1}
  end

  test "a guard of the configuration closes them until it runs", context do
    instance = {context.test, :boot}
    test = self()

    guard =
      plugin id: :guard, hooks: Hooks do
        hook :before, :authorize do
          def authorize(_context, _next), do: throw({:hook_error, :denied})
        end

        @impl Pipeline.Plugin
        def init(%{test: test} = config) do
          send(test, {:init, self()})
          receive do: (:go -> {:ok, config})
        end
      end

    start =
      Task.async(fn ->
        {:ok, pid} = Manager.start_link(name: instance, hooks: Hooks, plugins: [{guard, %{test: test}}])
        Process.unlink(pid)
        pid
      end)

    assert_receive {:init, pid}, 5_000
    assert Hook.run(instance, :authorize, 1, nil) == down(:guard, :loading)
    send(pid, :go)
    pid = Task.await(start)
    assert Hook.run(instance, :authorize, 1, nil) == {:error, :denied}
    Supervisor.stop(pid)
  end

  @tag :capture_log
  test "a guard that was refused at the start closes them; one that cannot be read closes all", context do
    flag = :counters.new(1, [])
    :counters.add(flag, 1, 1)
    instance = start!(context, hooks: Hooks, plugins: [{guard(), %{flag: flag}}])
    assert Hook.run(instance, :authorize, 1, nil) == down(:guard, :failed)
    assert Hook.run(instance, :votes, 1, nil) == down(:guard, :failed, :listen, :votes)

    instance = start!(context, hooks: Hooks, plugins: [No.Such.Plugin])
    assert Hook.run(instance, :authorize, 1, nil) == down(No.Such.Plugin, :failed, nil)
    assert Hook.run(instance, :authorize, 1, &flunk/1) == down(No.Such.Plugin, :failed, nil)

    assert Hook.run(:authorize, 1, nil, instance: instance, except: [:guard, No.Such.Plugin]) ==
             down(No.Such.Plugin, :failed, nil)

    assert Hook.run(instance, :greet, 1, nil) == {:ok, 1}

    # An operator takes it out by the name that it is configured with.
    :ok = Manager.unload_plugin(No.Such.Plugin, instance: instance)
    assert Hook.run(instance, :authorize, 1, nil) == {:ok, 1}
    assert {:error, %{reason: {:not_loaded, _}}} = Manager.unload_plugin(No.Such.Plugin, instance: instance)
  end

  @tag :capture_log
  test "they stay closed while the manager is killed and starts again", context do
    instance = start!(context, hooks: Hooks)
    {:ok, :guard} = Manager.load_plugin(guard(), %{}, instance: instance)
    crash(instance)
    manager = Pipeline.Instance.Names.whereis(instance, :manager)
    runner = Task.async(fn -> keep_running(instance, []) end)
    kill(manager)
    await_other_manager(instance, manager)
    send(runner.pid, :stop)
    assert Task.await(runner) == [down(:guard, :failed)]
    # The new one knows of it.
    :ok = Manager.disable_plugin(:guard, instance: instance)
    assert Hook.run(instance, :authorize, 1, nil) == {:ok, 1}
  end

  defp keep_running(instance, seen) do
    seen = Enum.uniq([Hook.run(instance, :authorize, 1, nil) | seen])

    receive do
      :stop -> seen
    after
      0 -> keep_running(instance, seen)
    end
  end

  defp kill(pid) do
    monitor = Process.monitor(pid)
    Process.exit(pid, :kill)
    assert_receive {:DOWN, ^monitor, _, _, _}
  end

  defp await_other_manager(instance, manager) do
    case Pipeline.Instance.Names.whereis(instance, :manager) do
      pid when pid in [nil, manager] -> await_other_manager(instance, manager)
      pid -> :sys.get_state(pid)
    end
  end

  test "a plugin's own spec closes points too, where the instance has none", context do
    instance = start!(context, [])

    guard =
      plugin id: :guard, hooks: OwnHooks, on_rpc_error: :crash do
        hook :before, :admit do
          def admit(_context, _next), do: throw({:hook_error, :denied})
        end

        @impl Pipeline.Plugin
        def handle_rpc(:crash, _), do: exit({:shutdown, :lost_ldap})
      end

    {:ok, :guard} = Manager.load_plugin(guard, %{}, instance: instance)
    crash(instance)
    assert Hook.run(instance, :admit, 1, nil) == down(:guard, :failed, :before, :admit)
    :ok = Manager.unload_plugin(:guard, instance: instance)
    assert Hook.run(instance, :admit, 1, nil) == {:ok, 1}
  end

  test "a run of a point that the instance does not declare raises with a suggestion, unless its spec is open",
       context do
    instance = start!(context, hooks: Hooks)
    unknown = ~r/unknown hook point :authorise: .* Did you mean :authorize\?/
    opts = [instance: instance]
    assert_raise ArgumentError, unknown, fn -> Hook.run(instance, :authorise, 1, nil) end
    assert_raise ArgumentError, unknown, fn -> Hook.run(instance, :authorise, 1, & &1) end
    assert_raise ArgumentError, unknown, fn -> Hook.run(:authorise, 1, nil, [only: [:x]] ++ opts) end
    assert_raise ArgumentError, unknown, fn -> Hook.run(:authorise, 1, & &1, [only: [:x]] ++ opts) end
    assert_raise ArgumentError, unknown, fn -> Hook.trace(:authorise, opts) end
    assert_raise ArgumentError, unknown, fn -> Hook.run(instance, :authorise, 1, nil) end

    defmodule OpenHooks do
      use Pipeline.Hook.Spec, open: true
      hookpoint :authorize
    end

    instance = start!(context, hooks: OpenHooks)
    assert Hook.run(instance, :authorise, 1, nil) == {:ok, 1}
    {:ok, _} = Hook.trace(:authorise, instance: instance)
  end

  test "a point that is no atom raises" do
    for point <- ["authorize", {:a, :b, :c, :d}, 1] do
      assert_raise FunctionClauseError, fn -> Hook.run(point, 1) end
      assert_raise FunctionClauseError, fn -> Hook.run(point, 1, & &1) end
      assert_raise FunctionClauseError, fn -> Hook.run(Pipeline.Plugin, point, 1, & &1) end
      assert_raise FunctionClauseError, fn -> Hook.run(point, 1, nil, []) end
    end
  end

  test "a required point refuses runs without a hook", context do
    instance = start!(context, hooks: Hooks)
    assert Hook.run(instance, :route, 1, nil) == {:error, {:no_hook, :route}}
    assert Hook.run(instance, :store, 1, &flunk/1) == {:error, {:no_hook, :store}}

    storing =
      plugin id: :storing, hooks: Hooks do
        hook :replace, :store do
          def store(context, _next), do: {:stored, context}
        end

        hook :listen, :route do
          def route(_context), do: nil
        end
      end

    {:ok, :storing} = Manager.load_plugin(storing, %{}, instance: instance)
    assert Hook.run(instance, :store, 1, nil) == {:ok, {:stored, 1}}
    assert Hook.run(instance, :route, 1, nil) == {:ok, nil}
    assert Hook.run(:store, 1, nil, instance: instance, except: [:storing]) == {:error, {:no_hook, :store}}
    :ok = Manager.unload_plugin(:storing, instance: instance)
    assert Hook.run(instance, :store, 1, nil) == {:error, {:no_hook, :store}}
  end
end
