defmodule Pipeline.Plugin.ResourcesTest do
  # What follows from a limit is logged.
  use Pipeline.InstanceCase, async: true

  alias Pipeline.Instance.Names
  alias Pipeline.Plugin.Error
  alias Pipeline.Plugin.Resources

  @moduletag :capture_log

  defmodule Glutton do
    defmacro __using__(_) do
      quote do
        @impl Pipeline.Plugin
        def init(config), do: {:ok, Map.put(config, :kept, [])}

        @impl Pipeline.Plugin
        def start(state) do
          if test = state[:test], do: send(test, {:start, __plugin__().id, self()})
          {:ok, state}
        end

        @impl Pipeline.Plugin
        def stop(state) do
          if test = state[:test], do: send(test, {:stop, __plugin__().id})
          :ok
        end

        @impl Pipeline.Plugin
        def handle_rpc({:keep, n}, state), do: {:reply, :ok, %{state | kept: Enum.to_list(1..n)}}
        def handle_rpc(:drop, state), do: {:reply, :erlang.garbage_collect(), %{state | kept: []}}
        def handle_rpc(:pid, state), do: {:reply, self(), state}
        def handle_rpc({:work, n}, state), do: {:reply, Enum.sum(Enum.to_list(1..n)), state}

        @impl Pipeline.Plugin
        def handle_message(:wait, state), do: receive(do: (:never -> {:ok, state}))
        def handle_message(_other, state), do: {:ok, state}
      end
    end
  end

  # No sample but those that a test takes.
  setup %{instance: instance} do
    name = :"#{instance} quiet"
    start_supervised!({Manager, name: name, sample_interval: :infinity, restart: stay_failed()}, id: name)

    for type <- [:plugin_limit_exceeded, :plugin_unloaded, :plugin_failed],
        do: Events.subscribe(self(), type, instance: name)

    {:ok, instance: name, opts: [instance: name]}
  end

  defp load(id, limits, opts, config \\ %{}) do
    module =
      plugin id: id, limits: limits do
        use Glutton
      end

    {:ok, ^id} = Manager.load_plugin(module, config, opts)
    module
  end

  defp pid(id, opts), do: Manager.plugin_info!(id, opts).pid
  defp call(id, request, opts), do: RPC.call(id, request, 5000, opts)

  defp kill(pid) do
    monitor = Process.monitor(pid)
    Process.exit(pid, :kill)
    assert_receive {:DOWN, ^monitor, _, _, _}
  end

  describe "limits" do
    test "are declared by the plugin, given at load, and for all of an instance", %{
      instance: instance,
      opts: opts
    } do
      load(:plain, [], opts)
      assert Manager.plugin_info!(:plain, opts).limits == %{}

      load(:own, [memory: 1_000_000, max_heap: 500_000, message_queue: {10, :hold}], opts)

      assert Manager.plugin_info!(:own, opts).limits ==
               %{memory: {1_000_000, :warn}, max_heap: {500_000, :kill}, message_queue: {10, :hold}}

      name = :"#{instance} with limits"
      limits = [memory: {2, :restart}, message_queue: 2, reductions_per_second: 2]
      start_supervised!({Manager, name: name, limits: limits, sample_interval: :infinity}, id: name)
      load(:own, [message_queue: 3, memory: 3], instance: name, limits: [memory: {4, :unload}])

      assert Manager.plugin_info!(:own, instance: name).limits ==
               %{memory: {4, :unload}, message_queue: {3, :warn}, reductions_per_second: {2, :warn}}
    end

    test "that are wrong are refused, in a plugin when it compiles" do
      compile = fn limits ->
        compile_error(
          "defmodule Pipeline.WrongLimits do\n  use Pipeline.Plugin, id: :x, limits: #{limits}\nend"
        )
      end

      assert compile.("[memry: 1]") =~
               "plugin.ex:2: unknown option :memry of limits:. Did you mean :memory? " <>
                 "Known: :max_heap, :memory, :message_queue, :reductions_per_second"

      assert compile.("[memory: 0]") =~ "the limit of :memory is a positive number, got: 0"
      assert compile.("[memory: :lots]") =~ "the limit of :memory is a number or {number, action}, got: :lots"
      assert compile.("[max_heap: 10]") =~ "the limit of :max_heap is at least 16384 bytes, got: 10"

      assert compile.("[memory: {1, :restrt}]") =~
               "the action of :memory is one of :warn, :restart, :hold, :unload, got: :restrt. Did you mean :restart?"
    end

    test "that are wrong are refused at load and of an instance", %{opts: opts} do
      module = plugin([id: :x], do: nil)

      assert_raise ArgumentError, ~r/unknown option :memry of limits:/, fn ->
        Manager.load_plugin(module, %{}, [limits: [memry: 1]] ++ opts)
      end

      assert_raise ArgumentError, ~r/the limit of :memory/, fn ->
        Manager.start_link(name: :x, limits: [memory: 0])
      end

      assert_raise ArgumentError, ~r/sample_interval: is/, fn ->
        Manager.start_link(name: :x, sample_interval: 0)
      end
    end
  end

  describe "a sample" do
    test "warns once of a plugin that is beyond a limit, until it has been below", %{opts: opts} do
      load(:big, [memory: 200_000], opts)
      assert Resources.sample(opts) == []

      :ok = elem(call(:big, {:keep, 50_000}, opts), 1)

      assert [%{id: :big, what: :memory, limit: 200_000, value: value, action: :warn} = exceeded] =
               Resources.sample(opts)

      assert value > 200_000
      assert_received {:pipeline_event, {:plugin, :plugin_limit_exceeded}, ^exceeded}

      assert [%{what: :memory}] = Resources.sample(opts)
      refute_received {:pipeline_event, _, _}

      {:ok, true} = call(:big, :drop, opts)
      {:ok, true} = call(:big, :drop, opts)
      assert Resources.sample(opts) == []
      :ok = elem(call(:big, {:keep, 50_000}, opts), 1)
      assert [_] = Resources.sample(opts)
      assert_received {:pipeline_event, {:plugin, :plugin_limit_exceeded}, %{id: :big}}
      assert Manager.plugin_info!(:big, opts).state == :started
    end

    test "logs what it found", %{opts: opts} do
      load(:big, [memory: 1], opts)

      assert ExUnit.CaptureLog.capture_log(fn -> Resources.sample(opts) end) =~
               ~r/plugin :big exceeds its limit: memory is \d+, more than 1 \(warn\)/
    end

    test "restarts a plugin, with its stop/1 and its configuration", %{opts: opts} do
      load(:big, [memory: {200_000, :restart}], opts, %{test: self()})
      assert_receive {:start, :big, pid}
      :ok = elem(call(:big, {:keep, 50_000}, opts), 1)
      assert [%{what: :memory, action: :restart}] = Resources.sample(opts)
      assert_receive {:stop, :big}
      assert_receive {:start, :big, again} when again != pid
      assert {:ok, ^again} = call(:big, :pid, opts)
      assert Resources.sample(opts) == []
      assert {:ok, %{restarts: 1}} = Resources.monitor_plugin(:big, opts)
    end

    test "restarts a plugin that does not look at its messages", %{opts: opts} do
      load(:deaf, [message_queue: {10, :restart}], opts, %{test: self()})
      assert_receive {:start, :deaf, pid}
      send(pid, :wait)
      for n <- 1..20, do: send(pid, n)
      assert [%{what: :message_queue, limit: 10, value: value}] = Resources.sample(opts)
      assert value in 11..21
      assert_receive {:start, :deaf, again} when again != pid, 20_000
      refute Process.alive?(pid)
    end

    test "gives up a plugin that is beyond its limit again and again", %{opts: opts} do
      load(:big, [memory: {1, :restart}], opts, %{test: self()})
      assert_receive {:start, :big, _}
      restart_until_failed(opts)
      assert %{state: :failed, pid: nil} = Manager.plugin_info!(:big, opts)
      assert Resources.sample(opts) == []
    end

    defp restart_until_failed(opts) do
      assert [%{id: :big, action: :restart}] = Resources.sample(opts)

      receive do
        {:start, :big, _pid} -> restart_until_failed(opts)
        {:pipeline_event, {:plugin, :plugin_failed}, %{id: :big}} -> :ok
      after
        10_000 -> flunk("neither restarted nor failed")
      end
    end

    test "unloads a plugin with those that depend on it", %{opts: opts} do
      load(:big, [memory: {1, :unload}], opts)

      dependent =
        plugin id: :dependent do
          depends_on(:big)
        end

      {:ok, :dependent} = Manager.load_plugin(dependent, %{}, opts)
      assert [%{id: :big, action: :unload}] = Resources.sample(opts)
      assert_receive {:pipeline_event, {:plugin, :plugin_unloaded}, %{id: :dependent}}
      assert_receive {:pipeline_event, {:plugin, :plugin_unloaded}, %{id: :big}}
    end

    test "holds a plugin, which takes its hooks out", %{opts: opts} do
      module =
        plugin id: :big, limits: [memory: {1, :hold}] do
          hook :before, :step do
            def step(context, next), do: next.([:big | context])
          end
        end

      {:ok, :big} = Manager.load_plugin(module, %{}, opts)
      pid = pid(:big, opts)
      monitor = Process.monitor(pid)
      assert [%{action: :hold}] = Resources.sample(opts)
      assert_receive {:DOWN, ^monitor, _, _, _}
      assert Hook.run(opts[:instance], :step, [], & &1) == {:ok, []}
    end

    test "tells all limits, and does the harshest", %{opts: opts} do
      load(:big, [memory: {1, :unload}, max_heap: {20_000, :warn}], opts)
      :ok = elem(call(:big, {:keep, 50_000}, opts), 1)
      exceeded = Resources.sample(opts)
      assert [%{action: :warn}, %{action: :unload}] = Enum.sort_by(exceeded, & &1.what)
      for one <- exceeded, do: assert_received({:pipeline_event, {:plugin, :plugin_limit_exceeded}, ^one})
      assert_receive {:pipeline_event, {:plugin, :plugin_unloaded}, %{id: :big}}
    end

    test "counts work by the second, between two samples", %{opts: opts} do
      load(:busy, [reductions_per_second: 1], opts)
      assert Resources.sample(opts) == []
      assert {:ok, %{reductions_per_second: nil}} = Resources.monitor_plugin(:busy, opts)
      {:ok, _} = call(:busy, {:work, 100_000}, opts)
      assert [%{id: :busy, what: :reductions_per_second, value: value}] = Resources.sample(opts)
      assert value > 1
      assert {:ok, %{reductions_per_second: ^value}} = Resources.monitor_plugin(:busy, opts)
    end

    test "is taken again and again by itself", %{instance: instance} do
      name = :"#{instance} sampling"
      start_supervised!({Manager, name: name, sample_interval: 5}, id: name)
      Events.subscribe(self(), :plugin_limit_exceeded, instance: name)
      load(:big, [memory: 1], instance: name)
      assert_receive {:pipeline_event, {:plugin, :plugin_limit_exceeded}, %{id: :big}}
    end
  end

  describe "max_heap" do
    test "has the VM kill a process that needs more, which is told and restarted", %{opts: opts} do
      load(:big, [max_heap: 400_000], opts, %{test: self()})
      assert_receive {:start, :big, pid}
      assert {:error, {:crashed, :big, :killed}} = call(:big, {:keep, 1_000_000}, opts)
      assert_receive {:start, :big, again} when again != pid

      assert_receive {:pipeline_event, {:plugin, :plugin_limit_exceeded}, exceeded}
      assert exceeded == %{id: :big, what: :max_heap, limit: 400_000, value: nil, action: :kill}

      # The limit holds for the new process too.
      assert {:error, {:crashed, :big, :killed}} = call(:big, {:keep, 1_000_000}, opts)
    end

    test "is told also of a process that ends with the first that it does", %{opts: opts} do
      greedy =
        plugin id: :greedy, limits: [max_heap: 400_000] do
          @impl Pipeline.Plugin
          def init(config) do
            if :counters.get(config.counter, 1) > 0, do: Enum.to_list(1..1_000_000)
            {:ok, config}
          end
        end

      counter = :counters.new(1, [])
      {:ok, :greedy} = Manager.load_plugin(greedy, %{counter: counter}, opts)
      :counters.put(counter, 1, 1)
      kill(pid(:greedy, opts))

      # Killed by the test, which looks like a limit, and three times in init/1.
      for _ <- 1..4 do
        assert_receive {:pipeline_event, {:plugin, :plugin_limit_exceeded}, %{id: :greedy, what: :max_heap}}
      end

      assert_receive {:pipeline_event, {:plugin, :plugin_failed}, %{id: :greedy}}
      refute_received {:pipeline_event, {:plugin, :plugin_limit_exceeded}, _}
    end

    test "is told though the monitor takes no notice for a while, and loading goes on", %{opts: opts} do
      monitor = Names.whereis(opts[:instance], :monitor)
      :ok = :sys.suspend(monitor)
      load(:big, [max_heap: 400_000], opts)
      :ok = :sys.resume(monitor)
      assert {:error, {:crashed, :big, :killed}} = call(:big, {:keep, 1_000_000}, opts)
      assert_receive {:pipeline_event, {:plugin, :plugin_limit_exceeded}, %{id: :big, what: :max_heap}}
    end

    # Deeper, a version that does not look ends the VM.
    @tag :capture_log
    test "holds for the reason with which the process ends", %{opts: opts} do
      module =
        plugin id: :ending, limits: [max_heap: 400_000] do
          @impl Pipeline.Plugin
          def update_config(%{how: how}, _state), do: fail(how)

          @impl Pipeline.Plugin
          def handle_message(how, _state), do: fail(how)

          @impl Pipeline.Plugin
          def handle_event(_event, how, _state), do: fail(how)

          defp fail(:error), do: :erlang.error(doubled())
          defp fail(:exit), do: exit(doubled())
          defp fail(:throw), do: throw(doubled())
          defp fail(:return), do: doubled()
          defp fail(:stop), do: {:stop, doubled(), nil}
          defp doubled, do: Enum.reduce(1..18, [1], fn _, term -> {term, term} end)
        end

      for how <- [:error, :exit, :throw, :return, :stop], by <- [:config, :message] do
        {:ok, :ending} = Manager.load_plugin(module, %{}, opts)
        %{pid: pid} = Manager.plugin_info!(:ending, opts)
        monitor = Process.monitor(pid)
        if by == :message, do: send(pid, how), else: Manager.update_config(:ending, %{how: how}, opts)
        assert_receive {:DOWN, ^monitor, :process, ^pid, reason}
        # Nor does the VM have to kill it for that.
        assert reason != :killed and Pipeline.CopiedSize.within?(reason, 10_000), inspect({how, by})
        :ok = Manager.unload_plugin(:ending, opts)
      end
    end

    test "holds for what the process hands over, though a copy shares nothing", %{opts: opts} do
      module =
        plugin id: :sharing, limits: [max_heap: 400_000] do
          alias Pipeline.Plugin.Events

          @impl Pipeline.Plugin
          def init(%{init: n}), do: {:error, doubled(n)}
          def init(state), do: {:ok, state}

          @impl Pipeline.Plugin
          def handle_rpc({:reply, n}, state), do: {:reply, doubled(n), state}
          def handle_rpc({:error, n}, state), do: {:error, doubled(n), state}
          def handle_rpc({:emit, n}, state), do: {:reply, Events.emit(:sharing, doubled(n)), state}
          def handle_rpc({:call, id, n}, state), do: {:reply, Pipeline.Plugin.RPC.call(id, doubled(n)), state}
          def handle_rpc({:cast, id, n}, state), do: {:reply, Pipeline.Plugin.RPC.cast(id, doubled(n)), state}

          @impl Pipeline.Plugin
          def health(_state), do: {:ok, doubled(18)}

          @impl Pipeline.Plugin
          def update_config(_config, _state), do: {:error, doubled(18)}

          defp doubled(n), do: Enum.reduce(1..n, [1], fn _, term -> {term, term} end)
        end

      assert {:error, %Error{step: :init, reason: {:too_large, :sharing}}} =
               Manager.load_plugin(module, %{init: 18}, opts)

      {:ok, :sharing} = Manager.load_plugin(module, %{}, opts)
      :ok = Events.subscribe(self(), :sharing, opts)

      # Deeper, the copy of a version that does not look ends the VM.
      assert {:ok, {_, _}} = call(:sharing, {:reply, 3}, opts)
      assert call(:sharing, {:reply, 18}, opts) == {:error, {:too_large, :sharing}}
      assert call(:sharing, {:error, 18}, opts) == {:error, {:too_large, :sharing}}

      assert %{status: {:unhealthy, {:too_large, :sharing}}, details: nil} =
               Manager.health(opts).plugins.sharing

      assert {:error, %Error{reason: {:too_large, :sharing}}} = Manager.update_config(:sharing, %{}, opts)

      assert {:ok, :ok} = call(:sharing, {:emit, 3}, opts)
      assert_receive {:pipeline_event, {:plugin, :sharing}, {_, _}}
      assert {:error, {:rpc_failed, :sharing, :max_heap}} = call(:sharing, {:emit, 18}, opts)
      refute_received {:pipeline_event, {:plugin, :sharing}, _}

      other =
        plugin id: :other do
          @impl Pipeline.Plugin
          def handle_rpc(_, state), do: {:reply, :taken, state}
          @impl Pipeline.Plugin
          def handle_message(_, state), do: {:ok, state}
        end

      {:ok, :other} = Manager.load_plugin(other, %{}, opts)
      assert call(:sharing, {:call, :other, 3}, opts) == {:ok, {:ok, :taken}}
      assert call(:sharing, {:cast, :other, 3}, opts) == {:ok, :ok}

      for how <- [:call, :cast],
          do: assert(call(:sharing, {how, :other, 18}, opts) == {:error, {:rpc_failed, :sharing, :max_heap}})
    end

    test "holds while the plugin is initialised", %{opts: opts} do
      greedy =
        plugin id: :greedy, limits: [max_heap: 400_000] do
          @impl Pipeline.Plugin
          def init(_config), do: {:ok, Enum.to_list(1..1_000_000)}
        end

      assert {:error, %Error{step: :init, reason: :killed} = error} = Manager.load_plugin(greedy, %{}, opts)

      assert Exception.message(error) =~
               "its process was killed in init/1, by somebody or by the VM for its limit :max_heap; it is undone"

      assert Manager.list_plugins(opts) == []
    end

    test "holds after the plugin supervisor was killed", %{instance: instance, opts: opts} do
      load(:big, [max_heap: 400_000], opts, %{test: self()})
      assert_receive {:start, :big, _}
      instance |> Names.whereis(:plugins) |> kill()
      assert_receive {:start, :big, _}
      _ = instance |> Names.whereis(:instance) |> Supervisor.which_children()
      assert {:error, {:crashed, :big, :killed}} = call(:big, {:keep, 1_000_000}, opts)
    end
  end

  describe "monitor_plugin/2" do
    test "tells what a plugin uses", %{opts: opts} do
      module =
        plugin id: :working, limits: [memory: 1] do
          hook :before, :step do
            def step(context, next), do: next.(context)
          end
        end

      {:ok, :working} = Manager.load_plugin(module, %{}, opts)
      pid = pid(:working, opts)
      assert {:ok, usage} = Resources.monitor_plugin(:working, opts)

      assert %{id: :working, pid: ^pid, restarts: 0, message_queue: 0, limits: %{memory: {1, :warn}}} = usage
      assert usage.memory > usage.heap
      assert usage.heap > 0
      assert usage.reductions > 0
      assert usage.uptime >= 0
      assert usage.exceeded == [:memory]
      assert [%{point: :step, kind: :before, plugin: :working}] = usage.hooks
    end

    test "is an error for a plugin that is not there, or has no process", %{instance: instance, opts: opts} do
      assert Resources.monitor_plugin(:nobody, opts) == {:error, {:not_loaded, :nobody}}
      load(:idle, [], opts)
      registry = Registry.owned(instance)
      info = Registry.get!(registry, :idle)
      {:ok, _} = Registry.register(registry, %{info | id: :held, state: :held})
      assert Resources.monitor_plugin(:held, opts) == {:error, {:not_running, :held, :held}}
    end

    test "works without options, on the application's own instance" do
      module = plugin([id: :of_the_application], do: nil)
      {:ok, id} = Manager.load_plugin(module)
      on_exit(fn -> Manager.unload_plugin(id) end)
      assert {:ok, %{id: ^id}} = Resources.monitor_plugin(id)
      assert Enum.any?(Resources.top(limit: 1_000), &(&1.id == id))
    end

    test "goes on when the monitor is killed, which costs no plugin", %{instance: instance, opts: opts} do
      load(:big, [memory: 1], opts)
      pid = pid(:big, opts)
      instance |> Names.whereis(:monitor) |> kill()
      _ = instance |> Names.whereis(:instance) |> Supervisor.which_children()
      assert {:ok, %{pid: ^pid, uptime: nil, restarts: nil}} = Resources.monitor_plugin(:big, opts)
      assert [%{id: :big}] = Resources.sample(opts)
    end

    test "restarts are counted anew when a plugin is loaded again", %{opts: opts} do
      module = load(:big, [], opts, %{test: self()})
      assert_receive {:start, :big, pid}
      Process.exit(pid, :kill)
      assert_receive {:start, :big, _}
      assert {:ok, %{restarts: 1}} = Resources.monitor_plugin(:big, opts)
      :ok = Manager.unload_plugin(:big, opts)
      {:ok, :big} = Manager.load_plugin(module, %{}, opts)
      assert {:ok, %{restarts: 0}} = Resources.monitor_plugin(:big, opts)
    end
  end

  describe "top/1" do
    test "puts the plugins in order of what they use", %{opts: opts} do
      for id <- [:a, :b, :c], do: load(id, [], opts)
      :ok = elem(call(:b, {:keep, 50_000}, opts), 1)
      {:ok, _} = call(:c, {:work, 200_000}, opts)
      {:ok, true} = call(:c, :drop, opts)
      send(pid(:a, opts), :wait)
      for n <- 1..5, do: send(pid(:a, opts), n)

      assert [%{id: :b} | _] = Resources.top(opts)
      assert [%{id: :b}] = Resources.top([by: :heap, limit: 1] ++ opts)
      assert [%{id: :c}, _, _] = Resources.top([by: :reductions] ++ opts)

      assert [%{id: :a, message_queue: n}, %{message_queue: 0}, _] =
               Resources.top([by: :message_queue] ++ opts)

      assert n in 5..6
      assert Resources.top([limit: 0] ++ opts) == []
    end

    test "by the second, what has not been sampled twice comes last", %{opts: opts} do
      load(:old, [], opts)
      [] = Resources.sample(opts)
      {:ok, _} = call(:old, {:work, 10_000}, opts)
      [] = Resources.sample(opts)
      load(:young, [], opts)

      assert [%{id: :old, reductions_per_second: rate}, %{id: :young, reductions_per_second: nil}] =
               Resources.top([by: :reductions_per_second] ++ opts)

      assert rate > 0
    end

    test "refuses an order that there is not", %{opts: opts} do
      assert_raise ArgumentError, ~r/by: takes one of .* got: :memry. Did you mean :memory\?/, fn ->
        Resources.top([by: :memry] ++ opts)
      end

      assert_raise ArgumentError, ~r/limit: takes a number of plugins/, fn ->
        Resources.top([limit: -1] ++ opts)
      end
    end
  end
end
