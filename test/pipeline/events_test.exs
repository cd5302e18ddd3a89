defmodule Pipeline.EventsTest do
  use Pipeline.InstanceCase, async: true

  defmodule Listener do
    use Pipeline.Plugin, id: :listener

    alias Pipeline.Plugin.Events

    @impl Pipeline.Plugin
    def init(config) do
      :ok = Events.subscribe(:listener, :from_init)
      {:ok, config}
    end

    @impl Pipeline.Plugin
    def start(config) do
      :ok = Events.subscribe(:listener, :from_start)
      {:ok, config}
    end

    @impl Pipeline.Plugin
    def handle_message(:tell, state) do
      :ok = Events.emit(:from_init, :told)
      {:ok, state}
    end

    @impl Pipeline.Plugin
    def handle_event(type, payload, %{test: pid} = state) do
      send(pid, {:heard, type, payload})
      {:ok, state}
    end
  end

  test "reach the processes that have subscribed, once each", %{instance: instance} do
    :ok = Pipeline.Events.subscribe({:any, "term"}, instance: instance)
    :ok = Pipeline.Events.subscribe({:any, "term"}, instance: instance)
    :ok = Pipeline.Events.emit({:any, "term"}, %{n: 1}, instance: instance)
    assert_received {:pipeline_event, {:any, "term"}, %{n: 1}}
    refute_received {:pipeline_event, _, _}

    :ok = Pipeline.Events.unsubscribe({:any, "term"}, instance: instance)
    :ok = Pipeline.Events.emit({:any, "term"}, %{n: 2}, instance: instance)
    refute_received {:pipeline_event, _, _}
  end

  test "reach a plugin that subscribes itself, in its own instance", %{instance: instance} do
    {:ok, :listener} = Manager.load_plugin(Listener, %{test: self()}, instance: instance)
    :ok = Events.emit(:from_init, 1, instance: instance)
    :ok = Events.emit(:from_start, 2, instance: instance)
    assert_receive {:heard, :from_init, 1}
    assert_receive {:heard, :from_start, 2}
  end

  test "reach a plugin that the host subscribes, until it unsubscribes it", %{instance: instance} do
    {:ok, :listener} = Manager.load_plugin(Listener, %{test: self()}, instance: instance)
    :ok = Events.subscribe(:listener, :news, instance: instance)
    :ok = Events.emit(:news, 1, instance: instance)
    assert_receive {:heard, :news, 1}

    :ok = Events.unsubscribe(:listener, :news, instance: instance)
    :ok = Events.emit(:news, 2, instance: instance)
    :ok = Events.emit(:from_init, :last, instance: instance)
    assert_receive {:heard, :from_init, :last}
    refute_received {:heard, :news, 2}
  end

  test "that a plugin emits stay in its own instance", %{instance: instance} do
    {:ok, :listener} = Manager.load_plugin(Listener, %{test: self()}, instance: instance)
    :ok = RPC.cast(:listener, :tell, instance: instance)
    assert_receive {:heard, :from_init, :told}
  end

  test "tell of plugins that come and go", %{instance: instance} do
    for type <- [:plugin_loaded, :plugin_unloaded],
        do: :ok = Events.subscribe(self(), type, instance: instance)

    {:ok, :listener} = Manager.load_plugin(Listener, %{test: self()}, instance: instance)
    assert_receive {:pipeline_event, {:plugin, :plugin_loaded}, %{id: :listener}}
    :ok = Manager.unload_plugin(:listener, instance: instance)
    assert_receive {:pipeline_event, {:plugin, :plugin_unloaded}, %{id: :listener}}
  end

  test "cannot be subscribed for a plugin that is not there", %{instance: instance} do
    assert Events.subscribe(:nobody, :news, instance: instance) == {:error, {:not_loaded, :nobody}}
    assert Events.unsubscribe(:nobody, :news, instance: instance) == {:error, {:not_loaded, :nobody}}
  end

  test "refuse unknown options" do
    assert_raise ArgumentError,
                 ~r/unknown option :instanze of Pipeline.Events.emit\/3. Did you mean :instance\?/,
                 fn ->
                   Pipeline.Events.emit(:news, 1, instanze: :x)
                 end
  end
end
