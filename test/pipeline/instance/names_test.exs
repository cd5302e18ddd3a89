defmodule Pipeline.Instance.NamesTest do
  use Pipeline.InstanceCase, async: true

  test "an instance has any name" do
    plugin =
      plugin id: :named do
        hook(:before, :step, fun: :add)
        def add(context, next), do: next.([:named | context])
        @impl Pipeline.Plugin
        def handle_rpc(:where, state), do: {:reply, Pipeline.Instance.Caller.instance(), state}
      end

    for name <- ["tenant-7-#{System.unique_integer()}", {:tenant, System.unique_integer()}, 7.5] do
      start_supervised!({Manager, name: name}, id: name)
      assert Manager.load_plugin(plugin, %{}, instance: name) == {:ok, :named}
      assert Hook.run(:step, [], &Enum.reverse/1, instance: name) == {:ok, [:named]}
      assert Hook.run(name, :step, [], nil) == {:ok, [:named]}
      assert Hook.run(:step, [], nil, instance: name) == {:ok, [:named]}
      assert RPC.call(:named, :where, 5000, instance: name) == {:ok, name}
      assert %{runs: 3} = Hook.stats(:step, instance: name)
      assert Manager.unload_plugin!(:named, instance: name) == :ok

      assert_raise Error, ~r/could not unload plugin :named: there is no plugin/, fn ->
        Manager.unload_plugin!(:named, instance: name)
      end
    end
  end
end
