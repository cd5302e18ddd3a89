defmodule Pipeline.Plugin.Manager.ServerTest do
  use Pipeline.InstanceCase, async: true

  import Pipeline.Reporter

  describe "recovery" do
    setup %{instance: instance} do
      module =
        plugin id: :alpha do
          use Pipeline.Reporter
          capability(:letters)

          hook :before, :step do
            def step(_context, _next), do: :alpha
          end
        end

      {:ok, :alpha} = Manager.load_plugin(module, %{test: self()}, instance: instance)
      _ = callbacks()
      :ok
    end

    test "a killed manager finds every plugin running and every hook in place", %{instance: instance} do
      %{pid: pid} = Manager.plugin_info!(:alpha, instance: instance)
      kill(instance, :manager)
      assert Hook.run(instance, :step, :given, &Function.identity/1) == {:ok, :alpha}
      await_name(instance, :manager)
      assert %{pid: ^pid, state: :started} = Manager.plugin_info!(:alpha, instance: instance)
      assert :ok = Manager.unload_plugin(:alpha, instance: instance)
      assert_nothing_left(instance)
      refute Process.alive?(pid)
    end

    test "a killed manager does not end a hook that runs with a timeout", %{instance: instance} do
      test = self()

      timed =
        plugin id: :timed do
          hook :before, :slow, timeout: 60_000 do
            def slow(test, next) do
              send(test, {:in_hook, self()})
              receive do: (:go_on -> next.(:done))
            end
          end
        end

      {:ok, :timed} = Manager.load_plugin(timed, %{}, instance: instance)
      run = Task.async(fn -> Hook.run(instance, :slow, test, &Function.identity/1) end)
      assert_receive {:in_hook, hook}
      kill(instance, :manager)
      await_name(instance, :manager)
      send(hook, :go_on)
      assert Task.await(run) == {:ok, :done}
    end

    test "a plugin that hangs when its supervisor is killed is ended and started again", %{instance: instance} do
      hanging =
        plugin id: :hanging do
          @impl Pipeline.Plugin
          def init(%{test: test} = config) do
            send(test, {:hanging, self()})
            {:ok, config}
          end

          @impl Pipeline.Plugin
          def handle_message(:hang, config) do
            send(config.test, :hangs)
            receive do: (:never -> {:ok, config})
          end
        end

      {:ok, :hanging} = Manager.load_plugin(hanging, %{test: self()}, instance: instance)
      assert_receive {:hanging, first}
      :ok = RPC.cast(:hanging, :hang, instance: instance)
      assert_receive :hangs
      kill(instance, :plugins)
      assert_receive {:hanging, second}
      assert second != first
      refute Process.alive?(first)
    end

    test "a plugin that crashes is initialised and started again", %{instance: instance} do
      pid = kill(instance, {:plugin, :alpha})
      assert_receive {:init, :alpha, again}
      assert_receive {:start, :alpha, ^again}
      assert again != pid
      assert Hook.run(instance, :step, :given, &Function.identity/1) == {:ok, :alpha}
    end

    test "a plugin that keeps crashing is failed, and its hooks are gone", %{instance: instance} do
      :ok = Events.subscribe(self(), :plugin_failed, instance: instance)
      kill(instance, {:plugin, :alpha})

      for _ <- 1..3 do
        assert_receive {:start, :alpha, _pid}
        kill(instance, {:plugin, :alpha})
      end

      assert_receive {:pipeline_event, {:plugin, :plugin_failed}, %{id: :alpha}}
      assert %{state: :failed} = Manager.plugin_info!(:alpha, instance: instance)
      assert Manager.get_by_capability(:letters, instance: instance) == []
      assert Hook.run(instance, :step, :given, &Function.identity/1) == {:ok, :given}
    end

    for role <- [:plugins, :published_state] do
      test "a killed #{role} comes back with the plugins", %{instance: instance} do
        kill(instance, unquote(role))
        assert_receive {:init, :alpha, _pid}
        assert_receive {:start, :alpha, _pid}
        assert Hook.run(instance, :step, :given, &Function.identity/1) == {:ok, :alpha}
        await_name(instance, :manager)
        assert :ok = Manager.unload_plugin(:alpha, instance: instance)
      end
    end
  end

  defp kill(instance, role) do
    pid = Pipeline.Instance.Names.whereis(instance, role)
    monitor = Process.monitor(pid)
    Process.exit(pid, :kill)
    assert_receive {:DOWN, ^monitor, :process, ^pid, _reason}
    pid
  end

  # A supervisor that restarts a child tells nobody; it answers once it has.
  defp await_name(instance, role) do
    supervisor = Pipeline.Instance.Names.whereis(instance, :instance)
    _ = Supervisor.which_children(supervisor)
    assert is_pid(Pipeline.Instance.Names.whereis(instance, role))
  end
end
