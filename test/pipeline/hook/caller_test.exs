defmodule Pipeline.Hook.CallerTest do
  # RPC, events and capabilities within a run reach the instance of the run.
  use Pipeline.InstanceCase, async: true

  alias Pipeline.Plugin.Security

  # Asks in each way that a hook can.
  defp asking(id) do
    plugin id: id do
      capability(:seen, true)

      hook :before, :plain, fun: :ask
      hook :before, :timed, fun: :ask, timeout: 5_000
      hook :before, :in_task, fun: :ask_in_task
      hook :before, :spawned, fun: :ask_spawned
      hook :before, :nested

      def ask(_context, next), do: next.(answers())
      def ask_in_task(_context, next), do: next.(Task.await(Task.async(&answers/0)))

      def ask_spawned(_context, next) do
        hook = self()
        spawn_link(fn -> send(hook, {:spawned, answers()}) end)
        receive do: ({:spawned, answers} -> next.(answers))
      end

      def nested({instance, point}, next),
        do: next.({Pipeline.Hook.run(instance, point, %{}, nil), answers()})

      defp answers do
        :ok = Pipeline.Plugin.Events.emit(:asked, :payload)
        id = __plugin__().id
        {Pipeline.Plugin.RPC.call(id, :who), Pipeline.Plugin.Security.check_capability(id, :seen)}
      end

      @impl true
      def handle_rpc(:who, state), do: {:reply, state[:tenant], state}

      def handle_rpc(:emit_in_task, state) do
        {:reply, Task.await(Task.async(fn -> Pipeline.Plugin.Events.emit(:asked, :task) end)), state}
      end
    end
  end

  setup %{instance: instance} do
    other = :"#{instance} other"
    start_supervised!({Manager, name: other}, id: other)
    id = :"asking#{System.unique_integer([:positive])}"
    module = asking(id)
    {:ok, ^id} = Manager.load_plugin(module, %{tenant: :a}, instance: instance)
    {:ok, ^id} = Manager.load_plugin(module, %{tenant: :b}, instance: other)
    {:ok, other: other, id: id}
  end

  for point <- [:plain, :timed, :in_task, :spawned] do
    @point point

    test "#{point}", %{instance: instance, other: other} do
      Events.subscribe(self(), :asked, instance: instance)
      assert Hook.run(instance, @point, %{}, nil) == {:ok, {{:ok, :a}, true}}
      assert_receive {:pipeline_event, {:plugin, :asked}, :payload}
      assert Hook.run(other, @point, %{}, & &1) == {:ok, {{:ok, :b}, true}}
      refute_received {:pipeline_event, {:plugin, :asked}, :payload}
    end
  end

  test "a run within a run, the default instance among them", %{instance: instance, other: other, id: id} do
    module = asking(:"#{id}_default")
    {:ok, default_id} = Manager.load_plugin(module, %{tenant: :default})
    on_exit(fn -> Manager.unload_plugin(default_id) end)
    a = {{:ok, :a}, true}

    assert Hook.run(instance, :nested, {other, :plain}, nil) == {:ok, {{:ok, {{:ok, :b}, true}}, a}}
    default = Pipeline.Instance.default()
    assert {:ok, {{:ok, {{:ok, :default}, true}}, ^a}} = Hook.run(instance, :nested, {default, :plain}, nil)
    assert {:ok, {{:ok, {{:ok, :default}, true}}, ^a}} = Hook.run(instance, :nested, {default, :plain}, & &1)

    assert Hook.run(default, :nested, {instance, :timed}, nil) == {:ok, {{:ok, a}, {{:ok, :default}, true}}}
  end

  test "after a run the process is as before", %{instance: instance, id: id} do
    before = Process.get()
    Hook.run(instance, :plain, %{}, nil)
    assert Process.get() == before
    assert RPC.call(id, :who) == {:error, {:not_loaded, id}}
    refute Security.check_capability(id, :seen)
  end

  test "a task of a plugin's process", %{other: other, id: id} do
    Events.subscribe(self(), :asked, instance: other)
    assert {:ok, :ok} = RPC.call(id, :emit_in_task, 5_000, instance: other)
    assert_receive {:pipeline_event, {:plugin, :asked}, :task}
  end
end
