defmodule Pipeline.Plugin.TreeTest do
  # The supervisor of one plugin: its children, then its process.
  use Pipeline.InstanceCase, async: true

  alias Pipeline.Instance.Names

  # Tells the test when it starts and ends; fails to start while the configuration's counter says so.
  defmodule Child do
    use GenServer

    def child_spec({name, config}), do: %{id: name, start: {__MODULE__, :start_link, [name, config]}}
    def start_link(name, config), do: GenServer.start_link(__MODULE__, {name, config})

    @impl GenServer
    def init({name, %{test: test} = config}) do
      Process.flag(:trap_exit, true)
      send(test, {:child, name, self(), config[:size]})
      if config[:broken] == name, do: {:stop, :broken}, else: {:ok, {name, test}}
    end

    @impl GenServer
    def terminate(_reason, {name, test}), do: send(test, {:child_ended, name, self()})
  end

  defp parent do
    plugin id: :parent do
      use Pipeline.Gated

      @impl Pipeline.Plugin
      def children(config) do
        if config[:raise], do: raise("no children")

        for name <- config[:children] || [:first, :second],
            do: {Pipeline.Plugin.TreeTest.Child, {name, config}}
      end

      @impl Pipeline.Plugin
      def update_config(config, _state), do: {:ok, config}
    end
  end

  defp load(instance, config \\ %{}) do
    Manager.load_plugin(parent(), Map.put(config, :test, self()), instance: instance)
  end

  # What has begun and ended, in order.
  defp told do
    receive do
      {:child, name, pid, _size} -> [{:child, name, pid} | told()]
      {:child_ended, name, _pid} -> [{:child_ended, name} | told()]
      {callback, :parent, pid} when callback in [:init, :start, :stop] -> [{callback, pid} | told()]
    after
      0 -> []
    end
  end

  defp crash(pid) do
    monitor = Process.monitor(pid)
    Process.exit(pid, :kill)
    assert_receive {:DOWN, ^monitor, :process, ^pid, :killed}
  end

  test "children know the instance, when they are listed, started and restarted", %{instance: instance} do
    asking =
      plugin id: :asking do
        @impl Pipeline.Plugin
        def children(config) do
          send(config.test, {:listed, Pipeline.Plugin.current_instance()})
          [%{id: :child, start: {__MODULE__, :start_child, [config.test]}}]
        end

        def start_child(test) do
          send(test, {:starting, Pipeline.Plugin.current_instance()})
          Agent.start_link(fn -> send(test, {:child, self()}) end)
        end

        @impl Pipeline.Plugin
        def init(config), do: {:ok, send(config.test, {:init, Pipeline.Plugin.current_instance()})}
      end

    assert {:ok, :asking} = Manager.load_plugin(asking, %{test: self()}, instance: instance)
    assert_received {:listed, ^instance}
    assert_received {:starting, ^instance}
    assert_received {:init, ^instance}
    assert_received {:child, child}
    crash(child)
    assert_receive {:starting, ^instance}
    assert_receive {:init, ^instance}
    assert Pipeline.Plugin.current_instance() == Pipeline.Plugin
  end

  test "children start before the process, and end after it", %{instance: instance} do
    assert {:ok, :parent} = load(instance)
    assert [{:child, :first, _}, {:child, :second, _}, {:init, pid}, {:start, pid}] = told()
    assert %{pid: ^pid} = Manager.plugin_info!(:parent, instance: instance)

    assert :ok = Manager.unload_plugin(:parent, instance: instance)
    assert [{:stop, ^pid}, {:child_ended, :second}, {:child_ended, :first}] = told()
    assert %{active: 0} = Supervisor.count_children(Names.whereis(instance, :plugins))
  end

  test "a child that crashes takes along what comes after it, and nothing else", %{instance: instance} do
    {:ok, :parent} = load(instance)
    [{:child, :first, _}, {:child, :second, second}, {:init, pid}, {:start, pid}] = told()

    crash(second)
    assert_receive {:start, :parent, again} when again != pid
    assert [{:stop, ^pid}, {:child, :second, _}, {:init, ^again}] = told()
    assert %{state: :started, pid: ^again} = Manager.plugin_info!(:parent, instance: instance)

    crash(again)
    assert_receive {:start, :parent, third} when third != again
    assert [{:init, ^third}] = told()
  end

  test "a child starts with the configuration that the plugin has then", %{instance: instance} do
    {:ok, :parent} = load(instance, %{size: 1})
    assert_received {:child, :first, first, 1}
    :ok = Manager.update_config(:parent, %{test: self(), size: 2}, instance: instance)
    crash(first)
    assert_receive {:child, :first, _, 2}
    assert_receive {:child, :second, _, 2}
  end

  test "a child that does not start fails the load, by a message, and leaves nothing", %{instance: instance} do
    assert {:error, %Error{step: :children, reason: {:second, :broken}} = error} =
             load(instance, %{broken: :second})

    assert Exception.message(error) =~ "its child :second did not start: :broken; it is undone"
    assert [{:child, :first, _}, {:child, :second, _}, {:child_ended, :first}] = told()
    assert Manager.list_plugins(instance: instance) == []
    assert %{active: 0} = Supervisor.count_children(Names.whereis(instance, :plugins))
  end

  test "children/1 that raises, or lists what is no child, fails the load", %{instance: instance} do
    assert {:error, %Error{step: :children} = error} = load(instance, %{raise: true})
    assert Exception.message(error) =~ "children/1 failed with ** (RuntimeError) no children"

    wrong =
      plugin id: :wrong do
        def children(_config), do: [:no_such_module]
      end

    assert {:error, %Error{step: :children} = error} = Manager.load_plugin(wrong, %{}, instance: instance)

    assert Exception.message(error) =~ "no_such_module"
  end

  test "a tree that gives up fails its plugin and harms no other", %{instance: instance} do
    other = plugin([id: :other], do: nil)
    {:ok, :other} = Manager.load_plugin(other, %{}, instance: instance)
    %{pid: pid} = Manager.plugin_info!(:other, instance: instance)
    :ok = Events.subscribe(self(), :plugin_failed, instance: instance)

    {:ok, :parent} = load(instance)

    for _ <- 1..4 do
      assert_receive {:child, :first, first, _}
      assert_receive {:start, :parent, _}
      crash(first)
    end

    assert_receive {:pipeline_event, {:plugin, :plugin_failed}, %{id: :parent}}
    assert %{pid: ^pid, state: :started} = Manager.plugin_info!(:other, instance: instance)
  end

  test "a tree that is killed is followed by another", %{instance: instance} do
    {:ok, :parent} = load(instance)
    assert_received {:start, :parent, before}
    crash(Names.whereis(instance, {:tree, :parent}))
    assert_receive {:start, :parent, again} when again != before
    refute Process.alive?(before)
    # The manager answers once it has done what follows.
    assert {:error, %Error{reason: {:already_started, :parent}}} =
             Manager.enable_plugin(:parent, instance: instance)

    assert %{state: :started, pid: ^again} = Manager.plugin_info!(:parent, instance: instance)
  end

  test "all that is a supervisor answers as one", %{instance: instance} do
    {:ok, :parent} = load(instance)
    plugins = Names.whereis(instance, :plugins)
    assert [{:parent, tree, :supervisor, _}] = Supervisor.which_children(plugins)
    assert %{active: 1, supervisors: 1} = Supervisor.count_children(plugins)
    assert {:ok, %{type: :supervisor}} = :supervisor.get_childspec(plugins, :parent)

    assert [{_, pid, :worker, [_, module]}, {:second, _, _, _}, {:first, _, _, _}] =
             Supervisor.which_children(tree)

    assert %{id: :parent, pid: ^pid, module: ^module} = Manager.plugin_info!(:parent, instance: instance)

    for {id, _, _, _} <- Supervisor.which_children(tree) do
      assert {:ok, %{id: ^id, start: {_, _, _}}} = :supervisor.get_childspec(tree, id)
    end

    for supervisor <- [plugins, tree], do: assert({:status, _, _, _} = :sys.get_status(supervisor))
    # As release handling does before it changes code.
    for supervisor <- [plugins, tree] do
      before = Supervisor.which_children(supervisor)
      :ok = :sys.suspend(supervisor)
      :ok = :sys.change_code(supervisor, :supervisor, :undefined, [])
      :ok = :sys.resume(supervisor)
      assert Supervisor.which_children(supervisor) == before
    end

    assert :ok = Manager.unload_plugin(:parent, instance: instance)
  end

  test "no supervisor knows the configuration as a term", %{instance: instance} do
    {:ok, :parent} = load(instance, %{secret: "tell nobody"})
    tree = Names.whereis(instance, {:tree, :parent})

    for supervisor <- [tree, Names.whereis(instance, :plugins)] do
      printed = :io_lib.format("~tp ~tp", [:sys.get_state(supervisor), :sys.get_status(supervisor)])
      refute IO.chardata_to_string(printed) =~ "tell nobody"
    end
  end

  describe "processes that a plugin has linked to itself" do
    # As in shared/cases/07: named, and slow to end.
    defmodule Pool do
      use GenServer

      def start_link(name), do: GenServer.start_link(__MODULE__, name, name: name)

      @impl GenServer
      def init(name) do
        Process.flag(:trap_exit, true)
        {:ok, name}
      end

      @impl GenServer
      def terminate(_reason, _name), do: Process.sleep(100)
    end

    defp pooled do
      plugin id: :pooled, on_rpc_error: :crash do
        @impl Pipeline.Plugin
        def start(state) do
          children = [{Pipeline.Plugin.TreeTest.Pool, state.name}]

          with {:ok, _} <- Supervisor.start_link(children, strategy: :one_for_one),
               do: {:ok, state}
        end

        @impl Pipeline.Plugin
        def handle_rpc(:crash, _state), do: raise("once")
      end
    end

    @describetag :capture_log

    test "have ended when it is started again", %{instance: instance} do
      :ok = Events.subscribe(self(), :plugin_restarted, instance: instance)
      :ok = Events.subscribe(self(), :plugin_failed, instance: instance)
      {:ok, :pooled} = Manager.load_plugin(pooled(), %{name: :"#{instance} pool"}, instance: instance)
      assert {:error, {:crashed, :pooled, _}} = RPC.call(:pooled, :crash, 5_000, instance: instance)
      assert_receive {:pipeline_event, {:plugin, :plugin_restarted}, %{id: :pooled}}
      refute_received {:pipeline_event, {:plugin, :plugin_failed}, _}
      assert %{state: :started} = Manager.plugin_info!(:pooled, instance: instance)
    end

    test "have ended when it is unloaded", %{instance: instance} do
      module = pooled()

      for _ <- 1..3 do
        {:ok, :pooled} = Manager.load_plugin(module, %{name: :"#{instance} pool"}, instance: instance)
        :ok = Manager.unload_plugin(:pooled, instance: instance)
      end
    end
  end
end
