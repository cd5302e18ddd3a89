defmodule Pipeline.Plugin.Config.ReferenceTest do
  # Native hooks that refer to the configuration of their plugin.
  use Pipeline.InstanceCase, async: true

  defp limiting(opts \\ []) do
    plugin opts ++ [id: :limiting] do
      hook :before, :step, native: :put, config: %{field: :limit, value: {:config, [:rate, :limit]}}
      hook :before, :step, native: :put, config: %{field: :name, value: {:config, :name}}
      hook :before, :step, native: :increment, config: %{field: :n}
      hook :before, :other, native: :increment, config: %{field: :n}
      hook :before, :strict, native: :require, config: %{fields: [:a, {:config, :field}]}

      @impl true
      def config_schema do
        [rate: [type: :map, default: %{limit: 5}], name: [default: "free"], field: [default: :b]]
      end

      @impl true
      def update_config(%{name: "refused"}, _state), do: {:error, :no}
      def update_config(config, _state), do: {:ok, config}
    end
  end

  test "they get the values, and new ones at update_config", %{instance: instance} do
    {:ok, :limiting} = Manager.load_plugin(limiting(), %{name: "paid"}, instance: instance)
    assert Hook.run(instance, :step, %{n: 0}, nil) == {:ok, %{limit: 5, name: "paid", n: 1}}
    assert Hook.run(instance, :strict, %{a: 1}, nil) == {:error, {:missing_field, [:b]}}
    Hook.run(instance, :other, %{n: 0}, nil)

    :ok = Manager.update_config(:limiting, %{rate: %{limit: 7}}, instance: instance)
    assert Hook.run(instance, :step, %{n: 0}, nil) == {:ok, %{limit: 7, name: "free", n: 1}}
    assert %{runs: 2, hooks: [_, _, %{runs: 2}]} = Hook.stats(:step, instance: instance)
    assert %{runs: 1, hooks: [%{runs: 1}]} = Hook.stats(:other, instance: instance)
  end

  test "a value that is missing, or that the hook refuses, refuses the load", %{instance: instance} do
    assert {:error, %Error{reason: {:invalid_hook, sentence}} = error} =
             Manager.load_plugin(limiting(), %{rate: %{}}, instance: instance)

    assert sentence ==
             "the config of the native hook :put is wrong: it refers to [:rate, :limit] in the plugin's " <>
               "configuration, where there is no such value; give it one"

    assert Exception.message(error) =~ sentence

    assert {:error, %Error{reason: {:invalid_hook, "the config of the native hook :require is wrong: " <> _}}} =
             Manager.load_plugin(limiting(), %{field: %{}}, instance: instance)

    assert Hook.points(instance: instance) == []
  end

  test "at update_config it refuses that, before the plugin is asked", %{instance: instance} do
    {:ok, :limiting} = Manager.load_plugin(limiting(), %{}, instance: instance)

    for config <- [%{rate: %{}}, %{field: %{}}] do
      assert {:error, %Error{reason: {:invalid_hook, _}}} =
               Manager.update_config(:limiting, config, instance: instance)
    end

    assert {:error, %Error{reason: {:refused, :no}}} =
             Manager.update_config(:limiting, %{name: "refused"}, instance: instance)

    assert Hook.run(instance, :step, %{n: 0}, nil) == {:ok, %{limit: 5, name: "free", n: 1}}
    {:ok, %{config: %{rate: %{limit: 5}}}} = Manager.plugin_info(:limiting, instance: instance)
  end

  test "a manager that was killed before it published a new configuration is made up for", %{
    instance: instance
  } do
    module =
      plugin id: :knowing do
        hook :before, :known
        def known(_context, next, plugin), do: next.(plugin.config)
      end

    {:ok, :limiting} = Manager.load_plugin(limiting(), %{}, instance: instance)
    {:ok, :knowing} = Manager.load_plugin(module, %{n: 1}, instance: instance)

    # As the plugins' processes leave it.
    registry = Registry.owned(instance)

    for {id, config} <- [limiting: %{rate: %{limit: 9}, name: "new", field: :b}, knowing: %{n: 2}],
        do: {:ok, _} = Registry.replace(registry, %{Registry.info(registry, id) | config: config})

    pid = Pipeline.Instance.Names.whereis(instance, :manager)
    monitor = Process.monitor(pid)
    Process.exit(pid, :kill)
    assert_receive {:DOWN, ^monitor, _, _, _}
    await_manager(instance)
    assert Hook.run(instance, :step, %{n: 0}, nil) == {:ok, %{limit: 9, name: "new", n: 1}}
    assert Hook.run(instance, :known, nil, nil) == {:ok, %{n: 2}}
  end

  # A call that the new manager answers.
  defp await_manager(instance) do
    Manager.restart_plugin(:unknown, instance: instance)
  catch
    :exit, _ -> await_manager(instance)
  end
end
