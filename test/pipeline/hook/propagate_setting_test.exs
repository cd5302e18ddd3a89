defmodule Pipeline.Hook.PropagateSettingTest do
  # Sets the environment of the application.
  use Pipeline.InstanceCase, async: false

  setup do
    on_exit(fn -> Application.delete_env(:pipeline_plugin, :propagate) end)
  end

  test "config :pipeline_plugin, propagate: names further entries", %{instance: instance} do
    module =
      plugin id: :seeing do
        hook :before, :timed, timeout: 5_000
        def timed(_context, next), do: next.({Process.get(:tenant), Process.get(:other)})
      end

    {:ok, _} = Manager.load_plugin(module, %{}, instance: instance)
    Process.put(:tenant, "acme")
    Process.put(:other, 1)
    Application.put_env(:pipeline_plugin, :propagate, [:tenant])
    assert Hook.run(instance, :timed, %{}, nil) == {:ok, {"acme", nil}}

    Application.put_env(:pipeline_plugin, :propagate, :tenant)

    assert {:error, %Hook.Error{reason: %ArgumentError{message: message}}} =
             Hook.run(instance, :timed, %{}, nil)

    assert message =~ "propagate: is a list of keys of the process dictionary"
  end
end
