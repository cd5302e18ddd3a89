defmodule Pipeline.Plugin.ManagerTest do
  use Pipeline.InstanceCase, async: true

  doctest Pipeline.Plugin.Manager

  describe "get_provider/2" do
    test "prefers the default, then the priority, then who was first", %{instance: instance} do
      for {id, opts} <- [a: [], b: [], c: [priority: 80], d: [default: true]] do
        name = :"Elixir.Pipeline.Provider#{System.unique_integer([:positive])}"

        Module.create(
          name,
          quote do
            use Pipeline.Plugin, id: unquote(id)
            provides(:provider, unquote(:"module_#{id}"), unquote(opts))
          end,
          __ENV__
        )

        {:ok, ^id} = Manager.load_plugin(name, %{}, instance: instance)
      end

      assert Manager.get_provider(:provider, instance: instance) == {:ok, {:d, :module_d}}
      :ok = Manager.unload_plugin(:d, instance: instance)
      assert Manager.get_provider(:provider, instance: instance) == {:ok, {:c, :module_c}}
      :ok = Manager.unload_plugin(:c, instance: instance)
      assert Manager.get_provider(:provider, instance: instance) == {:ok, {:a, :module_a}}
      assert Manager.get_provider(:nothing, instance: instance) == :error
    end
  end
end
