defmodule Pipeline.Plugin.Manager.UpgradeTest do
  use Pipeline.InstanceCase, async: true

  alias Pipeline.Plugin.Error

  alias Pipeline.Instance.Names

  # A plugin that counts calls, and whose hook tells its version.
  defp counting(version, opts \\ []) do
    plugin_module(unique(), version, opts)
  end

  defp unique, do: :"Elixir.Pipeline.UpgradePlugin#{System.unique_integer([:positive])}"

  defp plugin_module(name, version, opts) do
    {:module, ^name, _binary, _} = create(name, version, opts)
    on_exit(fn -> Pipeline.InstanceCase.remove(name) end)
    name
  end

  defp create(name, version, opts) do
    id = opts[:id] || :counting

    change =
      if code_change = opts[:code_change] do
        quote do
          @impl Pipeline.Plugin
          def code_change(from, state, extra), do: unquote(code_change).(from, state, extra)
        end
      end

    body =
      quote do
        use Pipeline.Plugin, id: unquote(id), version: unquote(version)
        unquote(opts[:declare])

        hook :before, unquote(opts[:point] || :step), fun: unquote(opts[:fun] || :tell) do
          def unquote(opts[:fun] || :tell)(context, next) do
            unquote(opts[:before] || :ok)
            next.([unquote(version) | context])
          end
        end

        unquote(change)

        @impl Pipeline.Plugin
        def init(config), do: {:ok, Map.put(config, :calls, 0)}

        @impl Pipeline.Plugin
        def handle_rpc(:version, state), do: {:reply, unquote(version), state}

        def handle_rpc(:count, state) do
          {:reply, {unquote(version), state.calls + 1}, %{state | calls: state.calls + 1}}
        end

        def handle_rpc(:state, state), do: {:reply, state, state}
      end

    Code.put_compiler_option(:ignore_module_conflict, true)
    Module.create(name, body, __ENV__)
  end

  defp load(module, instance, config \\ %{}) do
    {:ok, id} = Manager.load_plugin(module, config, instance: instance)
    id
  end

  defp call(request, instance), do: RPC.call(:counting, request, 5000, instance: instance)
  defp step(instance), do: Hook.run(instance, :step, [], &Function.identity/1)

  test "a module takes over state, hooks and manifest", %{instance: instance} do
    load(counting("1.0.0", declare: quote(do: capability(:counts, [:calls]))), instance)
    {:ok, {"1.0.0", 1}} = call(:count, instance)
    pid = Manager.plugin_info!(:counting, instance: instance).pid
    :ok = Events.subscribe(self(), :plugin_upgraded, instance: instance)

    two =
      counting("2.0.0",
        declare: quote(do: capability(:totals, [:calls])),
        code_change:
          quote(do: fn from, state, extra -> {:ok, Map.merge(state, %{from: from, extra: extra})} end)
      )

    assert {:ok, "2.0.0"} = Manager.upgrade_plugin(:counting, two, instance: instance, extra: :given)

    assert %{state: :started, version: "2.0.0", module: ^two, pid: ^pid, history: [%{state: :started} | _]} =
             Manager.plugin_info!(:counting, instance: instance)

    assert {:ok, %{calls: 1, from: "1.0.0", extra: :given}} = call(:state, instance)
    assert {:ok, {"2.0.0", 2}} = call(:count, instance)
    assert step(instance) == {:ok, ["2.0.0"]}
    assert Manager.get_by_capability(:totals, instance: instance) == [:counting]
    assert Manager.get_by_capability(:counts, instance: instance) == []

    assert_receive {:pipeline_event, {:plugin, :plugin_upgraded},
                    %{id: :counting, from: "1.0.0", to: "2.0.0"}}
  end

  test "without code_change/3 the state is taken over as it is", %{instance: instance} do
    load(counting("1.0.0"), instance)
    {:ok, {"1.0.0", 1}} = call(:count, instance)
    assert {:ok, "1.1.0"} = Manager.upgrade_plugin(:counting, counting("1.1.0"), instance: instance)
    assert {:ok, {"1.1.0", 2}} = call(:count, instance)
  end

  test "hooks move to other points and keep their place among others", %{instance: instance} do
    load(counting("1.0.0"), instance)
    load(counting("9.9.9", id: :other), instance)
    assert step(instance) == {:ok, ["9.9.9", "1.0.0"]}

    {:ok, _} = Manager.upgrade_plugin(:counting, counting("1.1.0"), instance: instance)
    assert step(instance) == {:ok, ["9.9.9", "1.1.0"]}

    {:ok, _} = Manager.upgrade_plugin(:counting, counting("1.2.0", point: :leap), instance: instance)
    assert step(instance) == {:ok, ["9.9.9"]}
    assert Hook.run(instance, :leap, [], &Function.identity/1) == {:ok, ["1.2.0"]}
  end

  for {what, body, reason} <- [
        {"returns an error", quote(do: fn _, _, _ -> {:error, :no} end), quote(do: :no)},
        {"raises", quote(do: fn _, _, _ -> raise "no" end),
         quote(do: {%RuntimeError{message: "no"}, [_ | _]})},
        {"exits", quote(do: fn _, _, _ -> exit(:no) end), quote(do: {:exit, :no})},
        {"returns nonsense", quote(do: fn _, _, _ -> :fine end),
         quote(do: {:bad_return, {_, :code_change, 3}, :fine})}
      ] do
    test "a code_change/3 that #{what} leaves the version before in place", %{instance: instance} do
      load(counting("1.0.0"), instance)
      {:ok, {"1.0.0", 1}} = call(:count, instance)
      before = Manager.plugin_info!(:counting, instance: instance)

      two = counting("2.0.0", code_change: unquote(Macro.escape(body)), point: :leap)

      assert {:error, %Error{step: :code_change, reason: unquote(reason)} = error} =
               Manager.upgrade_plugin(:counting, two, instance: instance)

      assert Exception.message(error) =~ "code_change/3 failed with"
      assert Manager.plugin_info!(:counting, instance: instance) == before
      assert {:ok, {"1.0.0", 2}} = call(:count, instance)
      assert step(instance) == {:ok, ["1.0.0"]}
      assert Hook.points(instance: instance) == [:step]
    end
  end

  test "a code_change/3 that takes too long is ended, and the plugin starts again as it was", %{
    instance: instance
  } do
    one = counting("1.0.0")
    load(one, instance)
    {:ok, {"1.0.0", 1}} = call(:count, instance)
    two = counting("2.0.0", code_change: quote(do: fn _, _, _ -> Process.sleep(:infinity) end))

    assert {:error, %Error{step: :code_change, reason: :timeout}} =
             Manager.upgrade_plugin(:counting, two, instance: instance, timeout: 50)

    assert %{state: :started, version: "1.0.0", module: ^one} =
             Manager.plugin_info!(:counting, instance: instance)

    assert step(instance) == {:ok, ["1.0.0"]}
    # The supervisor answers once it has started the process again.
    _ = instance |> Names.whereis(:plugins) |> Supervisor.which_children()
    assert {:ok, {"1.0.0", 1}} = call(:count, instance)
  end

  test "a version that others cannot do with is refused, by a message", %{instance: instance} do
    load(counting("1.0.0"), instance)

    needing =
      plugin id: :needing do
        depends_on(:counting, version: "~> 1.0")
      end

    load(needing, instance)
    assert {:error, error} = Manager.upgrade_plugin(:counting, counting("2.0.0"), instance: instance)
    assert %Error{step: :resolve, plugin: :counting} = error
    assert Exception.message(error) =~ "needing needs counting ~> 1.0"
    assert {:ok, {"1.0.0", 1}} = call(:count, instance)
    assert {:ok, "1.5.0"} = Manager.upgrade_plugin(:counting, counting("1.5.0"), instance: instance)
  end

  test "a version that needs what is not there is refused", %{instance: instance} do
    load(counting("1.0.0"), instance)
    two = counting("2.0.0", declare: quote(do: depends_on(:missing)))

    assert {:error, %Error{step: :resolve, reason: {:missing_dependencies, _}}} =
             Manager.upgrade_plugin(:counting, two, instance: instance)

    assert step(instance) == {:ok, ["1.0.0"]}
  end

  test "hooks that do not fit are refused", %{instance: instance} do
    load(counting("1.0.0"), instance)

    two =
      counting("2.0.0", declare: quote(do: hook(:before, :step, native: :redact, config: %{field: :text})))

    assert {:error, %Error{step: :hooks} = error} = Manager.upgrade_plugin(:counting, two, instance: instance)

    assert Exception.message(error) =~ "patterns"
    assert step(instance) == {:ok, ["1.0.0"]}
  end

  test "a plugin with native hooks gets those of the new version", %{instance: instance} do
    native = fn version, prefix ->
      counting(version,
        declare:
          quote(do: hook(:before, :prompt, native: :put, config: %{field: :greeting, value: unquote(prefix)}))
      )
    end

    load(native.("1.0.0", "Hello"), instance)
    run = fn -> Hook.run(instance, :prompt, %{}, &Function.identity/1) end
    assert run.() == {:ok, %{greeting: "Hello"}}
    assert {:ok, "2.0.0"} = Manager.upgrade_plugin(:counting, native.("2.0.0", "Salve"), instance: instance)
    assert run.() == {:ok, %{greeting: "Salve"}}
  end

  test "another plugin, no plugin, and no module are refused, by messages", %{instance: instance} do
    load(counting("1.0.0"), instance)
    upgrade = fn target -> Manager.upgrade_plugin(:counting, target, instance: instance) end

    assert {:error, %Error{reason: {:invalid_manifest, sentence}}} = upgrade.(counting("1.0.0", id: :else))

    assert sentence == "its id is :else, and that of the plugin to upgrade is :counting"
    assert {:error, %Error{reason: :not_a_plugin}} = upgrade.(Enum)
    assert {:error, %Error{reason: :module_not_found}} = upgrade.(No.Such.Module)
    assert {:error, %Error{reason: {:cannot_load, "/no/such.beam", :enoent}}} = upgrade.("/no/such.beam")
    assert {:error, %Error{reason: {:cannot_load, _, _}}} = upgrade.("FOR1 but no BEAM file")
    assert {:error, %Error{reason: {:not_loaded, :z}}} = Manager.upgrade_plugin(:z, Enum, instance: instance)
    :ok = Manager.disable_plugin(:counting, instance: instance)
    assert {:error, %Error{reason: {:stopped, :counting}}} = upgrade.(counting("2.0.0"))
  end

  test "the upgraded version is what a crash starts again", %{instance: instance} do
    load(counting("1.0.0"), instance, %{kept: true})
    {:ok, _} = Manager.upgrade_plugin(:counting, counting("2.0.0"), instance: instance)
    :ok = Manager.restart_plugin(:counting, instance: instance)
    assert {:ok, %{kept: true, calls: 0}} = call(:state, instance)
    assert {:ok, "2.0.0"} = call(:version, instance)
  end

  test "what is held for want of a version is released by it", %{instance: instance} do
    load(counting("1.0.0"), instance)

    needing =
      plugin id: :needing do
        depends_on(:counting, version: "~> 2.0")
      end

    name = :"#{instance} configured"
    ExUnit.CaptureLog.capture_log(fn -> start_supervised!({Manager, name: name, plugins: [needing]}) end)
    load(counting("1.0.0"), name)
    assert %{state: :held} = Manager.plugin_info!(:needing, instance: name)
    {:ok, _} = Manager.upgrade_plugin(:counting, counting("2.0.0"), instance: name)
    assert %{state: :started} = Manager.plugin_info!(:needing, instance: name)
  end

  describe "a module of the same name" do
    @describetag :tmp_dir

    # Compiles two versions of one module; the first is loaded and in the code path, the second in a file elsewhere.
    defp versions(tmp_dir, opts \\ []) do
      name = unique()
      {:module, ^name, two, _} = create(name, "2.0.0", opts)
      Pipeline.InstanceCase.remove(name)
      {:module, ^name, one, _} = create(name, "1.0.0", opts[:old] || [])
      Pipeline.InstanceCase.remove(name)

      file = Path.join(tmp_dir, "#{name}.beam")
      File.write!(file, one)
      Code.append_path(tmp_dir)
      {:module, ^name} = Code.ensure_loaded(name)

      newer = Path.join(tmp_dir, "newer.beam")
      File.write!(newer, two)

      on_exit(fn ->
        Code.delete_path(tmp_dir)
        Pipeline.InstanceCase.remove(name)
      end)

      %{module: name, file: file, newer: newer, binary: two}
    end

    test "is upgraded from a file", %{instance: instance, tmp_dir: tmp_dir} do
      %{module: module, newer: newer} = versions(tmp_dir)
      load(module, instance)
      {:ok, {"1.0.0", 1}} = call(:count, instance)

      assert {:ok, "2.0.0"} = Manager.upgrade_plugin(:counting, newer, instance: instance)
      assert {:ok, {"2.0.0", 2}} = call(:count, instance)
      assert step(instance) == {:ok, ["2.0.0"]}
      assert %{module: ^module, version: "2.0.0"} = Manager.plugin_info!(:counting, instance: instance)
    end

    test "is upgraded from its bytes", %{instance: instance, tmp_dir: tmp_dir} do
      %{module: module, binary: binary} = versions(tmp_dir)
      load(module, instance)
      assert {:ok, "2.0.0"} = Manager.upgrade_plugin(:counting, binary, instance: instance)
      assert step(instance) == {:ok, ["2.0.0"]}
    end

    test "goes back to the code before when code_change/3 fails", %{instance: instance, tmp_dir: tmp_dir} do
      %{module: module, newer: newer} =
        versions(tmp_dir, code_change: quote(do: fn _, _, _ -> {:error, :no} end))

      load(module, instance)
      {:ok, {"1.0.0", 1}} = call(:count, instance)

      assert {:error, %Error{step: :code_change, reason: :no}} =
               Manager.upgrade_plugin(:counting, newer, instance: instance)

      assert {:ok, {"1.0.0", 2}} = call(:count, instance)
      assert step(instance) == {:ok, ["1.0.0"]}
      assert module.__plugin__().version == "1.0.0"
    end

    test "whose file has been replaced says that there is no way back, and goes without if told to", %{
      instance: instance,
      tmp_dir: tmp_dir
    } do
      %{module: module, newer: newer, file: file} = versions(tmp_dir)
      load(module, instance)
      File.cp!(newer, file)

      assert {:error, %Error{step: :code, reason: {:no_way_back, ^module}} = error} =
               Manager.upgrade_plugin(:counting, module, instance: instance)

      assert Exception.message(error) =~ "or pass rollback: false"
      assert step(instance) == {:ok, ["1.0.0"]}

      assert {:ok, "2.0.0"} = Manager.upgrade_plugin(:counting, module, instance: instance, rollback: false)
      assert step(instance) == {:ok, ["2.0.0"]}
    end

    # Runs until told to stop, and returns what the runs gave.
    defp dispatch(instance, results) do
      receive do
        {:stop, from} -> send(from, {:ran, results})
      after
        0 -> dispatch(instance, MapSet.put(results, step(instance)))
      end
    end

    defp dispatchers(instance) do
      for _ <- 1..3, do: spawn_link(fn -> dispatch(instance, MapSet.new()) end)
    end

    defp results(dispatchers) do
      for pid <- dispatchers, reduce: MapSet.new() do
        results ->
          send(pid, {:stop, self()})
          assert_receive {:ran, more}
          MapSet.union(results, more)
      end
    end

    test "is upgraded under load, and no run misses a function that is gone", %{
      instance: instance,
      tmp_dir: tmp_dir
    } do
      %{module: module, newer: newer} = versions(tmp_dir, fun: :tell_anew)
      load(module, instance)
      dispatchers = dispatchers(instance)
      assert {:ok, "2.0.0"} = Manager.upgrade_plugin(:counting, newer, instance: instance)
      assert step(instance) == {:ok, ["2.0.0"]}
      assert MapSet.subset?(results(dispatchers), MapSet.new([{:ok, ["1.0.0"]}, {:ok, ["2.0.0"]}]))
    end

    test "shows nothing of a version that fails", %{instance: instance, tmp_dir: tmp_dir} do
      %{module: module, newer: newer} =
        versions(tmp_dir, fun: :tell_anew, code_change: quote(do: fn _, _, _ -> {:error, :no} end))

      load(module, instance)
      dispatchers = dispatchers(instance)
      assert {:error, %Error{reason: :no}} = Manager.upgrade_plugin(:counting, newer, instance: instance)
      assert step(instance) == {:ok, ["1.0.0"]}
      assert results(dispatchers) == MapSet.new([{:ok, ["1.0.0"]}])
    end

    test "waits for runs under way, and stays when they take too long", %{
      instance: instance,
      tmp_dir: tmp_dir
    } do
      waiting =
        quote do
          with [test | _] when is_pid(test) <- context do
            send(test, {:in, self()})
            receive(do: (:go -> :ok))
          end
        end

      %{module: module, newer: newer} = versions(tmp_dir, old: [before: waiting])
      load(module, instance)
      test = self()
      run = Task.async(fn -> Hook.run(instance, :step, [test], &Function.identity/1) end)
      assert_receive {:in, pid}

      assert {:error, %Error{reason: {:still_running, [^pid]}}} =
               Manager.upgrade_plugin(:counting, newer, instance: instance, drain_timeout: 10)

      assert step(instance) == {:ok, ["1.0.0"]}
      upgrade = Task.async(fn -> Manager.upgrade_plugin(:counting, newer, instance: instance) end)
      send(pid, :go)
      assert Task.await(run) == {:ok, ["1.0.0", test]}
      assert Task.await(upgrade) == {:ok, "2.0.0"}
      assert step(instance) == {:ok, ["2.0.0"]}
    end

    @tag :capture_log
    test "is as it was when the manager is killed in between", %{instance: instance, tmp_dir: tmp_dir} do
      change =
        quote do
          fn _, _, test ->
            send(test, {:changing, self()})
            receive(do: (:never -> :ok))
          end
        end

      %{module: module, newer: newer} = versions(tmp_dir, code_change: change)
      load(module, instance)
      {:ok, {"1.0.0", 1}} = call(:count, instance)
      test = self()
      Task.start(fn -> Manager.upgrade_plugin(:counting, newer, instance: instance, extra: test) end)
      assert_receive {:changing, plugin}
      run = Task.async(fn -> step(instance) end)

      manager = Names.whereis(instance, :manager)
      monitor = Process.monitor(manager)
      Process.exit(manager, :kill)
      assert_receive {:DOWN, ^monitor, :process, ^manager, _}
      # What hangs in code_change/3 is ended by whom it may concern.
      Process.exit(plugin, :kill)
      assert Task.await(run) == {:ok, ["1.0.0"]}

      _ = instance |> Names.whereis(:instance) |> Supervisor.which_children()

      assert {:error, %Error{reason: {:already_started, :counting}}} =
               Manager.enable_plugin(:counting, instance: instance)

      assert module.__plugin__().version == "1.0.0"
      assert step(instance) == {:ok, ["1.0.0"]}
      assert %{version: "1.0.0", state: :started} = Manager.plugin_info!(:counting, instance: instance)
      assert {:ok, {"1.0.0", 1}} = call(:count, instance)
    end

    test "that has no way back and fails is failed", %{instance: instance, tmp_dir: tmp_dir} do
      %{module: module, newer: newer, file: file} =
        versions(tmp_dir, code_change: quote(do: fn _, _, _ -> {:error, :no} end))

      load(module, instance)
      File.cp!(newer, file)

      assert {:error, %Error{step: :code_change, reason: :no}} =
               Manager.upgrade_plugin(:counting, module, instance: instance, rollback: false)

      assert %{state: :failed} = Manager.plugin_info!(:counting, instance: instance)
      assert step(instance) == {:ok, []}
    end
  end

  test "no call is lost across upgrades", %{instance: instance} do
    load(counting("1.0.0"), instance)
    versions = for n <- 1..20, do: counting("1.#{n}.0")
    test = self()

    callers =
      for _ <- 1..4 do
        Task.async(fn ->
          send(test, :calling)
          for _ <- 1..500, do: call(:count, instance)
        end)
      end

    for _ <- callers, do: assert_receive(:calling)
    for module <- versions, do: {:ok, _} = Manager.upgrade_plugin(:counting, module, instance: instance)

    counts = for {:ok, {_version, count}} <- callers |> Task.await_many(30_000) |> List.flatten(), do: count
    assert Enum.sort(counts) == Enum.to_list(1..2000)
  end
end
