defmodule Pipeline.Plugin.ManagerTest do
  use Pipeline.InstanceCase, async: true

  doctest Pipeline.Plugin.Manager

  defmodule Reporter do
    # Tells a test process what its callbacks see.
    defmacro __using__(_) do
      quote do
        @impl Pipeline.Plugin
        def init(config) do
          report(config, :init)
          {:ok, config}
        end

        @impl Pipeline.Plugin
        def start(config) do
          report(config, :start)
          {:ok, config}
        end

        @impl Pipeline.Plugin
        def stop(config) do
          report(config, :stop)
          :ok
        end

        @impl Pipeline.Plugin
        def handle_rpc(:config, config), do: {:reply, config, config}

        defp report(%{test: pid}, callback), do: send(pid, {callback, __plugin__().id, self()})
        defp report(_config, _callback), do: :ok
      end
    end
  end

  describe "load_plugin/3" do
    test "runs init and start in the plugin's process, registers it and installs its hooks", %{
      instance: instance
    } do
      module =
        plugin id: :alpha, version: "1.2.3" do
          use Reporter
          capability(:letters, [:a])
          provides(:node_handler, SomeHandler)

          hook :before, :step do
            def step(context, next), do: next.(Map.put(context, :alpha, true))
          end
        end

      assert {:ok, :alpha} = Manager.load_plugin(module, %{test: self()}, instance: instance)
      assert_received {:init, :alpha, pid}
      assert_received {:start, :alpha, ^pid}

      assert %{id: :alpha, version: "1.2.3", state: :started, pid: ^pid, module: ^module, config: %{test: _}} =
               info = Manager.plugin_info(:alpha, instance: instance)

      assert %DateTime{} = info.loaded_at
      assert [^info] = Manager.list_plugins(instance: instance)
      assert Manager.get_by_capability(:letters, instance: instance) == [:alpha]
      assert Manager.get_provider(:node_handler, instance: instance) == {:ok, {:alpha, SomeHandler}}
      assert Hook.run(instance, :step, %{}, &Function.identity/1) == {:ok, %{alpha: true}}
    end

    test "gives an empty configuration by default", %{instance: instance} do
      module =
        plugin id: :alpha do
          use Reporter
        end

      assert {:ok, :alpha} = Manager.load_plugin(module, %{}, instance: instance)
      assert RPC.call(:alpha, :config, 5000, instance: instance) == {:ok, %{}}
    end

    test "refuses a module that is not a plugin, by a message", %{instance: instance} do
      assert {:error, %LoadError{step: :validate, reason: :not_a_plugin} = error} =
               Manager.load_plugin(Enum, %{}, instance: instance)

      assert Exception.message(error) ==
               "could not load Enum (step validate): Enum has no __plugin__/0, so it is not a plugin; " <>
                 "write use Pipeline.Plugin in it"

      assert {:error, %LoadError{reason: :module_not_found} = error} =
               Manager.load_plugin(No.Such.Plugin, %{}, instance: instance)

      assert Exception.message(error) =~ "there is no module No.Such.Plugin in the code path"
    end

    test "refuses a duplicate id, by a message, and leaves the first alone", %{instance: instance} do
      one = plugin([id: :twice], do: nil)
      two = plugin([id: :twice], do: nil)
      assert {:ok, :twice} = Manager.load_plugin(one, %{}, instance: instance)

      assert {:error, %LoadError{reason: {:already_loaded, :twice}} = error} =
               Manager.load_plugin(two, %{}, instance: instance)

      assert Exception.message(error) ==
               "could not load plugin :twice (#{inspect(two)}) (step validate): a plugin with the id :twice is " <>
                 "loaded already; unload it first, or give this one another id"

      assert %{module: ^one, state: :started} = Manager.plugin_info(:twice, instance: instance)
    end

    test "tells the id :a from the id \"a\"", %{instance: instance} do
      atom = plugin([id: :a], do: nil)
      string = plugin([id: "a"], do: nil)
      assert {:ok, :a} = Manager.load_plugin(atom, %{}, instance: instance)
      assert {:ok, "a"} = Manager.load_plugin(string, %{}, instance: instance)
      assert %{module: ^atom} = Manager.plugin_info(:a, instance: instance)
      assert %{module: ^string} = Manager.plugin_info("a", instance: instance)
    end

    test "refuses a missing dependency, by a message that suggests what was meant", %{instance: instance} do
      cache = plugin([id: :cache], do: nil)
      assert {:ok, :cache} = Manager.load_plugin(cache, %{}, instance: instance)

      blog =
        plugin id: :blog do
          depends_on(:cahce, version: "~> 1.0")
        end

      assert {:error, %LoadError{step: :resolve, reason: {:missing_dependencies, missing}} = error} =
               Manager.load_plugin(blog, %{}, instance: instance)

      assert missing == [{:missing_dependency, :blog, :cahce, "~> 1.0"}]

      assert Exception.message(error) ==
               "could not load plugin :blog (#{inspect(blog)}) (step resolve): blog needs cahce ~> 1.0, which is " <>
                 "not there: load cahce as well, or leave blog out. Did you mean cache?"
    end

    test "refuses a version that does not match, by a message", %{instance: instance} do
      cache = plugin([id: :cache, version: "2.1.0"], do: nil)
      assert {:ok, :cache} = Manager.load_plugin(cache, %{}, instance: instance)

      blog =
        plugin id: :blog do
          depends_on(:cache, version: "~> 1.4")
        end

      assert {:error, %LoadError{step: :resolve, reason: {:version_mismatch, [mismatch]}} = error} =
               Manager.load_plugin(blog, %{}, instance: instance)

      assert mismatch == {:version_mismatch, :blog, :cache, "~> 1.4", "2.1.0"}

      assert Exception.message(error) =~
               "blog needs cache ~> 1.4, but cache 2.1.0 is there: load a version that matches, or relax the " <>
                 "requirement in blog."
    end

    test "refuses a version that a loaded plugin's optional dependency does not allow", %{instance: instance} do
      blog =
        plugin id: :blog do
          depends_on(:cache, version: "~> 1.4", optional: true)
        end

      {:ok, :blog} = Manager.load_plugin(blog, %{}, instance: instance)
      cache = plugin([id: :cache, version: "2.1.0"], do: nil)

      assert {:error, %LoadError{reason: {:version_mismatch, [mismatch]}}} =
               Manager.load_plugin(cache, %{}, instance: instance)

      assert mismatch == {:version_mismatch, :blog, :cache, "~> 1.4", "2.1.0"}
      right = plugin([id: :cache, version: "1.5.0"], do: nil)
      assert {:ok, :cache} = Manager.load_plugin(right, %{}, instance: instance)
    end

    test "undoes a plugin whose init fails, by a message", %{instance: instance} do
      module =
        plugin id: :broken do
          capability(:letters)

          @impl Pipeline.Plugin
          def init(_config), do: {:error, :no_key}

          hook :before, :step do
            def step(_context, _next), do: :never
          end
        end

      assert {:error, %LoadError{step: :init, reason: :no_key} = error} =
               Manager.load_plugin(module, %{}, instance: instance)

      assert Exception.message(error) ==
               "could not load plugin :broken (#{inspect(module)}) (step init): init/1 failed with :no_key; it is undone"

      assert_nothing_left(instance)
    end

    test "undoes a plugin whose init raises", %{instance: instance} do
      module =
        plugin id: :broken do
          @impl Pipeline.Plugin
          def init(config), do: raise("no #{config.what}")
        end

      assert {:error, %LoadError{step: :init} = error} =
               Manager.load_plugin(module, %{what: "luck"}, instance: instance)

      assert Exception.message(error) =~ "init/1 failed with ** (RuntimeError) no luck; it is undone"
      assert_nothing_left(instance)
    end

    test "undoes a plugin whose start fails, and stops it", %{instance: instance} do
      module =
        plugin id: :broken do
          @impl Pipeline.Plugin
          def start(_config), do: {:error, :no_port}

          @impl Pipeline.Plugin
          def stop(%{test: pid}), do: send(pid, :stopped) && :ok
        end

      assert {:error, %LoadError{step: :start, reason: :no_port}} =
               Manager.load_plugin(module, %{test: self()}, instance: instance)

      assert_received :stopped
      assert_nothing_left(instance)
    end

    test "ends a plugin whose init takes too long", %{instance: instance} do
      module =
        plugin id: :slow do
          @impl Pipeline.Plugin
          def init(_config), do: receive(do: (:never -> {:ok, nil}))
        end

      assert {:error, %LoadError{step: :init, reason: :timeout}} =
               Manager.load_plugin(module, %{}, instance: instance, timeout: 50)

      assert_nothing_left(instance)
    end

    test "refuses a configuration that is no map, and unknown options", %{instance: instance} do
      module = plugin([id: :alpha], do: nil)

      assert {:error, %LoadError{reason: {:invalid_config, :nonsense}}} =
               Manager.load_plugin(module, :nonsense, instance: instance)

      assert_raise ArgumentError,
                   "unknown option :instanze of loading plugins. Did you mean :instance? Known: :instance, :timeout, :limits, :restart, :nodes, :modules",
                   fn -> Manager.load_plugin(module, %{}, instanze: instance) end
    end

    test "refuses a manifest that is wrong, by a message that names the field", %{instance: instance} do
      name = :"Elixir.Pipeline.WrongManifest#{System.unique_integer([:positive])}"

      {:module, module, _, _} =
        Module.create(
          name,
          quote do
            def __plugin__, do: %{id: :wrong, version: "1", capabilities: [], dependencies: []}
          end,
          __ENV__
        )

      assert {:error, %LoadError{reason: {:invalid_manifest, _}} = error} =
               Manager.load_plugin(module, %{}, instance: instance)

      assert Exception.message(error) =~
               ~s(its version is "1", which is not a semantic version such as "1.0.0")
    end

    test "answers a plugin that asks from a callback the manager waits for", %{instance: instance} do
      other = plugin([id: :other], do: nil)

      module =
        plugin id: :asking do
          @impl Pipeline.Plugin
          def init(%{other: other, instance: instance}) do
            Pipeline.Plugin.Manager.load_plugin(other, %{}, instance: instance)
          end
        end

      assert {:error, %LoadError{step: :init, reason: %LoadError{reason: {:called_from_callback, :init}}}} =
               Manager.load_plugin(module, %{other: other, instance: instance}, instance: instance)
    end
  end

  describe "a plugin that is written by hand" do
    defp by_hand(functions) do
      name = :"Elixir.Pipeline.ByHand#{System.unique_integer([:positive])}"
      {:module, module, _, _} = Module.create(name, functions, __ENV__)
      module
    end

    test "needs no more than __plugin__/0", %{instance: instance} do
      module =
        by_hand(
          quote do
            def __plugin__, do: %{id: :bare, version: "1.0.0", capabilities: [], dependencies: []}
          end
        )

      assert {:ok, :bare} = Manager.load_plugin(module, %{k: 1}, instance: instance)
      assert :ok = Manager.unload_plugin(:bare, instance: instance)
      assert_nothing_left(instance)
    end

    test "is refused when its manifest raises or lists hooks that are none", %{instance: instance} do
      raising =
        by_hand(
          quote do
            def __plugin__, do: raise("no manifest today")
          end
        )

      wrong =
        by_hand(
          quote do
            def __plugin__ do
              %{id: :wrong, version: "1.0.0", capabilities: [], dependencies: [], hooks: %{before: :step}}
            end
          end
        )

      assert {:error, %LoadError{reason: {:invalid_manifest, sentence}}} =
               Manager.load_plugin(raising, %{}, instance: instance)

      assert sentence == "its __plugin__/0 raised: no manifest today"

      assert {:error, %LoadError{reason: {:invalid_manifest, sentence}}} =
               Manager.load_plugin(wrong, %{}, instance: instance)

      assert sentence =~ "its hooks are %{before: :step}"
      assert_nothing_left(instance)
    end
  end

  describe "load_plugins/2" do
    test "loads in the order of dependencies, and starts when all are initialised", %{instance: instance} do
      blog =
        plugin id: :blog do
          use Reporter
          depends_on(:cache, version: "~> 1.0")
          depends_on(capability: :llm)
        end

      cache =
        plugin id: :cache do
          use Reporter
        end

      llm =
        plugin id: :some_llm do
          use Reporter
          capability(:llm)
        end

      config = %{test: self()}

      assert {:ok, ids} =
               Manager.load_plugins([{blog, config}, {cache, config}, {llm, config}], instance: instance)

      assert ids == [:cache, :some_llm, :blog]

      # The first two run at the same time.
      assert [inits, [init: :blog], starts, [start: :blog]] =
               Enum.chunk_by(callbacks(), fn {callback, id} -> {callback, id == :blog} end)

      assert Enum.sort(inits) == [init: :cache, init: :some_llm]
      assert Enum.sort(starts) == [start: :cache, start: :some_llm]

      assert Enum.map(Manager.list_plugins(instance: instance), & &1.id) == ids
    end

    test "names the cycle, by a message", %{instance: instance} do
      one =
        plugin id: :one do
          depends_on(:two)
        end

      two =
        plugin id: :two do
          depends_on(:one)
        end

      assert {:error, %LoadError{step: :resolve, reason: {:cycle, cycle}} = error} =
               Manager.load_plugins([one, two], instance: instance)

      assert Enum.sort(cycle) == [:one, :two]

      assert Exception.message(error) ==
               "could not load the plugins (step resolve): these plugins wait for each other:\n" <>
                 "  one needs two\n  two needs one\nRemove one of these dependencies."
    end

    test "loads all or none", %{instance: instance} do
      good =
        plugin id: :good do
          use Reporter

          hook :before, :step do
            def step(_context, _next), do: :good
          end
        end

      bad =
        plugin id: :bad do
          depends_on(:good)

          @impl Pipeline.Plugin
          def start(_config), do: {:error, :bad}
        end

      assert {:error, %LoadError{plugin: :bad, step: :start, reason: :bad}} =
               Manager.load_plugins([{good, %{test: self()}}, bad], instance: instance)

      assert_received {:stop, :good, _}
      assert_nothing_left(instance)
    end

    test "refuses an id that is given twice", %{instance: instance} do
      one = plugin([id: :twice], do: nil)
      two = plugin([id: :twice], do: nil)

      assert {:error, %LoadError{reason: {:duplicate_id, :twice}}} =
               Manager.load_plugins([one, two], instance: instance)

      assert_nothing_left(instance)
    end
  end

  describe "unload_plugin/2" do
    test "takes hooks, process and registration away, and calls stop", %{instance: instance} do
      module =
        plugin id: :alpha do
          use Reporter

          hook :before, :step do
            def step(_context, _next), do: :alpha
          end
        end

      {:ok, :alpha} = Manager.load_plugin(module, %{test: self()}, instance: instance)
      %{pid: pid} = Manager.plugin_info(:alpha, instance: instance)
      monitor = Process.monitor(pid)

      assert :ok = Manager.unload_plugin(:alpha, instance: instance)
      assert_received {:stop, :alpha, ^pid}
      assert_receive {:DOWN, ^monitor, :process, ^pid, :shutdown}
      assert_nothing_left(instance)
      assert {:ok, :alpha} = Manager.load_plugin(module, %{}, instance: instance)
    end

    test "keeps a plugin that others need, and takes them along when told to", %{instance: instance} do
      cache =
        plugin id: :cache do
          use Reporter
        end

      blog =
        plugin id: :blog do
          use Reporter
          depends_on(:cache)
        end

      feed =
        plugin id: :feed do
          use Reporter
          depends_on(:blog)
        end

      reader =
        plugin id: :reader do
          use Reporter
          depends_on(:cache, optional: true)
        end

      config = %{test: self()}

      {:ok, _} =
        Manager.load_plugins(Enum.map([cache, blog, feed, reader], &{&1, config}), instance: instance)

      _ = callbacks()

      assert Manager.unload_plugin(:cache, instance: instance) == {:error, {:required_by, [:blog]}}
      assert Manager.unload_plugin(:nothing, instance: instance) == {:error, {:not_loaded, :nothing}}
      assert callbacks() == []

      assert :ok = Manager.unload_plugin(:cache, instance: instance, cascade: true)
      assert callbacks() == [stop: :feed, stop: :blog, stop: :cache]
      assert [%{id: :reader}] = Manager.list_plugins(instance: instance)
    end

    test "keeps the last provider of a capability that others need", %{instance: instance} do
      one =
        plugin id: :one do
          capability(:llm)
        end

      two =
        plugin id: :two do
          capability(:llm)
        end

      chat =
        plugin id: :chat do
          depends_on(capability: :llm)
        end

      {:ok, _} = Manager.load_plugins([one, two, chat], instance: instance)
      assert :ok = Manager.unload_plugin(:one, instance: instance)
      assert Manager.unload_plugin(:two, instance: instance) == {:error, {:required_by, [:chat]}}
      assert :ok = Manager.unload_plugin(:two, instance: instance, cascade: true)
      assert Manager.list_plugins(instance: instance) == []
    end

    test "does not take a plugin for its own provider", %{instance: instance} do
      one =
        plugin id: :one do
          capability(:llm)
        end

      both =
        plugin id: :both do
          capability(:llm)
          depends_on(capability: :llm)
        end

      {:ok, _} = Manager.load_plugins([one, both], instance: instance)
      assert Manager.unload_plugin(:one, instance: instance) == {:error, {:required_by, [:both]}}
    end
  end

  test "a plugin cannot unload itself and wait for it", %{instance: instance} do
    module =
      plugin id: :leaving do
        @impl Pipeline.Plugin
        def handle_rpc({:leave, instance}, state) do
          {:reply, Pipeline.Plugin.Manager.unload_plugin(:leaving, instance: instance), state}
        end
      end

    {:ok, :leaving} = Manager.load_plugin(module, %{}, instance: instance)

    assert RPC.call(:leaving, {:leave, instance}, 5000, instance: instance) ==
             {:ok, {:error, {:called_from_callback, :itself}}}

    assert Manager.format_error({:called_from_callback, :itself}) =~
             "a plugin cannot ask for a change of itself and wait for it"

    assert :ok = Manager.unload_plugin(:leaving, instance: instance)
  end

  describe "get_provider/2" do
    test "prefers the default, then the priority, then who was first", %{instance: instance} do
      for {id, opts} <- [a: [], b: [], c: [priority: 80], d: [default: true]] do
        name = :"Elixir.Pipeline.Provider#{System.unique_integer([:positive])}"

        Module.create(
          name,
          quote do
            use Pipeline.Plugin, id: unquote(id)
            provides(:provider, unquote(:"module_#{id}"), unquote(opts))
          end,
          __ENV__
        )

        {:ok, ^id} = Manager.load_plugin(name, %{}, instance: instance)
      end

      assert Manager.get_provider(:provider, instance: instance) == {:ok, {:d, :module_d}}
      :ok = Manager.unload_plugin(:d, instance: instance)
      assert Manager.get_provider(:provider, instance: instance) == {:ok, {:c, :module_c}}
      :ok = Manager.unload_plugin(:c, instance: instance)
      assert Manager.get_provider(:provider, instance: instance) == {:ok, {:a, :module_a}}
      assert Manager.get_provider(:nothing, instance: instance) == :error
    end
  end

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
            {[plugins: ["x"]], ~s(a plugin to load is a module or {module, config}, got: "x")},
            {[name: "text"], ~s(the name of an instance is an atom, got: "text")}
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
        for role <- [:instance, :anchor, :hook_tasks, :plugins, :monitor, :manager],
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

  describe "recovery" do
    setup %{instance: instance} do
      module =
        plugin id: :alpha do
          use Reporter
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
      %{pid: pid} = Manager.plugin_info(:alpha, instance: instance)
      kill(instance, :manager)
      assert Hook.run(instance, :step, :given, &Function.identity/1) == {:ok, :alpha}
      await_name(instance, :manager)
      assert %{pid: ^pid, state: :started} = Manager.plugin_info(:alpha, instance: instance)
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
      assert %{state: :failed} = Manager.plugin_info(:alpha, instance: instance)
      assert Manager.get_by_capability(:letters, instance: instance) == []
      assert Hook.run(instance, :step, :given, &Function.identity/1) == {:ok, :given}
    end

    for role <- [:plugins, :anchor] do
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

  defp callbacks do
    receive do
      {callback, id, pid} when is_pid(pid) -> [{callback, id} | callbacks()]
    after
      0 -> []
    end
  end

  defp assert_nothing_left(instance) do
    assert Manager.list_plugins(instance: instance) == []
    assert Manager.get_by_capability(:letters, instance: instance) == []
    assert Hook.points(instance: instance) == []
    supervisor = Pipeline.Instance.Names.whereis(instance, :plugins)
    assert %{active: 0} = Supervisor.count_children(supervisor)
  end
end
