defmodule Pipeline.FlakyPlugin do
  @moduledoc "A plugin `:flaky`, of which hooks on the point `:step` have a circuit, and what a test is told of that."

  import ExUnit.Assertions

  alias Pipeline.Hook
  alias Pipeline.Plugin.{Events, Manager}

  @doc "Loads one with this body, and subscribes the test to what happens to its hooks."
  @spec load_flaky(atom, Macro.t(), Macro.Env.t()) :: :ok
  def load_flaky(instance, body, env) do
    name = :"Elixir.Pipeline.TestPlugin#{System.unique_integer([:positive])}"
    ExUnit.Callbacks.on_exit(fn -> Pipeline.InstanceCase.remove(name) end)
    Pipeline.InstanceCase.define(name, [id: :flaky], body, env)
    {:ok, :flaky} = Manager.load_plugin(name, %{}, instance: instance)
    :ok = Events.subscribe(self(), :hook_circuit, instance: instance)
    :ok = Events.subscribe(self(), :hook_failed, instance: instance)
  end

  @doc "Runs until the cool-down is over and a run calls the hook."
  @spec trial((() -> Hook.Chain.result())) :: Hook.Chain.result()
  def trial(run) do
    case run.() do
      {:error, %Hook.Error{reason: :circuit_open}} -> trial(run)
      result -> result
    end
  end

  @doc "The test has been told of this change."
  @spec assert_moved(atom, atom, atom, pos_integer) :: term
  def assert_moved(from, to, reason, opened) do
    assert_received {:pipeline_event, {:plugin, :hook_circuit},
                     %{plugin: :flaky, point: :step, from: ^from, to: ^to, reason: ^reason, opened: ^opened}}
  end
end
