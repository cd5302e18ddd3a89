defmodule Pipeline.Plugin.Manager.HealthTest do
  use Pipeline.InstanceCase, async: true

  alias Pipeline.Instance.Names

  defmodule Patient do
    use Pipeline.Plugin, id: :patient

    @impl Pipeline.Plugin
    def health(%{health: :hang}), do: receive(do: (:never -> :ok))
    def health(%{health: :raise}), do: raise("no luck")
    def health(%{health: :exit}), do: exit(:gone)
    def health(%{health: :kill}), do: Process.exit(self(), :kill)

    def health(%{health: {:meet, test}}) do
      send(test, {:asked, self()})
      receive do: (:go -> :ok)
    end

    def health(%{health: answer}), do: answer

    @impl Pipeline.Plugin
    def handle_rpc({:health, opts}, state), do: {:reply, Pipeline.Plugin.Manager.health(opts), state}
  end

  defp load(id, health, instance) do
    module =
      plugin id: id do
        defdelegate health(state), to: Pipeline.Plugin.Manager.HealthTest.Patient
        defdelegate handle_rpc(request, state), to: Pipeline.Plugin.Manager.HealthTest.Patient
      end

    {:ok, ^id} = Manager.load_plugin(module, %{health: health}, instance: instance)
    module
  end

  describe "health/1" do
    test "tells of each plugin and of the whole", %{instance: instance} do
      assert Manager.health(instance: instance, timeout: 10_000) ==
               %{status: :healthy, ready?: true, not_ready: [], plugins: %{}}

      load(:well, {:ok, %{connections: 3}}, instance)
      load(:fine, :ok, instance)
      quiet = plugin([id: "quiet"], do: nil)
      {:ok, "quiet"} = Manager.load_plugin(quiet, %{}, instance: instance)

      assert Manager.health(instance: instance, timeout: 10_000) == %{
               status: :healthy,
               ready?: true,
               not_ready: [],
               plugins: %{
                 :well => %{status: :healthy, details: %{connections: 3}, state: :started},
                 :fine => %{status: :healthy, details: nil, state: :started},
                 "quiet" => %{status: :healthy, details: nil, state: :started}
               }
             }

      load(:ill, {:error, :disk_full}, instance)

      assert %{status: :unhealthy, ready?: true, plugins: plugins} =
               Manager.health(instance: instance, timeout: 10_000)

      assert plugins.ill == %{status: {:unhealthy, :disk_full}, details: nil, state: :started}
      assert plugins.well.status == :healthy
    end

    test "a plugin that raises, exits or answers nonsense is unhealthy, and goes on", %{instance: instance} do
      for {id, health} <- [raising: :raise, leaving: :exit, wrong: :nonsense], do: load(id, health, instance)
      pids = for info <- Manager.list_plugins(instance: instance), do: info.pid
      assert %{status: :unhealthy, plugins: plugins} = Manager.health(instance: instance, timeout: 10_000)
      assert plugins.raising.status == {:unhealthy, %RuntimeError{message: "no luck"}}
      assert plugins.leaving.status == {:unhealthy, {:exit, :gone}}
      assert {:unhealthy, {:bad_return, {_, :health, 1}, :nonsense}} = plugins.wrong.status
      assert pids == for(info <- Manager.list_plugins(instance: instance), do: info.pid)
    end

    test "plugins are asked at the same time", %{instance: instance} do
      ids = [:a, :b, :c]
      for id <- ids, do: load(id, {:meet, self()}, instance)
      asking = Task.async(fn -> Manager.health(instance: instance, timeout: 60_000) end)

      # Each answers only when all have been asked.
      pids =
        for _ <- ids do
          assert_receive {:asked, pid}
          pid
        end

      for pid <- pids, do: send(pid, :go)
      assert %{status: :healthy} = Task.await(asking, 60_000)
    end

    test "plugins that hang are given up when the time is up, and the others have answered", %{
      instance: instance
    } do
      for id <- [:a_hanging, :b_hanging], do: load(id, :hang, instance)
      load(:z_after_them, :ok, instance)
      assert %{status: :unhealthy, plugins: plugins} = Manager.health(instance: instance, timeout: 1_000)
      assert %{status: :no_answer} = plugins.a_hanging
      assert %{status: :no_answer} = plugins.b_hanging
      assert %{status: :healthy} = plugins.z_after_them
    end

    test "a late answer does not come to the caller", %{instance: instance} do
      quiet = plugin([id: :quiet], do: nil)
      {:ok, :quiet} = Manager.load_plugin(quiet, %{}, instance: instance)
      pid = Manager.plugin_info!(:quiet, instance: instance).pid
      :ok = :sys.suspend(pid)
      assert %{plugins: %{quiet: %{status: :no_answer}}} = Manager.health(instance: instance, timeout: 10)
      :ok = :sys.resume(pid)
      # It has answered by the time that it answers this.
      _ = :sys.get_state(pid)
      refute_received _
      assert %{plugins: %{quiet: %{status: :healthy}}} = Manager.health(instance: instance, timeout: 10_000)
    end

    @tag :capture_log
    test "a plugin that ends while it is asked has crashed", %{instance: instance} do
      load(:dying, :kill, instance)
      assert %{status: :unhealthy, plugins: plugins} = Manager.health(instance: instance, timeout: 10_000)
      assert plugins.dying.status == {:crashed, :killed}
    end

    @tag :capture_log
    test "a plugin that has failed is not well, and the instance is not ready", %{instance: instance} do
      module = fail(instance)

      assert %{status: :unhealthy, ready?: false, not_ready: lacking, plugins: plugins} =
               Manager.health(instance: instance, timeout: 10_000)

      assert lacking == [%{plugin: :failing, module: module, reason: {:state, :failed}}]
      assert plugins.failing == %{status: {:not_running, :failed}, details: nil, state: :failed}
    end

    test "a plugin that asks for it is not asked itself", %{instance: instance} do
      load(:asking, :ok, instance)
      load(:other, {:error, :ill}, instance)

      assert {:ok, %{plugins: plugins}} =
               RPC.call(:asking, {:health, [instance: instance]}, 5000, instance: instance)

      assert plugins.asking.status == :healthy
      assert plugins.other.status == {:unhealthy, :ill}
    end

    test "it is told while the manager is busy", %{instance: instance} do
      test = self()

      slow =
        plugin id: :slow do
          @impl Pipeline.Plugin
          def init(%{test: test}) do
            send(test, {:init, self()})
            receive do: (:go -> {:ok, nil})
          end
        end

      loading = Task.async(fn -> Manager.load_plugin(slow, %{test: test}, instance: instance) end)
      assert_receive {:init, pid}
      assert %{status: :healthy} = Manager.health(instance: instance, timeout: 10_000)
      assert Manager.ready?(instance: instance)
      send(pid, :go)
      assert {:ok, :slow} = Task.await(loading)
    end
  end

  describe "readiness/1" do
    @tag :capture_log
    test "lists what is configured and could not be loaded, until it is", %{instance: instance} do
      name = :"#{instance} configured"

      needy =
        plugin id: :needy do
          @impl Pipeline.Plugin
          def config_schema, do: [key: [type: :string, required: true]]
        end

      fine = plugin([id: :fine], do: nil)

      start_supervised!({Manager, name: name, plugins: [needy, fine, No.Such.Plugin], restart: stay_failed()},
        id: name
      )

      assert {:not_ready, lacking} = Manager.readiness(instance: name)
      refute Manager.ready?(instance: name)

      assert [
               %{plugin: nil, module: No.Such.Plugin, reason: %Error{reason: :module_not_found}},
               %{plugin: :needy, module: ^needy, reason: {:state, :failed}}
             ] = Enum.sort_by(lacking, &inspect(&1.plugin != nil))

      :ok = Manager.unload_plugin(:needy, instance: name)
      {:ok, :needy} = Manager.load_plugin(needy, %{key: "x"}, instance: name)
      assert {:not_ready, [%{module: No.Such.Plugin}]} = Manager.readiness(instance: name)

      # An operator has taken it out again: it is not missed.
      :ok = Manager.unload_plugin(:needy, instance: name)
      assert {:not_ready, [%{module: No.Such.Plugin}]} = Manager.readiness(instance: name)
    end

    test "lists those that are still to come while the instance starts", %{instance: instance} do
      name = :"#{instance} configured"
      test = self()

      slow =
        plugin id: :slow do
          @impl Pipeline.Plugin
          def init(%{test: test}) do
            send(test, {:init, self()})
            receive do: (:go -> {:ok, nil})
          end
        end

      later = plugin([id: :later], do: nil)

      # The start of an instance waits for its plugins, so another process looks meanwhile.
      spawn_link(fn ->
        {:ok, _} = Manager.start_link(name: name, plugins: [{slow, %{test: test}}, later])
        send(test, :started)
        receive do: (:never -> :ok)
      end)

      assert_receive {:init, pid}
      assert {:not_ready, lacking} = Manager.readiness(instance: name)

      assert lacking |> Enum.map(&{&1.module, &1.reason}) |> Enum.sort() ==
               Enum.sort([{slow, :not_loaded_yet}, {later, :not_loaded_yet}])

      send(pid, :go)
      assert_receive :started
      assert Manager.readiness(instance: name) == :ready
    end

    @tag :capture_log
    test "what is wanted is still known after the manager was killed", %{instance: instance} do
      name = :"#{instance} configured"
      start_supervised!({Manager, name: name, plugins: [No.Such.Plugin]}, id: name)
      manager = Names.whereis(name, :manager)
      monitor = Process.monitor(manager)
      Process.exit(manager, :kill)
      assert_receive {:DOWN, ^monitor, _, _, _}
      _ = name |> Names.whereis(:instance) |> Supervisor.which_children()
      assert {:not_ready, [%{module: No.Such.Plugin}]} = Manager.readiness(instance: name)
    end

    test "nothing of it is left when an instance ends" do
      name = :"#{__MODULE__} ending"

      ExUnit.CaptureLog.capture_log(fn ->
        start_supervised!({Manager, name: name, plugins: [No.Such.Plugin], limits: [memory: 1_000_000]},
          id: name
        )
      end)

      assert terms_of(name) != []
      :ok = stop_supervised(name)
      assert terms_of(name) == []
    end
  end

  defp terms_of(name) do
    for {{_module, ^name} = key, _value} <- :persistent_term.get(), do: key
  end

  # A plugin that crashes until its supervisor gives it up.
  defp fail(instance) do
    module = plugin([id: :failing], do: nil)
    :ok = Events.subscribe(self(), :plugin_failed, instance: instance)
    {:ok, :failing} = Manager.load_plugin(module, %{}, instance: instance)
    kill_until_failed(instance)
    module
  end

  defp kill_until_failed(instance) do
    if pid = Names.whereis(instance, {:plugin, :failing}) do
      monitor = Process.monitor(pid)
      Process.exit(pid, :kill)
      assert_receive {:DOWN, ^monitor, _, _, _}
    end

    receive do
      {:pipeline_event, {:plugin, :plugin_failed}, %{id: :failing}} -> :ok
    after
      0 -> kill_until_failed(instance)
    end
  end
end
