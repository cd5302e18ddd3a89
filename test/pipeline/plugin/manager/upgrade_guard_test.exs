defmodule Pipeline.Plugin.Manager.UpgradeGuardTest do
  # A manager, a keeper or a plugin that is killed while a plugin is upgraded, at each step of that, while the plugin is
  # used: all that is seen of it is of one version, first the old one and then, if the upgrade came to count, the new one.
  use Pipeline.InstanceCase, async: true

  alias Pipeline.Plugin.Error

  alias Pipeline.Hook.{ChainStore, Drain}
  alias Pipeline.Plugin.Manager.{Hooks, State, Upgrade}
  alias Pipeline.Plugin.Manager.UpgradeGuard
  alias Pipeline.Plugin.{Lifecycle, Wrapper}
  alias Pipeline.Instance.Names

  @moduletag :tmp_dir
  @moduletag :capture_log

  @points [:one, :two, :three]

  # The new version has hooks of other names and on another point, so that a chain of one with the code of the other fails.
  defp body(version, entering, leaving, points, code_change) do
    hooks =
      for point <- points do
        enter = :"#{entering}_#{point}"
        leave = :"#{leaving}_#{point}"

        quote do
          hook :before, unquote(point), fun: unquote(enter) do
            def unquote(enter)(context, next), do: next.([unquote(version) | context])
          end

          hook :after, unquote(point), fun: unquote(leave) do
            def unquote(leave)(result, next), do: next.([unquote(version) | result])
          end
        end
      end

    quote do
      use Pipeline.Plugin, id: :changing, version: unquote(version)
      unquote_splicing(hooks)

      @impl Pipeline.Plugin
      def init(config), do: {:ok, Map.put(config, :made_by, unquote(version))}

      @impl Pipeline.Plugin
      def code_change(from, state, extra), do: unquote(code_change).(from, state, extra)

      @impl Pipeline.Plugin
      def handle_rpc(:versions, state), do: {:reply, {unquote(version), state.made_by}, state}
    end
  end

  defp compile(name, body) do
    Code.put_compiler_option(:ignore_module_conflict, true)
    {:module, ^name, binary, _} = Module.create(name, body, __ENV__)
    remove(name)
    binary
  end

  defp changing, do: quote(do: fn _, state, _ -> {:ok, %{state | made_by: "2.0.0"}} end)

  # Two versions of one module, the first of them in the code path.
  defp in_place(tmp_dir, code_change \\ changing(), more \\ nil) do
    name = unique()
    one = compile(name, [body("1.0.0", :enter, :leave, [:one, :two], code_change), more])
    two = compile(name, body("2.0.0", :come, :go, [:two, :three], code_change))
    File.write!(Path.join(tmp_dir, "#{name}.beam"), one)
    Code.append_path(tmp_dir)
    on_exit(fn -> Code.delete_path(tmp_dir) end)
    on_exit(fn -> remove(name) end)
    {name, two}
  end

  # Two modules.
  defp beside do
    [one, two] =
      for args <- [["1.0.0", :enter, :leave, [:one, :two]], ["2.0.0", :come, :go, [:two, :three]]] do
        name = unique()
        {:module, ^name, _, _} = Module.create(name, apply(&body/5, args ++ [changing()]), __ENV__)
        on_exit(fn -> remove(name) end)
        name
      end

    {one, two}
  end

  defp unique, do: :"Elixir.Pipeline.InterruptedPlugin#{System.unique_integer([:positive])}"

  # What a process sees of the plugin, one thing after the other, as changes from what it had seen before.
  defp observe(instance, seen \\ []) do
    seen = Enum.reduce(@points, seen, &note(&2, {&1, Hook.run(instance, &1, [], nil)}))
    info = Manager.plugin_info!(:changing, instance: instance)
    seen = note(seen, {:info, info.version})
    seen = note(seen, {:rpc, RPC.call(:changing, :versions, 10_000, instance: instance)})

    receive do
      {:stop, from} -> send(from, {:seen, Enum.reverse(seen)})
    after
      0 -> observe(instance, seen)
    end
  end

  defp note(seen, {what, _result} = one) do
    if List.keyfind(seen, what, 0) == one, do: seen, else: [one | seen]
  end

  defp version({:one, {:ok, []}}), do: 2
  defp version({:one, {:ok, ["1.0.0", "1.0.0"]}}), do: 1
  defp version({:two, {:ok, ["1.0.0", "1.0.0"]}}), do: 1
  defp version({:two, {:ok, ["2.0.0", "2.0.0"]}}), do: 2
  defp version({:three, {:ok, []}}), do: 1
  defp version({:three, {:ok, ["2.0.0", "2.0.0"]}}), do: 2
  defp version({:info, "1.0.0"}), do: 1
  defp version({:info, "2.0.0"}), do: 2
  defp version({:rpc, {:ok, {"1.0.0", "1.0.0"}}}), do: 1
  defp version({:rpc, {:ok, {"2.0.0", "2.0.0"}}}), do: 2
  defp version(other), do: {:mixed, other}

  # Upgrades with observers at work, while `interrupt` does its part, and returns the version that came of it.
  defp upgrade(instance, module, target, interrupt) do
    interrupted = fn -> interrupt.(Names.whereis(instance, :manager)) end
    upgrade([instance], module, target, interrupted, instance: instance)
  end

  # The same in several instances. Each of them has one version at a time, and in the end all have the same.
  defp upgrade(instances, module, target, interrupt, opts) do
    for instance <- instances, do: {:ok, :changing} = Manager.load_plugin(module, %{}, instance: instance)
    observers = for instance <- instances, _ <- 1..2, do: spawn_link(fn -> observe(instance) end)
    interrupted = interrupt.()
    # It may not live to answer.
    upgrade = fn -> exit({:result, Manager.upgrade_plugin(:changing, target, opts)}) end
    {caller, monitor} = spawn_monitor(upgrade)
    assert_receive {:DOWN, ^monitor, :process, ^caller, result}, 10_000
    interrupted.(result)
    for instance <- instances, do: await_manager(instance)
    # All of them once more, on what is left.
    now = for instance <- instances, do: spawn_link(fn -> observe(instance) end)

    for pid <- now ++ observers do
      send(pid, {:stop, self()})
      assert_receive {:seen, seen}, 30_000, inspect(Process.info(pid, :current_stacktrace))
      versions = Enum.map(seen, &version/1)
      assert {Enum.sort(versions), seen} == {versions, seen}
      Enum.at(Enum.dedup(versions), -1)
    end
    |> Enum.uniq()
    |> case do
      [version] -> version
    end
  end

  # The supervisor answers once it has a manager again, if it knows that the one before has ended, and that once it has
  # recovered.
  defp await_manager(instance) do
    _ = instance |> Names.whereis(:instance) |> Supervisor.which_children()

    assert {:error, %Error{reason: {:not_loaded, :nobody}}} =
             Manager.unload_plugin(:nobody, instance: instance)
  catch
    # It is about to end with the task of an upgrade that another instance led.
    :exit, {reason, _} when reason == :noproc or elem(reason, 0) == :upgrade_interrupted ->
      await_manager(instance)
  end

  defp assert_agree(instance, module, version) do
    number = "#{version}.0.0"
    assert %{version: ^number, state: :started} = info = Manager.plugin_info!(:changing, instance: instance)
    refute is_map_key(info, :upgrade)
    assert module == nil or module.__plugin__().version == number
    points = if version == 1, do: [:one, :two], else: [:two, :three]
    assert Hook.points(instance: instance) == Enum.sort(points)
    assert {:ok, {^number, ^number}} = RPC.call(:changing, :versions, 5_000, instance: instance)
    # Nobody stands by any more.
    for keeper <- Task.Supervisor.children(Names.whereis(instance, :hook_tasks)) do
      monitor = Process.monitor(keeper)
      assert_receive {:DOWN, ^monitor, :process, ^keeper, _}
    end

    assert ChainStore.keepers(instance) == []
  end

  # Kills the manager as soon as it, or the task that upgrades, calls a function. The VM tells of the call when it is made.
  defp kill_at({module, _function, _arity} = step, instance) do
    fn manager ->
      test = self()
      tasks = Names.whereis(instance, :operations)

      {killer, monitor} =
        spawn_monitor(fn ->
          :erlang.trace(manager, true, [:call])
          :erlang.trace(tasks, true, [:call, :set_on_spawn])
          send(test, :traced)

          receive do
            {:trace, _pid, :call, _} -> Process.exit(manager, :kill)
          end
        end)

      assert_receive :traced
      _ = Code.ensure_loaded!(module)
      assert :erlang.trace_pattern(step, true, [:local]) > 0, inspect(step)
      on_exit(fn -> :erlang.trace_pattern(step, false, [:local]) end)

      ended = Process.monitor(manager)

      fn result ->
        # What it was to be killed at, it has come to.
        assert_receive {:DOWN, ^monitor, :process, ^killer, :normal}, 5_000, inspect(result)
        assert_receive {:DOWN, ^ended, :process, ^manager, :killed}
      end
    end
  end

  @steps [
    {UpgradeGuard, :start, 1},
    {State, :note, 3},
    {ChainStore, :lock, 3},
    {Drain, :await, 3},
    {Upgrade.Code, :load, 2},
    {Upgrade.Code, :put, 3},
    {Pipeline.Plugin.Loader, :load_order, 1},
    {Hooks, :replace, 2},
    {Wrapper, :change_code, 6},
    {ChainStore, :prepare, 3},
    {Lifecycle, :enter!, 3},
    {ChainStore, :commit, 2},
    {State, :settle_later, 1},
    {Wrapper, :end_upgrade, 3},
    {UpgradeGuard, :release, 1}
  ]

  for {step, number} <- Enum.with_index(@steps) do
    {_module, function, _arity} = step

    test "a manager that is killed at #{number}, #{function}, leaves one version of a module", context do
      {module, newer} = in_place(context.tmp_dir)
      %{instance: instance} = context
      version = upgrade(instance, module, newer, kill_at(unquote(Macro.escape(step)), instance))
      assert_agree(context.instance, module, version)
      # Nothing is in the way of the next one.
      if version == 1,
        do: {:ok, "2.0.0"} = Manager.upgrade_plugin(:changing, newer, instance: context.instance)

      assert_agree(context.instance, module, 2)
    end
  end

  for {step, number} <- Enum.with_index(@steps),
      step not in [{ChainStore, :lock, 3}, {Drain, :await, 3}, {Upgrade.Code, :put, 3}] do
    {_module, function, _arity} = step

    test "a manager that is killed at #{number}, #{function}, leaves one of two modules", %{
      instance: instance
    } do
      {module, newer} = beside()
      version = upgrade(instance, module, newer, kill_at(unquote(Macro.escape(step)), instance))
      assert_agree(instance, nil, version)
      if version == 1, do: {:ok, "2.0.0"} = Manager.upgrade_plugin(:changing, newer, instance: instance)
      assert_agree(instance, nil, 2)
    end
  end

  test "nobody that looks sees two versions when nothing is killed", context do
    {module, newer} = in_place(context.tmp_dir)

    assert upgrade(context.instance, module, newer, fn _manager ->
             &assert(&1 == {:result, {:ok, "2.0.0"}})
           end) == 2

    assert_agree(context.instance, module, 2)
  end

  describe "an upgrade in all instances" do
    setup %{instance: instance} do
      other = {instance, :other}
      start_supervised!({Manager, name: other, restart: Pipeline.InstanceCase.stay_failed()}, id: other)
      {:ok, other: other}
    end

    # The instance whose name sorts first leads; the manager that is asked does the work.
    @in_work [
      {UpgradeGuard, :start, 1},
      {Upgrade.Code, :load, 2},
      {Wrapper, :change_code, 6},
      {Wrapper, :end_upgrade, 3},
      {UpgradeGuard, :release, 1},
      {Upgrade.Join, :over, 1}
    ]
    @in_each [
      {Upgrade.Join, :locks, 2},
      {State, :note, 3},
      {ChainStore, :lock, 3},
      {Hooks, :replace, 2},
      {ChainStore, :prepare, 3},
      {Lifecycle, :enter!, 3},
      {State, :update, 3},
      {State, :settle_later, 1},
      {ChainStore, :commit, 2},
      {State, :changed, 1}
    ]

    for asked <- [:instance, :other],
        {killed, steps} <- [{asked, @in_work}, {:instance, @in_each}, {:other, @in_each}],
        {step, number} <- Enum.with_index(steps) do
      {_module, function, _arity} = step

      test "asked of #{asked}: #{killed} is killed at #{length(steps)}.#{number}, #{function}, and all have one version",
           context do
        {module, newer} = in_place(context.tmp_dir)
        instances = [context.instance, context.other]
        killed = context[unquote(killed)]
        interrupt = fn -> kill_at(unquote(Macro.escape(step)), killed).(Names.whereis(killed, :manager)) end
        opts = [instance: context[unquote(asked)], instances: :all]
        version = upgrade(instances, module, newer, interrupt, opts)
        for instance <- instances, do: assert_agree(instance, module, version)
        # Nothing is in the way of the next one.
        if version == 1, do: {:ok, "2.0.0"} = Manager.upgrade_plugin(:changing, newer, opts)
        for instance <- instances, do: assert_agree(instance, module, 2)
      end
    end

    test "is one step for each, and for all when nothing is killed", context do
      {module, newer} = in_place(context.tmp_dir)
      instances = [context.instance, context.other]
      none = fn -> &assert(&1 == {:result, {:ok, "2.0.0"}}) end
      assert upgrade(instances, module, newer, none, instance: context.other, instances: :all) == 2
      for instance <- instances, do: assert_agree(instance, module, 2)
    end

    test "to another module", context do
      {module, newer} = beside()
      instances = [context.instance, context.other]
      none = fn -> &assert(&1 == {:result, {:ok, "2.0.0"}}) end
      assert upgrade(instances, module, newer, none, instance: context.other, instances: :all) == 2
      for instance <- instances, do: assert_agree(instance, nil, 2)
    end

    test "takes plugins of other ids along, and those of one instance", context do
      {module, newer} = in_place(context.tmp_dir)
      places = [{context.instance, :changing}, {context.instance, "twin"}, {context.other, "third"}]

      for {instance, id} <- places,
          do: {:ok, ^id} = Manager.load_plugin(module, %{}, as: id, instance: instance)

      opts = [instance: context.instance, instances: :all]
      assert Manager.upgrade_plugin("twin", newer, opts) == {:ok, "2.0.0"}

      for {instance, id} <- places do
        assert Manager.plugin_info!(id, instance: instance).version == "2.0.0"
        assert RPC.call(id, :versions, 5_000, instance: instance) == {:ok, {"2.0.0", "2.0.0"}}
      end

      assert Hook.run(context.instance, :three, [], nil) == {:ok, List.duplicate("2.0.0", 4)}
      assert Hook.run(context.other, :three, [], nil) == {:ok, List.duplicate("2.0.0", 2)}
      assert Hook.points(instance: context.other) == [:three, :two]
    end

    test "is refused where one does not run, naming the instance, and by a code_change/3 that fails",
         context do
      fails =
        quote(
          do: fn _, state, _ ->
            if state[:fails], do: {:error, :not_today}, else: {:ok, %{state | made_by: "2.0.0"}}
          end
        )

      {module, newer} = in_place(context.tmp_dir, fails)
      {:ok, :changing} = Manager.load_plugin(module, %{}, instance: context.instance)
      {:ok, :changing} = Manager.load_plugin(module, %{fails: true}, instance: context.other)
      opts = [instance: context.instance, instances: :all]

      unchanged = fn ->
        for instance <- [context.instance, context.other], do: assert_agree(instance, module, 1)
      end

      :ok = Manager.disable_plugin(:changing, instance: context.other)
      other = context.other

      assert {:error, %Error{reason: {:in_instance, ^other, {:stopped, :changing}}} = error} =
               Manager.upgrade_plugin(:changing, newer, opts)

      assert Exception.message(error) =~ "in the instance {"
      assert Exception.message(error) =~ ":other}: "
      {:ok, :started} = Manager.enable_plugin(:changing, instance: context.other)
      unchanged.()

      assert {:error, %Error{step: :code_change, reason: :not_today}} =
               Manager.upgrade_plugin(:changing, newer, opts)

      unchanged.()

      assert_raise ArgumentError, "config: cannot be given with instances: :all", fn ->
        Manager.upgrade_plugin(:changing, newer, [config: %{}] ++ opts)
      end
    end

    test "two of them, asked of two instances at once, do not wait for each other", context do
      pairs = for _ <- 1..2, do: in_place(context.tmp_dir)
      ids = [:changing, "changing too"]
      places = [context.instance, context.other]

      for {{module, _newer}, id} <- Enum.zip(pairs, ids),
          instance <- places,
          do: {:ok, ^id} = Manager.load_plugin(module, %{}, as: id, instance: instance)

      upgrades =
        for {{{_module, newer}, id}, instance} <- Enum.zip(Enum.zip(pairs, ids), places),
            do: Task.async(fn -> Manager.upgrade_plugin(id, newer, instance: instance, instances: :all) end)

      assert Task.await_many(upgrades, 30_000) == [{:ok, "2.0.0"}, {:ok, "2.0.0"}]

      for id <- ids,
          instance <- places,
          do: assert(Manager.plugin_info!(id, instance: instance).version == "2.0.0")
    end
  end

  # Its code_change/3 tells, and waits.
  defp waiting do
    quote do
      fn _, state, test ->
        send(test, {:changing, self()})
        receive(do: (:go -> {:ok, %{state | made_by: "2.0.0"}}))
      end
    end
  end

  defp begin_upgrade(context) do
    {module, newer} = in_place(context.tmp_dir, waiting())
    {:ok, :changing} = Manager.load_plugin(module, %{}, instance: context.instance)
    test = self()

    Task.start(fn ->
      send(
        test,
        {:upgraded, Manager.upgrade_plugin(:changing, newer, instance: context.instance, extra: test)}
      )
    end)

    assert_receive {:changing, plugin}
    [keeper] = ChainStore.keepers(context.instance)
    # The new code is there, and runs wait.
    assert module.__plugin__().version == "2.0.0"
    %{module: module, plugin: plugin, keeper: keeper, run: async_run(context.instance)}
  end

  # A run that waits. The VM tells when it does.
  defp async_run(instance) do
    test = self()

    task =
      Task.async(fn ->
        send(test, {:running, self()})
        Hook.run(instance, :one, [], nil)
      end)

    assert_receive {:running, pid}
    await_waiting(pid)
    task
  end

  defp await_waiting(pid) do
    case Process.info(pid, [:status, :current_function]) do
      [status: :waiting, current_function: {ChainStore, _, _}] -> :ok
      _ -> await_waiting(pid)
    end
  end

  defp kill(pid) do
    monitor = Process.monitor(pid)
    Process.exit(pid, :kill)
    assert_receive {:DOWN, ^monitor, :process, ^pid, _reason}
  end

  test "a keeper that is killed alone is in nobody's way", %{instance: instance} = context do
    %{module: module, plugin: plugin, keeper: keeper, run: run} = begin_upgrade(context)
    kill(keeper)
    send(plugin, :go)
    assert_receive {:upgraded, {:ok, "2.0.0"}}
    assert Task.await(run) == {:ok, []}
    assert_agree(instance, module, 2)
  end

  test "where the keeper is killed too, the next manager goes back", %{instance: instance} = context do
    %{module: module, plugin: plugin, keeper: keeper, run: run} = begin_upgrade(context)
    kill(keeper)
    instance |> Names.whereis(:manager) |> kill()
    await_manager(instance)
    assert Task.await(run) == {:ok, ["1.0.0", "1.0.0"]}
    send(plugin, :go)
    assert_agree(instance, module, 1)
  end

  test "a plugin that is killed meanwhile starts again with the code that stays",
       %{instance: instance} = context do
    %{module: module, plugin: plugin, run: run} = begin_upgrade(context)
    kill(plugin)
    assert_receive {:upgraded, {:error, %Error{step: :code_change, reason: :killed}}}
    assert Task.await(run) == {:ok, ["1.0.0", "1.0.0"]}
    # It answers once it has started again what has ended.
    _ = instance |> Names.whereis({:tree, :changing}) |> Supervisor.which_children()
    assert_agree(instance, module, 1)
  end

  test "where the old code cannot come back, the plugin is failed, and runs go on without it", context do
    %{instance: instance} = context
    :ok = Events.subscribe(self(), :plugin_failed, instance: instance)
    # Whoever runs the old code keeps it, and the VM has no room for it twice.
    holding = "def hold(test), do: (send(test, {:holding, self()}); receive(do: (:go -> test)))"
    {:ok, hold} = Code.string_to_quoted(holding)
    {module, newer} = in_place(context.tmp_dir, waiting(), hold)
    {:ok, :changing} = Manager.load_plugin(module, %{}, instance: instance)
    test = self()
    holder = spawn_link(fn -> _ = apply(module, :hold, [test]) end)
    assert_receive {:holding, ^holder}

    Task.start(fn -> Manager.upgrade_plugin(:changing, newer, instance: instance, extra: test) end)
    assert_receive {:changing, _plugin}
    run = async_run(instance)

    instance |> Names.whereis(:manager) |> kill()
    assert Task.await(run, 20_000) == {:ok, []}
    assert_receive {:pipeline_event, {:plugin, :plugin_failed}, %{id: :changing, reason: reason}}, 20_000
    assert reason == {:code_in_use, [holder]}
    assert %{state: :failed} = Manager.plugin_info!(:changing, instance: instance)
    assert Hook.points(instance: instance) == []
    assert ChainStore.keepers(instance) == []
    send(holder, :go)
  end
end
