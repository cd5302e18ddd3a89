defmodule Pipeline.Instance.SupervisorTest do
  use Pipeline.InstanceCase, async: true

  describe "instances" do
    test "do not see each other's plugins, hooks or events", %{instance: instance} do
      other = :"#{instance} other"
      start_supervised!({Manager, name: other})

      module =
        plugin id: :alpha do
          hook :before, :step do
            def step(_context, _next), do: :alpha
          end
        end

      :ok = Pipeline.Events.subscribe(:sign, instance: other)
      {:ok, :alpha} = Manager.load_plugin(module, %{}, instance: instance)
      :ok = Pipeline.Events.emit(:sign, 1, instance: instance)

      assert Manager.list_plugins(instance: other) == []
      assert Hook.run(other, :step, :given, &Function.identity/1) == {:ok, :given}
      assert Hook.run(instance, :step, :given, &Function.identity/1) == {:ok, :alpha}
      refute_received {:pipeline_event, :sign, 1}
      assert {:ok, :alpha} = Manager.load_plugin(module, %{}, instance: other)
    end

    # The table of a cluster stands before all that the instance publishes.
    @tag :capture_log
    test "begin anew when what they stand on has crashed", %{instance: instance} do
      name = {instance, :clustered}

      module =
        plugin id: :alpha do
          hook :before, :step do
            def step(_context, _next), do: :alpha
          end
        end

      start_supervised!({Manager, name: name, plugins: [module], cluster: true})

      for _ <- 1..3 do
        assert Hook.run(name, :step, :given, nil) == {:ok, :alpha}
        table = Pipeline.Instance.Names.whereis(name, :cluster_table)
        manager = Process.monitor(Pipeline.Instance.Names.whereis(name, :manager))
        Process.exit(table, :kill)
        assert_receive {:DOWN, ^manager, :process, _pid, _reason}

        # The supervisor answers once all have started again, and the manager once it has loaded what is configured.
        _ = name |> Pipeline.Instance.Names.whereis(:instance) |> Supervisor.which_children()
        assert :ready = Manager.readiness(instance: name)
      end
    end

    test "leave nothing behind when they end", %{instance: instance} do
      name = :"#{instance} short"
      {:ok, pid} = Manager.start_link(name: name)
      assert Manager.list_plugins(instance: name) == []
      :ok = Supervisor.stop(pid)

      assert_raise ArgumentError, ~r/there is no plugin instance/, fn ->
        Manager.list_plugins(instance: name)
      end

      assert_raise ArgumentError, ~r/there is no plugin instance/, fn ->
        Hook.run(name, :step, 1, &Function.identity/1)
      end
    end

    test "load the plugins of their configuration, and keep those that cannot be", %{instance: instance} do
      good = plugin([id: :good], do: nil)

      bad =
        plugin id: :bad do
          depends_on(:missing)
        end

      name = :"#{instance} configured"

      needing =
        plugin id: :needing do
          depends_on(:good)
        end

      start_supervised!({Manager, name: name, plugins: [bad, needing, {good, %{k: 1}}]})

      assert [%{id: :good, config: %{k: 1}}, %{id: :needing}, %{id: :bad, state: :held}] =
               Manager.list_plugins(instance: name)
    end

    test "refuse options that make no sense, and leave the name free", %{instance: instance} do
      name = :"#{instance} refused"

      for {opts, message} <- [
            {[hooks: NoSuchSpec], "hooks: takes a module that uses Pipeline.Hook.Spec, got: NoSuchSpec"},
            {[plugins: :foo], "plugins to load are a list of modules or {module, config}, got: :foo"},
            {[plugins: [5]], "a plugin to load is a module or {module, config}, got: 5"},
            {[name: nil], "the name of an instance is any term but nil"}
          ] do
        assert_raise ArgumentError, message, fn -> Manager.start_link(Keyword.merge([name: name], opts)) end
      end

      start_supervised!({Manager, name: name})
      assert Manager.list_plugins(instance: name) == []
    end

    test "that were killed leave nothing to the next of their name", %{instance: instance} do
      name = :"#{instance} killed"

      module =
        plugin id: :alpha do
          hook :before, :step do
            def step(_context, _next), do: :alpha
          end
        end

      {:ok, pid} = Manager.start_link(name: name, plugins: [module])
      assert [%{id: :alpha}] = Manager.list_plugins(instance: name)

      roles =
        for role <- [
              :instance,
              :published_state,
              :hook_tasks,
              :plugins,
              :monitor,
              :manager
            ],
            do: Pipeline.Instance.Names.whereis(name, role)

      monitors = Enum.map(roles, &Process.monitor/1)
      Process.unlink(pid)
      Process.exit(pid, :kill)
      for monitor <- monitors, do: assert_receive({:DOWN, ^monitor, :process, _, _})

      start_supervised!({Manager, name: name})
      assert Manager.list_plugins(instance: name) == []
      assert Hook.points(instance: name) == []
    end

    test "that are not there are named by every function", %{instance: instance} do
      name = :"#{instance} missing"
      message = ~r/there is no plugin instance/
      assert_raise ArgumentError, message, fn -> Manager.unload_plugin(:a, instance: name) end
      assert_raise ArgumentError, message, fn -> Manager.load_plugins([], instance: name) end
    end
  end
end
