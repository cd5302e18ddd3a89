defmodule Pipeline.Plugin.ShutdownTest do
  # At the end of an instance each plugin stops before those that it needs, within its time.
  use Pipeline.InstanceCase, async: true

  import ExUnit.CaptureLog

  # Tells the test that it stops, and what those that it needs say then.
  defp stopping(id, needs) do
    name = :"Elixir.Pipeline.TestPlugin#{System.unique_integer([:positive])}"
    on_exit(fn -> Pipeline.InstanceCase.remove(name) end)

    body =
      quote do
        for need <- unquote(needs), do: depends_on(need)

        @impl Pipeline.Plugin
        def handle_rpc(:flush, state), do: {:reply, :flushed, state}

        @impl Pipeline.Plugin
        def stop(%{test: test, instance: instance}) do
          answers =
            for need <- unquote(needs), do: Pipeline.Plugin.RPC.call(need, :flush, 5_000, instance: instance)

          send(test, {:stopped, unquote(id), answers})
          :ok
        end
      end

    Pipeline.InstanceCase.define(name, [id: id], body, __ENV__)
    name
  end

  defp start(name) do
    start_supervised!({Manager, name: name}, id: name)
    config = %{test: self(), instance: name}

    plugins = [
      {stopping(:db, []), config},
      {stopping(:cache, [:db]), config},
      {stopping(:web, [:cache, :db]), config}
    ]

    {:ok, [:db, :cache, :web]} = Manager.load_plugins(plugins, instance: name)
  end

  defp stopped do
    receive do
      {:stopped, id, answers} -> [{id, answers} | stopped()]
    after
      0 -> []
    end
  end

  @in_order [web: [{:ok, :flushed}, {:ok, :flushed}], cache: [{:ok, :flushed}], db: []]

  test "dependents stop before what they need, which still answers them", %{instance: instance} do
    name = {instance, :ending}
    start(name)
    :ok = stop_supervised(name)
    assert stopped() == @in_order
  end

  test "also when what they need was started after them", %{instance: instance} do
    name = {instance, :ending}
    start(name)
    :ok = Manager.restart_plugin(:db, instance: name)
    assert stopped() == [db: []]
    :ok = stop_supervised(name)
    assert stopped() == @in_order
  end

  test "also when the manager was killed before", %{instance: instance} do
    name = {instance, :ending}
    start(name)
    manager = Pipeline.Instance.Names.whereis(name, :manager)
    monitor = Process.monitor(manager)
    Process.exit(manager, :kill)
    assert_receive {:DOWN, ^monitor, _, _, _}
    :ok = stop_supervised(name)
    assert stopped() == @in_order
  end

  test "a plugin that takes longer than its shutdown: is killed, and that is logged", %{instance: instance} do
    hanging =
      plugin id: :hanging, version: "1.2.0", shutdown: 10 do
        @impl Pipeline.Plugin
        def stop(_state), do: receive(do: (:never -> :ok))
      end

    {:ok, :hanging} = Manager.load_plugin(hanging, %{}, instance: instance)
    {:ok, %{pid: pid}} = Manager.plugin_info(:hanging, instance: instance)

    log =
      capture_log([metadata: [:plugin, :version]], fn ->
        :ok = Manager.unload_plugin(:hanging, instance: instance)
      end)

    refute Process.alive?(pid)

    assert log =~
             "plugin=hanging version=1.2.0 [warning] plugin :hanging did not stop within 10 ms and was killed"
  end

  test "the option is checked where the plugin compiles" do
    assert compile_error("defmodule WrongShutdown do\n  use Pipeline.Plugin, shutdown: :soon\nend") =~
             "plugin.ex:2: shutdown: is a number of milliseconds, got: :soon"
  end
end
