defmodule Pipeline.LeakCheckTest do
  # What an instance leaves behind beside other tests; that of a VM is in plugin/leak_test.exs.
  use Pipeline.InstanceCase, async: true

  alias Pipeline.LeakCheck

  defp passing do
    plugin id: :passing do
      hook :before, :step do
        def step(context, next), do: next.(context)
      end
    end
  end

  defp found(before, instance) do
    now = LeakCheck.measure(instance: instance)
    assert_raise(ExUnit.AssertionError, fn -> LeakCheck.assert_flat(before, now) end).message
  end

  test "what came and went is not found", %{instance: instance} do
    before = LeakCheck.measure(instance: instance)
    {:ok, :passing} = Manager.load_plugin(passing(), %{}, instance: instance)
    {:ok, trace} = Hook.trace(:other, instance: instance)
    :ok = Hook.untrace(trace)
    :ok = Manager.unload_plugin(:passing, instance: instance)
    assert :ok = LeakCheck.assert_flat(before, LeakCheck.measure(instance: instance, like: before))
  end

  test "a plugin that stays is found by its processes, its persistent term and its name", %{
    instance: instance
  } do
    before = LeakCheck.measure(instance: instance)
    {:ok, :passing} = Manager.load_plugin(passing(), %{}, instance: instance)
    message = found(before, instance)
    assert message =~ "1 plugins more: :passing"
    assert message =~ "1 processes more: {Pipeline.Plugin.Wrapper, :init, 1}"
    assert message =~ ~r/1 processes more: {:supervisor, Pipeline.Plugin.Tree, 1}/
    assert message =~ "1 persistent_terms more: [#{inspect(instance)} | :step]"
  end

  test "what should have stayed and has gone is found", %{instance: instance} do
    {:ok, :passing} = Manager.load_plugin(passing(), %{}, instance: instance)
    before = LeakCheck.measure(instance: instance)
    :ok = Manager.unload_plugin(:passing, instance: instance)
    assert found(before, instance) =~ "1 plugins fewer: :passing"
  end

  test "what a process holds is found", %{instance: instance} do
    module =
      plugin id: :holding do
        def handle_rpc({:hold, words}, _state), do: {:reply, :held, Enum.to_list(1..div(words, 2))}
      end

    {:ok, :holding} = Manager.load_plugin(module, %{}, instance: instance)
    before = LeakCheck.measure(instance: instance)
    {:ok, :held} = RPC.call(:holding, {:hold, 10_000}, 5000, instance: instance)
    assert found(before, instance) =~ ~r/\d{5} words more are held by {Pipeline.Plugin.Wrapper, :init, 1}/
  end
end
