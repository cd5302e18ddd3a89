defmodule Pipeline.Plugin.Manager.ConfigureHookTest do
  # What an operator says of a plugin's hooks wins over what the plugin declares.
  use Pipeline.InstanceCase, async: true

  alias Pipeline.Plugin.Error

  for {name, priority} <- [high: 90, middle: 50, low: 10, lower: 5] do
    defp marking(unquote(name), id) do
      plugin id: id do
        hook :before, :step, priority: unquote(priority) do
          def step(context, next, plugin), do: next.([plugin.id | context])
        end

        hook :after, :other do
          def other(result, next), do: next.(result)
        end
      end
    end
  end

  setup %{instance: instance} do
    {:ok, _} = Manager.load_plugins([marking(:high, :high), marking(:low, :low)], instance: instance)
    {:ok, opts: [instance: instance]}
  end

  defp order(instance), do: for(%{plugin: id} <- Hook.chain(:step, instance: instance), do: id)

  test "priority, and back to the plugin's own; the counters go on", %{instance: instance, opts: opts} do
    for _ <- 1..3, do: assert(Hook.run(instance, :step, [], nil) == {:ok, [:low, :high]})
    :ok = Manager.configure_hook(:low, :step, [priority: 95] ++ opts)
    assert Hook.run(instance, :step, [], nil) == {:ok, [:high, :low]}
    assert [%{plugin: :low, priority: 95, overridden: [:priority]}, high] = Hook.chain(:step, opts)
    refute is_map_key(high, :overridden)
    assert %{runs: 4, hooks: [%{plugin: :low, runs: 4}, _]} = Hook.stats(:step, opts)
    assert %{overrides: %{step: %{priority: 95}}} = Manager.plugin_info!(:low, opts)

    :ok = Manager.configure_hook(:low, :step, [priority: nil] ++ opts)
    assert order(instance) == [:high, :low]
    assert Manager.plugin_info!(:low, opts).overrides == %{}
  end

  test "on_error, timeout and circuit", %{instance: instance, opts: opts} do
    failing =
      plugin id: :failing do
        hook :before, :work, circuit: [failures: 100] do
          def work(%{wait: true}, _next), do: receive(do: (:never -> :ok))
          def work(_context, _next), do: raise("no luck")
        end
      end

    {:ok, :failing} = Manager.load_plugin(failing, %{}, opts)
    assert {:error, %Hook.Error{reason: %RuntimeError{}}} = Hook.run(instance, :work, %{}, nil)
    :ok = Manager.configure_hook(:failing, :work, [on_error: :skip] ++ opts)
    assert Hook.run(instance, :work, %{}, nil) == {:ok, %{}}
    # The circuit is the one that has counted both.
    assert %{hooks: [%{circuit: %{failures: 2}}]} = Hook.stats(:work, opts)
    :ok = Manager.configure_hook(:failing, :work, [on_error: :halt, timeout: 10] ++ opts)
    assert {:error, %Hook.Error{reason: :timeout}} = Hook.run(instance, :work, %{wait: true}, nil)
    :ok = Manager.configure_hook(:failing, :work, [timeout: :infinity, circuit: [failures: 1]] ++ opts)
    assert {:error, %Hook.Error{reason: %RuntimeError{}}} = Hook.run(instance, :work, %{}, nil)
    assert {:error, %Hook.Error{reason: :circuit_open}} = Hook.run(instance, :work, %{}, nil)
    :ok = Manager.configure_hook(:failing, :work, [circuit: false] ++ opts)
    assert {:error, %Hook.Error{reason: %RuntimeError{}}} = Hook.run(instance, :work, %{}, nil)
  end

  test "a native hook keeps what it has counted", %{instance: instance, opts: opts} do
    limiting =
      plugin id: :limiting do
        hook :before, :limited, native: :rate_limit, config: %{limit: 1, per_ms: 3_600_000}
      end

    {:ok, :limiting} = Manager.load_plugin(limiting, %{}, opts)
    assert {:ok, _} = Hook.run(instance, :limited, %{}, nil)
    :ok = Manager.configure_hook(:limiting, :limited, [priority: 60] ++ opts)
    assert {:error, {:rate_limited, _}} = Hook.run(instance, :limited, %{}, nil)

    assert {:error, %Error{reason: {:invalid_hook, sentence}}} =
             Manager.configure_hook(:limiting, :limited, [timeout: 5] ++ opts)

    assert sentence =~ "timeout"
  end

  test "enabled: false takes the hooks out, and true brings them back", %{instance: instance, opts: opts} do
    :ok = Manager.configure_hook(:low, :step, [enabled: false] ++ opts)
    assert Hook.run(instance, :step, [], nil) == {:ok, [:high]}
    # They stay out through a restart, a stop and another version.
    :ok = Manager.restart_plugin(:low, opts)
    :ok = Manager.disable_plugin(:low, opts)
    {:ok, :started} = Manager.enable_plugin(:low, opts)
    {:ok, _} = Manager.upgrade_plugin(:low, marking(:lower, :low), opts)
    assert order(instance) == [:high]
    :ok = Manager.configure_hook(:low, :step, [enabled: true] ++ opts)
    assert order(instance) == [:high, :low]
  end

  test "from the load on", %{instance: instance, opts: opts} do
    {:ok, :middle} =
      Manager.load_plugin(marking(:middle, :middle), %{}, [hooks: %{step: [priority: 99]}] ++ opts)

    assert order(instance) == [:middle, :high, :low]

    assert {:error, %Error{step: :validate, reason: {:invalid_hook, sentence}}} =
             Manager.load_plugin(marking(:middle, :x), %{}, [hooks: %{stepp: [priority: 99]}] ++ opts)

    assert sentence == "the plugin has no hook on :stepp. Did you mean :step? It has some on: :step, :other"
  end

  test "what makes no sense changes nothing", %{instance: instance, opts: opts} do
    before = Hook.chain(:step, opts)

    for {given, part} <- [
          {[priority: :high], "priority of a hook is an integer"},
          {[on_error: :explode], "on_error: is :halt, :skip or :raise"},
          {[timeout: 0], "timeout: is a positive number"},
          {[circuit: [failures: 0]], "failures"},
          {[enabled: :no], "enabled: is true or false"},
          {[prioritty: 1], "Did you mean :priority?"}
        ] do
      assert {:error, %Error{operation: :configure, reason: {:invalid_hook, sentence}}} =
               Manager.configure_hook(:low, :step, given ++ opts)

      assert sentence =~ part
    end

    assert {:error, %Error{reason: {:invalid_hook, _}}} =
             Manager.configure_hook(:low, :nowhere, [priority: 1] ++ opts)

    assert {:error, %Error{reason: {:not_loaded, :nobody}}} =
             Manager.configure_hook(:nobody, :step, [priority: 1] ++ opts)

    assert Hook.chain(:step, opts) == before
    assert Hook.run(instance, :step, [], nil) == {:ok, [:low, :high]}
  end
end
