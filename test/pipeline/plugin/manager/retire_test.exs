defmodule Pipeline.Plugin.Manager.RetireTest do
  use Pipeline.InstanceCase, async: true

  import Pipeline.Reporter

  describe "unload_plugin/2" do
    test "takes hooks, process and registration away, and calls stop", %{instance: instance} do
      module =
        plugin id: :alpha do
          use Pipeline.Reporter

          hook :before, :step do
            def step(_context, _next), do: :alpha
          end
        end

      {:ok, :alpha} = Manager.load_plugin(module, %{test: self()}, instance: instance)
      %{pid: pid} = Manager.plugin_info!(:alpha, instance: instance)
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
          use Pipeline.Reporter
        end

      blog =
        plugin id: :blog do
          use Pipeline.Reporter
          depends_on(:cache)
        end

      feed =
        plugin id: :feed do
          use Pipeline.Reporter
          depends_on(:blog)
        end

      reader =
        plugin id: :reader do
          use Pipeline.Reporter
          depends_on(:cache, optional: true)
        end

      config = %{test: self()}

      {:ok, _} =
        Manager.load_plugins(Enum.map([cache, blog, feed, reader], &{&1, config}), instance: instance)

      _ = callbacks()

      assert {:error, %Error{reason: {:required_by, [:blog]}}} =
               Manager.unload_plugin(:cache, instance: instance)

      assert {:error, %Error{reason: {:not_loaded, :nothing}}} =
               Manager.unload_plugin(:nothing, instance: instance)

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

      assert {:error, %Error{reason: {:required_by, [:chat]}}} =
               Manager.unload_plugin(:two, instance: instance)

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

      assert {:error, %Error{reason: {:required_by, [:both]}}} =
               Manager.unload_plugin(:one, instance: instance)
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

    assert {:ok, {:error, %Error{reason: {:called_from_callback, :itself}} = error}} =
             RPC.call(:leaving, {:leave, instance}, 5000, instance: instance)

    assert Exception.message(error) =~
             "a plugin cannot ask for a change of itself and wait for it"

    assert :ok = Manager.unload_plugin(:leaving, instance: instance)
  end
end
