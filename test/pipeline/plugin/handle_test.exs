defmodule Pipeline.Plugin.HandleTest do
  use Pipeline.InstanceCase, async: true

  alias Pipeline.Plugin.{Handle, Security}

  defmodule Points do
    use Pipeline.Hook.Spec
    hookpoint :step
    hookpoint :route, mode: :first
  end

  defp knowing do
    plugin id: :knowing, version: "1.0.0" do
      capability(:known, [1])

      hook :before, :step
      hook :around, :step, fun: :around
      hook :after, :step, fun: :later, on_error: :skip, timeout: 5_000
      hook :replace, :step, fun: :stand_in, circuit: []
      hook :listen, :route

      def step(context, next, plugin), do: next.([{:before, plugin} | context])
      def around(context, next, plugin), do: next.([{:around, plugin} | context])
      def later(context, next, plugin), do: next.([{:after, plugin} | context])
      def stand_in(context, next, plugin), do: next.([{:replace, plugin} | context])
      def route(:id, plugin), do: plugin
      def route(:plain, _plugin), do: :plain

      @impl true
      def update_config(config, state), do: {:ok, Map.merge(state, config)}

      @impl true
      def handle_rpc(request, state), do: {:reply, {request, state.limit}, state}

      @impl true
      def handle_message({:tell, pid, text}, state) do
        send(pid, text)
        {:ok, state}
      end
    end
  end

  @moduletag hooks: Points

  setup %{instance: instance} do
    {:ok, :knowing} = Manager.load_plugin(knowing(), %{limit: 1, secret: "s3cret"}, instance: instance)
    {:ok, handle} = Hook.run(instance, :route, :id, nil)
    {:ok, handle: handle}
  end

  test "hooks of every kind get the handle of their plugin", %{instance: instance, handle: handle} do
    assert handle == %Handle{id: :knowing, instance: instance, config: %{limit: 1, secret: "s3cret"}}
    kinds = [:after, :replace, :before, :around]
    assert Hook.run(instance, :step, [], nil) == {:ok, Enum.map(kinds, &{&1, handle})}
    assert Hook.run(instance, :step, [], & &1) == {:ok, Enum.map(kinds, &{&1, handle})}
    assert %{failures: 0} = Hook.stats(:step, instance: instance)
    {:ok, _trace} = Hook.trace(:step, instance: instance)
    assert Hook.run(instance, :step, [], nil) == {:ok, Enum.map(kinds, &{&1, handle})}
  end

  test "update_config gives runs a handle with the new configuration and leaves counters", context do
    %{instance: instance, handle: handle} = context
    before = Hook.stats(:step, instance: instance)
    {:ok, _} = Hook.run(instance, :step, [], nil)
    :ok = Manager.update_config(:knowing, %{limit: 2}, instance: instance)
    new = %{handle | config: %{limit: 2}}
    assert Hook.run(instance, :route, :id, nil) == {:ok, new}
    assert {:ok, [{:after, ^new} | _]} = Hook.run(instance, :step, [], nil)
    assert Hook.stats(:step, instance: instance).runs == before.runs + 2
    assert [%{runs: 2} | _] = Hook.stats(:step, instance: instance).hooks
  end

  test "RPC takes it for the plugin, and for the instance", %{handle: handle} do
    assert RPC.call(handle, :hello) == {:ok, {:hello, 1}}
    assert RPC.call(:knowing, :hello, 5_000, instance: handle) == {:ok, {:hello, 1}}
    assert RPC.call(:unknown, :hello, 5_000, instance: handle) == {:error, {:not_loaded, :unknown}}
    assert RPC.cast(handle, {:tell, self(), "from far"}) == :ok
    assert_receive "from far"
  end

  test "events take it", %{instance: instance, handle: handle} do
    :ok = Events.subscribe(self(), :told, instance: handle)
    :ok = Events.emit(handle, :told, 1)
    :ok = Events.emit(:told, 2, instance: handle)
    :ok = Events.emit(:told, 3, instance: instance)
    for n <- 1..3, do: assert_receive({:pipeline_event, {:plugin, :told}, ^n})
    :ok = Events.unsubscribe(self(), :told, instance: handle)
    assert Events.subscribe(handle, :told) == :ok
    assert Events.dropped(handle) == 0
    assert Events.unsubscribe(handle, :told) == :ok
  end

  test "Security takes it", %{handle: handle} do
    assert Security.check_capability(handle, :known)
    refute Security.check_capability(handle, :unknown)
    refute match?({:error, {:not_loaded, _}}, Security.sandbox_call(handle, fn -> 1 + 1 end))
  end

  test "it shows no configuration", %{handle: handle} do
    assert inspect(handle) == "#Pipeline.Plugin.Handle<:knowing>"
    refute inspect([handle], structs: true) =~ "s3cret"
  end
end
