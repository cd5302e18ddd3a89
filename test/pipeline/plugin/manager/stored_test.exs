defmodule Pipeline.Plugin.Manager.StoredTest do
  # An instance with a store comes back as it was, and not as it was configured.
  use Pipeline.InstanceCase, async: true

  @moduletag :tmp_dir

  setup %{tmp_dir: dir} = context do
    {:ok, name: {context.test, make_ref()}, path: Path.join(dir, "store")}
  end

  defp start!(context, opts \\ []) do
    start_supervised!({Manager, [name: context.name, store: context.path] ++ opts}, id: :stored)
    [instance: context.name]
  end

  defp again!(context, opts \\ []) do
    stop_supervised!(:stored)
    start!(context, opts)
  end

  defp greeter do
    plugin id: :greeter do
      @impl Pipeline.Plugin
      def config_schema, do: [greeting: [type: :string, default: "Hello"], key: [type: :string, secret: true]]

      hook :before, :greet do
        def greet(name, next, plugin), do: next.(plugin.config.greeting <> " " <> name)
      end

      @impl Pipeline.Plugin
      def update_config(_config, state), do: {:ok, state}
    end
  end

  defp other do
    plugin id: :other do
      hook :before, :greet do
        def greet(name, next), do: next.(name <> "!")
      end
    end
  end

  test "what was loaded is there again, with its configuration, and its hooks as an operator wants them",
       context do
    opts = start!(context)
    {:ok, :greeter} = Manager.load_plugin(greeter(), %{greeting: "Hi"}, opts)
    {:ok, _} = Manager.load_plugin(other(), %{}, [as: "second"] ++ opts)
    assert Hook.run(context.name, :greet, "Ada", nil) == {:ok, "Hi Ada!"}
    :ok = Manager.configure_hook("second", :greet, [priority: 90] ++ opts)
    :ok = Manager.update_config(:greeter, %{greeting: "Hey"}, opts)

    opts = again!(context)
    assert Hook.run(context.name, :greet, "Ada", nil) == {:ok, "Hey Ada!"}
    assert [%{plugin: "second", overridden: [:priority]}, %{plugin: :greeter}] = Hook.chain(:greet, opts)

    :ok = Manager.unload_plugin("second", opts)
    opts = again!(context)
    assert [%{id: :greeter}] = Manager.list_plugins(opts)
  end

  test "what was disabled is known, and does not run", context do
    opts = start!(context)
    {:ok, :greeter} = Manager.load_plugin(greeter(), %{greeting: "Hi"}, opts)
    :ok = Manager.disable_plugin(:greeter, [reason: "noisy"] ++ opts)
    opts = again!(context)
    assert [%{id: :greeter, state: :stopped}] = Manager.list_plugins(opts)
    {:ok, :started} = Manager.enable_plugin(:greeter, opts)
    assert Hook.run(context.name, :greet, "Ada", nil) == {:ok, "Hi Ada"}
    opts = again!(context)
    assert [%{id: :greeter, state: :started}] = Manager.list_plugins(opts)
  end

  test "secrets are not kept; they come from the configuration of the instance", context do
    marker = "s3cr3t-#{System.unique_integer([:positive])}"
    plugins = [{greeter(), %{key: marker}}]
    opts = start!(context, plugins: plugins)
    :ok = Manager.update_config(:greeter, %{greeting: "Hey", key: marker}, opts)
    refute File.read!(context.path) =~ marker
    again!(context, plugins: plugins)
    assert Hook.run(context.name, :greet, "Ada", nil) == {:ok, "Hey Ada"}
    info = Pipeline.Plugin.Registry.info(Pipeline.Plugin.Registry.owned(context.name), :greeter)
    assert info.config == %{greeting: "Hey", key: marker}
  end

  test "a configured plugin that was unloaded stays away until it is loaded again", context do
    module = other()
    opts = start!(context, plugins: [module])
    :ok = Manager.unload_plugin(:other, opts)
    opts = again!(context, plugins: [module])
    assert Manager.list_plugins(opts) == []
    {:ok, :other} = Manager.load_plugin(module, %{}, opts)
    opts = again!(context, plugins: [module])
    assert [%{id: :other}] = Manager.list_plugins(opts)
  end

  test "a configured plugin that nobody has touched follows its configuration", context do
    module = greeter()
    start!(context, plugins: [{module, %{greeting: "Hi"}}])
    again!(context, plugins: [{module, %{greeting: "Ahoy"}}])
    assert Hook.run(context.name, :greet, "Ada", nil) == {:ok, "Ahoy Ada"}
    again!(context, plugins: [])
    assert Manager.list_plugins(instance: context.name) == []
  end

  test "the version that a plugin was upgraded to comes back, with the configuration of the instance",
       context do
    first = greeter()

    second =
      plugin id: :greeter, version: "2.0.0" do
        hook :before, :greet do
          def greet(name, next, plugin), do: next.(name <> ", " <> plugin.config.greeting)
        end
      end

    plugins = [{first, %{greeting: "Hi"}}]
    opts = start!(context, plugins: plugins)
    {:ok, "2.0.0"} = Manager.upgrade_plugin(:greeter, second, opts)
    assert Hook.run(context.name, :greet, "Ada", nil) == {:ok, "Ada, Hi"}
    opts = again!(context, plugins: plugins)
    assert %{version: "2.0.0"} = Manager.plugin_info!(:greeter, opts)
    assert Hook.run(context.name, :greet, "Ada", nil) == {:ok, "Ada, Hi"}
  end

  test "a plugin whose module is gone is told of, and stops nobody", context do
    opts = start!(context)
    module = other()
    {:ok, :other} = Manager.load_plugin(module, %{}, opts)
    {:ok, :greeter} = Manager.load_plugin(greeter(), %{}, opts)
    stop_supervised!(:stored)
    {:ok, store} = Pipeline.Plugin.Store.open(context.path)

    gone = %{
      source: {:module, "Elixir.No.Such.Module#{System.unique_integer([:positive])}"},
      as: false,
      config: nil,
      overrides: nil
    }

    {:ok, _} = Pipeline.Plugin.Store.put_loaded(store, [{:other, gone}])

    log =
      ExUnit.CaptureLog.capture_log(fn ->
        assert [%{id: :greeter}] = Manager.list_plugins(start!(context))
      end)

    assert log =~ "the store has it as loaded, and there is no module Elixir.No.Such.Module"
  end

  # Each ended the loading of all others.
  @tag :capture_log
  test "an entry that nobody has written stops nobody", context do
    structs = for module <- [Date, :erlang, MapSet], do: :erlang.term_to_binary(%{__struct__: module})

    entries =
      for(bytes <- structs, part <- [:config, :overrides], do: {part, bytes}) ++
        [
          overrides: :erlang.term_to_binary(%{:greet => [{:before, 1} | :x], "x" => %{}}),
          overrides: :erlang.term_to_binary(%{before: %{__struct__: Date}}),
          source: {:module, <<255, 0>>},
          source: {:module, ""},
          source: {:package, <<255, 10>>},
          source: {:package, "/dev/zero"}
        ]

    for {{part, value}, number} <- Enum.with_index(entries) do
      path = context.path <> "#{number}"
      {:ok, store} = Pipeline.Plugin.Store.open(path)
      entry = Map.put(%{source: nil, as: false, config: nil, overrides: nil}, part, value)
      entry = if part == :source, do: entry, else: %{entry | source: {:module, Atom.to_string(other())}}
      {:ok, _} = Pipeline.Plugin.Store.put_loaded(store, [{:other, entry}])
      name = {context.name, number}
      start_supervised!({Manager, name: name, store: path, plugins: [greeter()]}, id: number)

      assert :greeter in for(%{id: id} <- Manager.list_plugins(instance: name), do: id),
             inspect({part, value})
    end
  end

  defmodule Hooks do
    use Pipeline.Hook.Spec, open: true
    hookpoint :admit, fail: :closed
  end

  @tag :capture_log
  test "a closed point stays closed for a guard that the store has and that is lost", context do
    test = self()

    guard =
      plugin id: :guard do
        hook :before, :admit do
          def admit(_context, _next), do: throw({:hook_error, :denied})
        end

        @impl Pipeline.Plugin
        def init(config) do
          with pid when pid != nil <- :persistent_term.get({__MODULE__, :test}, nil) do
            send(pid, {:init, self()})
            receive do: (:go -> :ok)
          end

          {:ok, config}
        end
      end

    opts = start!(context, hooks: Hooks)
    {:ok, :guard} = Manager.load_plugin(guard, %{}, opts)
    stop_supervised!(:stored)

    # Until it runs.
    :persistent_term.put({guard, :test}, test)

    start =
      Task.async(fn ->
        {:ok, pid} = Manager.start_link(name: context.name, store: context.path, hooks: Hooks)
        Process.unlink(pid)
        pid
      end)

    assert_receive {:init, pid}, 5_000

    assert {:error, %Hook.Error{reason: {:plugin_down, nil, :not_restored}}} =
             Hook.run(context.name, :admit, 1, nil)

    :persistent_term.erase({guard, :test})
    send(pid, :go)
    supervisor = Task.await(start)
    assert Hook.run(context.name, :admit, 1, nil) == {:error, :denied}
    Supervisor.stop(supervisor)

    # And as long as it is lost.
    {:ok, store} = Pipeline.Plugin.Store.open(context.path)
    gone = %{source: {:module, "Elixir.No.Such.Guard"}, as: false, config: nil, overrides: nil}
    {:ok, _} = Pipeline.Plugin.Store.put_loaded(store, [{:guard, gone}])
    opts = start!(context, hooks: Hooks)

    assert {:error, %Hook.Error{reason: {:plugin_down, "guard", :not_restored}} = error} =
             Hook.run(context.name, :admit, 1, nil)

    assert Exception.message(error) =~ "could not be found"
    assert {:ok, :guard} = Manager.load_plugin(guard, %{}, opts)
    assert Hook.run(context.name, :admit, 1, nil) == {:error, :denied}
    stop_supervised!(:stored)
    {:ok, store} = Pipeline.Plugin.Store.open(context.path)
    {:ok, _} = Pipeline.Plugin.Store.put_loaded(store, [{:guard, gone}])
    opts = start!(context, hooks: Hooks)
    assert :ok = Manager.unload_plugin(:guard, opts)
    assert Hook.run(context.name, :admit, 1, nil) == {:ok, 1}
    assert {:error, _} = Manager.unload_plugin(:guard, opts)
  end

  test "a guard of the configuration that was unloaded closes nothing", context do
    guard =
      plugin id: :guard do
        hook :before, :admit do
          def admit(_context, _next), do: throw({:hook_error, :denied})
        end
      end

    opts = start!(context, hooks: Hooks, plugins: [guard])
    assert Hook.run(context.name, :admit, 1, nil) == {:error, :denied}
    :ok = Manager.unload_plugin(:guard, opts)
    opts = again!(context, hooks: Hooks, plugins: [guard])
    assert Hook.down(opts) == %{}
    assert Hook.run(context.name, :admit, 1, nil) == {:ok, 1}
  end

  test "a manager that is killed does not load them twice", context do
    opts = start!(context)
    {:ok, :greeter} = Manager.load_plugin(greeter(), %{}, opts)
    manager = Pipeline.Instance.Names.whereis(context.name, :manager)
    monitor = Process.monitor(manager)
    Process.exit(manager, :kill)
    assert_receive {:DOWN, ^monitor, _, _, _}
    {:ok, :other} = load_when_there(other(), opts)
    assert [%{id: :greeter, state: :started}, %{id: :other}] = Manager.list_plugins(opts)
    assert [%{id: :greeter}, %{id: :other}] = Manager.list_plugins(again!(context))
  end

  defp load_when_there(module, opts) do
    Manager.load_plugin(module, %{}, opts)
  catch
    :exit, _ -> load_when_there(module, opts)
  end
end
