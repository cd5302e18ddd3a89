defmodule Pipeline.Plugin.Manager.RecoveryTest do
  # What is killed in the middle of a change leaves all of it or nothing of it.
  use Pipeline.InstanceCase, async: true

  alias Pipeline.Plugin.Error

  alias Pipeline.Instance.Names

  defp first do
    plugin id: :first do
      use Pipeline.Gated
      capability(:letters, [:a])

      hook :before, :step do
        def step(context, next), do: next.([:first | context])
      end
    end
  end

  defp second do
    plugin id: :second do
      use Pipeline.Gated
      depends_on(:first)

      hook :before, :step do
        def step(context, next), do: next.([:second | context])
      end
    end
  end

  defp run(instance), do: Hook.run(instance, :step, [], &Enum.reverse/1)

  defp load_async(plugins, instance) do
    {:ok, pid} = Task.start(fn -> Manager.load_plugins(plugins, instance: instance) end)
    pid
  end

  defp kill(pid) do
    monitor = Process.monitor(pid)
    Process.exit(pid, :kill)
    assert_receive {:DOWN, ^monitor, :process, ^pid, _reason}, 20_000
  end

  # Returns once the instance has its manager again and that has recovered.
  defp kill_manager(instance) do
    instance |> Names.whereis(:manager) |> kill()
    await_manager(instance)
  end

  # A supervisor that restarts a child answers once it has, and the manager answers once it has recovered.
  defp await_manager(instance) do
    _ = instance |> Names.whereis(:instance) |> Supervisor.which_children()

    assert {:error, %Error{reason: {:not_loaded, :nobody}}} =
             Manager.unload_plugin(:nobody, instance: instance)
  end

  defp assert_nothing_left(instance) do
    assert Manager.list_plugins(instance: instance) == []
    assert Manager.get_by_capability(:letters, instance: instance) == []
    assert Hook.points(instance: instance) == []
    assert %{active: 0} = Supervisor.count_children(Names.whereis(instance, :plugins))
    assert run(instance) == {:ok, []}
  end

  test "a plugin that crashes while others of its load still start is started again", %{instance: instance} do
    plugins = [{first(), %{test: self()}}, {second(), %{test: self(), wait: [:start]}}]
    load = Task.async(fn -> Manager.load_plugins(plugins, instance: instance) end)
    assert_receive {:start, :first, before}, 20_000
    assert_receive {:start, :second, waiting}, 20_000

    kill(before)
    assert_receive {:init, :first, again} when again != before, 20_000
    send(waiting, :go)
    assert_receive {:start, :first, ^again}, 20_000
    assert Task.await(load, 20_000) == {:ok, [:first, :second]}

    assert [%{id: :first, state: :started, pid: ^again}, %{state: :started}] =
             Manager.list_plugins(instance: instance)

    assert run(instance) == {:ok, [:first, :second]}
    refute_received {:start, _, _}
  end

  test "a manager that is killed while plugins start leaves none of them", %{instance: instance} do
    one = first()
    two = second()
    load_async([{one, %{test: self()}}, {two, %{test: self(), wait: [:start]}}], instance)
    assert_receive {:start, :second, waiting}, 20_000

    instance |> Names.whereis(:manager) |> kill()
    send(waiting, :go)
    await_manager(instance)
    assert_nothing_left(instance)

    assert {:ok, [:first, :second]} =
             Manager.load_plugins([{one, %{test: self()}}, {two, %{test: self()}}], instance: instance)

    assert run(instance) == {:ok, [:first, :second]}
  end

  test "a manager that is killed while a plugin is initialised leaves none", %{instance: instance} do
    one = first()
    load_async([{one, %{test: self(), wait: [:init]}}], instance)
    assert_receive {:init, :first, waiting}, 20_000

    instance |> Names.whereis(:manager) |> kill()
    send(waiting, :go)
    await_manager(instance)
    assert_nothing_left(instance)
    assert {:ok, :first} = Manager.load_plugin(one, %{test: self()}, instance: instance)
  end

  test "a manager that is killed while a plugin stops has unloaded it", %{instance: instance} do
    one = first()
    {:ok, :first} = Manager.load_plugin(one, %{test: self(), wait: [:stop]}, instance: instance)
    Task.start(fn -> Manager.unload_plugin(:first, instance: instance) end)
    assert_receive {:stop, :first, waiting}, 20_000

    instance |> Names.whereis(:manager) |> kill()
    send(waiting, :go)
    await_manager(instance)
    assert_nothing_left(instance)
    assert {:ok, :first} = Manager.load_plugin(one, %{test: self()}, instance: instance)
  end

  test "a manager that is killed while a plugin restarts has restarted it", %{instance: instance} do
    {:ok, :first} = Manager.load_plugin(first(), %{test: self(), wait: [:stop]}, instance: instance)
    assert_receive {:start, :first, before}, 20_000
    Task.start(fn -> Manager.restart_plugin(:first, instance: instance) end)
    assert_receive {:stop, :first, ^before}, 20_000

    instance |> Names.whereis(:manager) |> kill()
    send(before, :go)
    await_manager(instance)
    assert %{state: :started, pid: again} = Manager.plugin_info!(:first, instance: instance)
    assert is_pid(again) and again != before
    assert run(instance) == {:ok, [:first]}
  end

  test "what an operator has unloaded stays so when the manager is killed", %{instance: instance} do
    name = :"#{instance} with plugins"
    one = first()
    start_supervised!({Manager, name: name, plugins: [{one, %{test: self()}}]}, id: name)
    await_manager(name)
    assert [%{id: :first, state: :started}] = Manager.list_plugins(instance: name)

    :ok = Manager.unload_plugin(:first, instance: name)
    kill_manager(name)
    assert_nothing_left(name)
  end

  test "a manager that is killed while it loads its configuration loads it again", %{instance: instance} do
    name = :"#{instance} with plugins"
    test = self()

    # The start of an instance waits for its plugins, so another process lets them go on.
    conductor =
      spawn_link(fn ->
        assert_receive {:start, :first, waiting}, 20_000
        name |> Names.whereis(:manager) |> kill()
        send(waiting, :go)
        assert_receive {:start, :first, again} when again != waiting, 20_000
        send(again, :go)
        send(test, {:again, again})
      end)

    start_supervised!({Manager, name: name, plugins: [{first(), %{test: conductor, wait: [:start]}}]},
      id: name
    )

    assert_receive {:again, again}, 20_000
    await_manager(name)
    assert [%{id: :first, state: :started, pid: ^again}] = Manager.list_plugins(instance: name)
    assert run(name) == {:ok, [:first]}
  end

  test "a plugin that cannot be initialised again costs the others neither hooks nor order", %{
    instance: instance
  } do
    # They depend on each other against the order of their priorities' tie: the dependency decides.
    broken =
      plugin id: :broken do
        @impl Pipeline.Plugin
        def init(%{counter: counter}) do
          if :counters.get(counter, 1) == 0, do: {:ok, nil}, else: {:error, :no_more}
        end

        hook :before, :step do
          def step(context, next), do: next.([:broken | context])
        end
      end

    counter = :counters.new(1, [])

    {:ok, _} = Manager.load_plugin(broken, %{counter: counter}, instance: instance)

    {:ok, _} =
      Manager.load_plugins([{second(), %{test: self()}}, {first(), %{test: self()}}], instance: instance)

    :counters.put(counter, 1, 1)

    ExUnit.CaptureLog.capture_log(fn ->
      instance |> Names.whereis(:plugins) |> kill()
      await_manager(instance)
    end)

    assert %{state: :failed} = Manager.plugin_info!(:broken, instance: instance)
    assert %{state: :started} = Manager.plugin_info!(:first, instance: instance)
    assert run(instance) == {:ok, [:first, :second]}
  end
end
