defmodule Pipeline.Hook.TableTest do
  # How chains are published.
  use Pipeline.InstanceCase, async: true

  alias Pipeline.Hook.Dispatch
  alias Pipeline.Instance.Names

  test "points that changed together are put in place alone once nothing more changes", %{instance: instance} do
    module =
      plugin id: :two do
        hook :before, :one, fun: :both
        hook :before, :other, fun: :both
        def both(context, next), do: next.([:seen | context])
      end

    run = fn -> for point <- [:one, :other], do: Hook.run(instance, point, [], nil) end
    {:ok, :two} = Manager.load_plugin(module, %{}, instance: instance)
    chains = for point <- [:one, :other], do: Hook.chain(point, instance: instance)
    assert run.() == [ok: [:seen], ok: [:seen]]

    settle(instance)
    assert [4, 4] = for(point <- [:one, :other], do: tuple_size(published(instance, point)))
    assert run.() == [ok: [:seen], ok: [:seen]]
    assert chains == for(point <- [:one, :other], do: Hook.chain(point, instance: instance))

    :ok = Manager.unload_plugin(:two, instance: instance)
    settle(instance)
    assert [nil, nil] = for(point <- [:one, :other], do: published(instance, point))
    assert run.() == [ok: [], ok: []]
  end

  test "what a writer that was killed had begun is taken back, and counts go on", %{instance: instance} do
    module =
      plugin id: :one do
        hook :before, :step
        def step(context, next), do: next.([:seen | context])
      end

    {:ok, :one} = Manager.load_plugin(module, %{}, instance: instance)
    assert Hook.run(instance, :step, [], nil) == {:ok, [:seen]}

    # As it stands before the generation has come.
    key = Dispatch.key(instance, :step)
    generation = :atomics.new(1, [])
    :persistent_term.put(key, {:pending, generation, 1, nil, :persistent_term.get(key)})
    assert Hook.run(instance, :step, [], & &1) == {:ok, [:seen]}
    settle(instance)
    assert tuple_size(published(instance, :step)) == 4
    assert Hook.run(instance, :step, [], nil) == {:ok, [:seen]}
    assert %{runs: 3, hooks: [%{runs: 3}]} = Hook.stats(:step, instance: instance)
  end

  # What the manager tells itself a while after such a change.
  defp settle(instance) do
    manager = Names.whereis(instance, :manager)
    send(manager, :settle)
    _ = :sys.get_state(manager)
  end

  defp published(instance, point), do: :persistent_term.get(Dispatch.key(instance, point), nil)
end
