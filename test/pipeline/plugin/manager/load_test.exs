defmodule Pipeline.Plugin.Manager.LoadTest do
  use Pipeline.InstanceCase, async: true

  import Pipeline.Reporter

  describe "load_plugin/3" do
    test "runs init and start in the plugin's process, registers it and installs its hooks", %{
      instance: instance
    } do
      module =
        plugin id: :alpha, version: "1.2.3" do
          use Pipeline.Reporter
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
               info = Manager.plugin_info!(:alpha, instance: instance)

      assert %DateTime{} = info.loaded_at
      assert [^info] = Manager.list_plugins(instance: instance)
      assert Manager.get_by_capability(:letters, instance: instance) == [:alpha]
      assert Manager.get_provider(:node_handler, instance: instance) == {:ok, {:alpha, SomeHandler}}
      assert Hook.run(instance, :step, %{}, &Function.identity/1) == {:ok, %{alpha: true}}
    end

    test "gives an empty configuration by default", %{instance: instance} do
      module =
        plugin id: :alpha do
          use Pipeline.Reporter
        end

      assert {:ok, :alpha} = Manager.load_plugin(module, %{}, instance: instance)
      assert RPC.call(:alpha, :config, 5000, instance: instance) == {:ok, %{}}
    end

    test "refuses a module that is not a plugin, by a message", %{instance: instance} do
      assert {:error, %Error{step: :validate, reason: :not_a_plugin} = error} =
               Manager.load_plugin(Enum, %{}, instance: instance)

      assert Exception.message(error) ==
               "could not load Enum (step validate): Enum has no __plugin__/0, so it is not a plugin; " <>
                 "write use Pipeline.Plugin in it"

      assert {:error, %Error{reason: :module_not_found} = error} =
               Manager.load_plugin(No.Such.Plugin, %{}, instance: instance)

      assert Exception.message(error) =~ "there is no module No.Such.Plugin in the code path"
    end

    test "refuses a duplicate id, by a message, and leaves the first alone", %{instance: instance} do
      one = plugin([id: :twice], do: nil)
      two = plugin([id: :twice], do: nil)
      assert {:ok, :twice} = Manager.load_plugin(one, %{}, instance: instance)

      assert {:error, %Error{reason: {:already_loaded, :twice}} = error} =
               Manager.load_plugin(two, %{}, instance: instance)

      assert Exception.message(error) ==
               "could not load plugin :twice (#{inspect(two)}) (step validate): a plugin with the id :twice is " <>
                 "loaded already; unload it first, or give this one another id"

      assert %{module: ^one, state: :started} = Manager.plugin_info!(:twice, instance: instance)
    end

    test "tells the id :a from the id \"a\"", %{instance: instance} do
      atom = plugin([id: :a], do: nil)
      string = plugin([id: "a"], do: nil)
      assert {:ok, :a} = Manager.load_plugin(atom, %{}, instance: instance)
      assert {:ok, "a"} = Manager.load_plugin(string, %{}, instance: instance)
      assert %{module: ^atom} = Manager.plugin_info!(:a, instance: instance)
      assert %{module: ^string} = Manager.plugin_info!("a", instance: instance)
    end

    test "refuses a missing dependency, by a message that suggests what was meant", %{instance: instance} do
      cache = plugin([id: :cache], do: nil)
      assert {:ok, :cache} = Manager.load_plugin(cache, %{}, instance: instance)

      blog =
        plugin id: :blog do
          depends_on(:cahce, version: "~> 1.0")
        end

      assert {:error, %Error{step: :resolve, reason: {:missing_dependencies, missing}} = error} =
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

      assert {:error, %Error{step: :resolve, reason: {:version_mismatch, [mismatch]}} = error} =
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

      assert {:error, %Error{reason: {:version_mismatch, [mismatch]}}} =
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

      assert {:error, %Error{step: :init, reason: :no_key} = error} =
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

      assert {:error, %Error{step: :init} = error} =
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

      assert {:error, %Error{step: :start, reason: :no_port}} =
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

      assert {:error, %Error{step: :init, reason: :timeout}} =
               Manager.load_plugin(module, %{}, instance: instance, timeout: 50)

      assert_nothing_left(instance)
    end

    test "refuses a configuration that is no map, and unknown options", %{instance: instance} do
      module = plugin([id: :alpha], do: nil)

      assert {:error, %Error{reason: {:invalid_config, [%{path: [], reason: :type, got: nil}]}}} =
               Manager.load_plugin(module, :nonsense, instance: instance)

      assert_raise ArgumentError,
                   "unknown option :instanze of loading plugins. Did you mean :instance? Known: :instance, :timeout, :limits, :restart, :nodes, :modules, :as, :hooks",
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

      assert {:error, %Error{reason: {:invalid_manifest, _}} = error} =
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

      assert {:error, %Error{step: :init, reason: %Error{reason: {:called_from_callback, :init}}}} =
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

      assert {:error, %Error{reason: {:invalid_manifest, sentence}}} =
               Manager.load_plugin(raising, %{}, instance: instance)

      assert sentence == "its __plugin__/0 raised: no manifest today"

      assert {:error, %Error{reason: {:invalid_manifest, sentence}}} =
               Manager.load_plugin(wrong, %{}, instance: instance)

      assert sentence =~ "its hooks are %{before: :step}"
      assert_nothing_left(instance)
    end
  end

  describe "load_plugins/2" do
    test "loads in the order of dependencies, and starts when all are initialised", %{instance: instance} do
      blog =
        plugin id: :blog do
          use Pipeline.Reporter
          depends_on(:cache, version: "~> 1.0")
          depends_on(capability: :llm)
        end

      cache =
        plugin id: :cache do
          use Pipeline.Reporter
        end

      llm =
        plugin id: :some_llm do
          use Pipeline.Reporter
          capability(:llm)
        end

      config = %{test: self()}

      assert {:ok, ids} =
               Manager.load_plugins([{blog, config}, {cache, config}, {llm, config}], instance: instance)

      assert ids == [:cache, :some_llm, :blog]

      # Plugins of one wave run their callbacks at the same time, so those of the first come in either order.
      assert [{:init, a}, {:init, b}, {:init, :blog}, {:start, c}, {:start, d}, {:start, :blog}] = callbacks()
      assert Enum.sort([a, b]) == [:cache, :some_llm] and Enum.sort([c, d]) == [:cache, :some_llm]

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

      assert {:error, %Error{step: :resolve, reason: {:cycle, cycle}} = error} =
               Manager.load_plugins([one, two], instance: instance)

      assert Enum.sort(cycle) == [:one, :two]

      assert Exception.message(error) ==
               "could not load the plugins (step resolve): these plugins wait for each other:\n" <>
                 "  one needs two\n  two needs one\nRemove one of these dependencies."
    end

    test "loads all or none", %{instance: instance} do
      good =
        plugin id: :good do
          use Pipeline.Reporter

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

      assert {:error, %Error{plugin: :bad, step: :start, reason: :bad}} =
               Manager.load_plugins([{good, %{test: self()}}, bad], instance: instance)

      assert_received {:stop, :good, _}
      assert_nothing_left(instance)
    end

    test "refuses an id that is given twice", %{instance: instance} do
      one = plugin([id: :twice], do: nil)
      two = plugin([id: :twice], do: nil)

      assert {:error, %Error{reason: {:duplicate_id, :twice}}} =
               Manager.load_plugins([one, two], instance: instance)

      assert_nothing_left(instance)
    end
  end
end
