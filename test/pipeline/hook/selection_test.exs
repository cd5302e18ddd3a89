defmodule Pipeline.Hook.SelectionTest do
  # Runs with only: and except:.
  use Pipeline.InstanceCase, async: true

  defp load(id, instance) do
    module =
      plugin id: id do
        hook :before, :step
        hook :before, :native, native: :increment, config: %{field: __MODULE__}
        def step(context, next), do: next.([__plugin__().id | context])
      end

    {:ok, ^id} = Manager.load_plugin(module, %{}, instance: instance)
    module
  end

  defp run(instance, opts, core \\ nil), do: Hook.run(:step, [], core, [instance: instance] ++ opts)

  test "call the hooks of some plugins", %{instance: instance} do
    for id <- [:a, :b, :c], do: load(id, instance)
    assert run(instance, []) == {:ok, [:c, :b, :a]}
    assert run(instance, only: [:c, :a, :unknown]) == {:ok, [:c, :a]}
    assert run(instance, only: [:b]) == {:ok, [:b]}
    assert run(instance, except: [:b]) == {:ok, [:c, :a]}
    assert run(instance, only: [:a, :b], except: [:b]) == {:ok, [:a]}
    assert run(instance, only: []) == {:ok, []}
    assert run(instance, [only: [:c, :a]], &{:core, &1}) == {:ok, {:core, [:c, :a]}}
    assert run(instance, [only: []], &{:core, &1}) == {:ok, {:core, []}}
    assert Hook.run(:none, 1, nil, instance: instance, only: [:a]) == {:ok, 1}
    assert Hook.run(:none, 1, &(&1 + 1), instance: instance, only: [:a]) == {:ok, 2}
  end

  test "follow a change of hooks", %{instance: instance} do
    load(:a, instance)
    assert run(instance, except: [:b]) == {:ok, [:a]}
    for id <- [:b, :c], do: load(id, instance)
    assert run(instance, except: [:b]) == {:ok, [:c, :a]}
    :ok = Manager.unload_plugin(:a, instance: instance)
    assert run(instance, except: [:b]) == {:ok, [:c]}
    for id <- [:b, :c], do: :ok = Manager.unload_plugin(id, instance: instance)
    assert run(instance, except: [:b]) == {:ok, []}
  end

  test "are compiled once, and leave nothing behind", %{instance: instance} do
    load(:a, instance)

    kept = fn ->
      for {{Pipeline.Hook.Selection, ^instance, _, _} = key, _} <- :persistent_term.get(), do: key
    end

    for _ <- 1..3, do: run(instance, only: [:a])
    for _ <- 1..3, do: run(instance, only: [:a, :a])
    run(instance, except: [:a])
    assert length(kept.()) == 2
    for n <- 1..200, do: run(instance, only: [:a, "plugin #{n}"])
    assert length(kept.()) == 100
    load(:b, instance)
    assert kept.() == []
    run(instance, only: [:a])
    assert length(kept.()) == 1
    stop_supervised!({Manager, instance})
    assert kept.() == []
  end

  test "are counted, measured and traced as others, and reach the instance", %{instance: instance} do
    module = load(:a, instance)
    load(:b, instance)
    {:ok, _trace} = Hook.trace(:step, instance: instance)
    assert run(instance, only: [:a]) == {:ok, [:a]}
    assert_receive {:pipeline_trace, _, %{calls: [%{plugin: :a}]}}
    assert %{runs: 1, hooks: [%{runs: 1}, %{runs: 0}]} = Hook.stats(:step, instance: instance)
    assert {:ok, %{^module => 1}} = Hook.run(:native, %{}, nil, instance: instance, only: [:a])
  end

  test "of a plugin that leaves are waited for", %{instance: instance} do
    module =
      plugin id: :slow do
        hook :before, :step

        def step(test, _next) do
          send(test, {:in_hook, self()})
          receive do: (:go -> :gone)
        end
      end

    {:ok, :slow} = Manager.load_plugin(module, %{}, instance: instance)
    test = self()
    run = Task.async(fn -> Hook.run(:step, test, nil, instance: instance, only: [:slow]) end)
    assert_receive {:in_hook, pid}

    assert {:error, %Error{reason: {:still_running, [^pid]}}} =
             Manager.unload_plugin(:slow, instance: instance, drain_timeout: 0)

    send(pid, :go)
    assert Task.await(run) == {:ok, :gone}
    :ok = Manager.unload_plugin(:slow, instance: instance)
  end

  test "refuse anything else", %{instance: instance} do
    assert_raise ArgumentError, "only: is a list of plugin ids, got: :a", fn -> run(instance, only: :a) end
    assert_raise ArgumentError, "except: is a list of plugin ids, got: 1", fn -> run(instance, except: 1) end
  end
end
