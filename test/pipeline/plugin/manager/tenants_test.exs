defmodule Pipeline.Plugin.Manager.TenantsTest do
  # One plugin in several instances, and several times in one.
  use Pipeline.InstanceCase, async: true

  defp counting do
    plugin id: :counting, version: "1.0.0" do
      capability(:numbers)

      @impl Pipeline.Plugin
      def handle_rpc(:step, state), do: {:reply, state.step, state}

      hook :before, :count do
        def count(n, next), do: next.(n + 1)
      end
    end
  end

  defp count(instance), do: Hook.run(instance, :count, 0, & &1)

  describe "a plugin that is loaded as another" do
    test "runs beside itself, with its own configuration, hooks and process", %{instance: instance} do
      module = counting()
      opts = [instance: instance]
      assert {:ok, :counting} = Manager.load_plugin(module, %{step: 1}, opts)
      assert {:ok, "by two"} = Manager.load_plugin(module, %{step: 2}, [as: "by two"] ++ opts)
      assert count(instance) == {:ok, 2}
      assert RPC.call(:counting, :step, 5_000, opts) == {:ok, 1}
      assert RPC.call("by two", :step, 5_000, opts) == {:ok, 2}
      assert Manager.get_by_capability(:numbers, opts) == [:counting, "by two"]

      assert :ok = Manager.disable_plugin("by two", opts)
      assert count(instance) == {:ok, 1}
      assert {:ok, :started} = Manager.enable_plugin("by two", opts)
      assert :ok = Manager.restart_plugin("by two", opts)
      assert RPC.call("by two", :step, 5_000, opts) == {:ok, 2}
      assert {:ok, "1.0.0"} = Manager.upgrade_plugin("by two", counting(), opts)
      assert count(instance) == {:ok, 2}

      assert :ok = Manager.unload_plugin(:counting, opts)
      assert count(instance) == {:ok, 1}
      assert [%{id: "by two", config: %{step: 2}}] = Manager.list_plugins(opts)
    end

    test "needs an id that no other has, and that is one", %{instance: instance} do
      module = counting()
      {:ok, :mine} = Manager.load_plugin(module, %{}, as: :mine, instance: instance)

      assert {:error, %Error{reason: {:already_loaded, :mine}}} =
               Manager.load_plugin(module, %{}, as: :mine, instance: instance)

      assert {:error, %Error{reason: {:invalid_manifest, sentence}}} =
               Manager.load_plugin(module, %{}, as: {:tenant, 1}, instance: instance)

      assert sentence =~ "its id is {:tenant, 1}"
    end
  end

  describe "code that others run" do
    setup %{instance: instance} do
      other = {instance, :other}
      start_supervised!({Manager, name: other}, id: other)
      module = :"Elixir.Pipeline.TestPlugin#{System.unique_integer([:positive])}"
      on_exit(fn -> Pipeline.InstanceCase.remove(module) end)
      newer = newer(module)
      {:ok, :counting} = Manager.load_plugin(module, %{}, instance: instance)
      {:ok, :counting} = Manager.load_plugin(module, %{}, instance: other)
      {:ok, other: other, module: module, newer: newer}
    end

    test "is not replaced under their feet", %{instance: instance, other: other, newer: newer} do
      upgrade = fn -> Manager.upgrade_plugin(:counting, newer, instance: instance, rollback: false) end
      assert {:error, %Error{step: :code, reason: {:used_by, [{^other, :counting}]}} = error} = upgrade.()
      assert Exception.message(error) =~ "its module is also that of :counting of {"
      assert count(other) == {:ok, 1}

      :ok = Manager.unload_plugin(:counting, instance: other)
      assert upgrade.() == {:ok, "1.1.0"}
    end

    test "is not purged", %{instance: instance, other: other, module: module} do
      assert {:error, %Error{reason: {:used_by, [{^other, :counting}]}}} =
               Manager.unload_plugin(:counting, instance: instance, purge: true)

      # It is unloaded all the same.
      assert Manager.plugin_info(:counting, instance: instance) == :error
      assert count(other) == {:ok, 1}
      assert :ok = Manager.unload_plugin(:counting, instance: other, purge: true)
      refute :erlang.module_loaded(module)
    end
  end

  # The code of a newer version, while the old one is loaded.
  defp newer(module) do
    old = binary(module, "1.0.0", 1)
    newer = binary(module, "1.1.0", 10)
    {:module, ^module} = :code.load_binary(module, ~c"in memory", old)
    :code.purge(module)
    newer
  end

  defp binary(module, version, step) do
    body =
      quote do
        hook :before, :count do
          def count(n, next), do: next.(n + unquote(step))
        end
      end

    :code.purge(module)

    {:module, ^module, binary, _} =
      Pipeline.InstanceCase.define(module, [id: :counting, version: version], body, __ENV__)

    :code.purge(module)
    binary
  end
end
