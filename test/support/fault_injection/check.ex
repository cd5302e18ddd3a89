defmodule Pipeline.FaultInjection.Check do
  @moduledoc "Compares registry, processes, chains and answers of an instance at rest with models."

  import ExUnit.Assertions

  alias Pipeline.FaultInjection.{Guards, Model, Plugins}
  alias Pipeline.Hook
  alias Pipeline.Hook.ChainStore
  alias Pipeline.Plugin.{Manager, RPC}
  alias Pipeline.Instance.Names

  @doc "The one of these models that what the registry shows is in accord with."
  @spec choose([Model.t()], atom) :: Model.t()
  def choose(models, instance) do
    found =
      for info <- Manager.list_plugins(instance: instance),
          into: %{},
          do: {info.id, {info.state, info.version, info.config}}

    case Enum.find(models, &(shown(&1) == found)) do
      nil ->
        flunk(
          "it is\n  #{inspect(found)}\nand is to be one of\n  #{Enum.map_join(models, "\n  ", &inspect/1)}\n" <>
            "by\n  " <> Enum.map_join(Manager.list_plugins(instance: instance), "\n  ", &history/1)
        )

      model ->
        model
    end
  end

  defp history(%{id: id, history: history}), do: "#{id}: #{inspect(Enum.take(history, 4), limit: 60)}"

  defp shown(model) do
    Map.new(model, fn {id, {state, number, config}} ->
      {id, {Model.display(state), "1.#{number}.0", config}}
    end)
  end

  @doc "That all else agrees with it."
  @spec agree!(Model.t(), atom) :: :ok
  def agree!(model, instance) do
    running = Enum.sort(Model.running(model))

    for id <- Plugins.ids() do
      pid = Names.whereis(instance, {:plugin, id})

      assert is_pid(pid) == id in running,
             "the process of #{id} is #{inspect(pid)}, and #{inspect(running)} are to run: " <>
               inspect(Manager.plugin_info(id, instance: instance), limit: 60)
    end

    for id <- Plugins.ids(), Plugins.parent?(id) do
      child = Names.whereis(instance, {:child, id})
      assert is_pid(child) == id in running, "the child of #{id} is #{inspect(child)}"
    end

    for id <- running do
      {:started, number, config} = model[id]
      version = "1.#{number}.0"

      assert RPC.call(id, :tell, 60_000, instance: instance) ==
               {:ok, {id, version, %{config: config, by: version}}}
    end

    versions = for id <- running, {_, number, _} = model[id], do: {id, "1.#{number}.0"}
    {:ok, seen} = Hook.run(instance, :step, [], nil)
    assert Enum.sort(for {:enter, id, version} <- seen, do: {id, version}) == versions
    assert Enum.sort(for {:leave, id, version} <- seen, do: {id, version}) == versions

    {:ok, counted} = Hook.run(instance, :other, Map.new(Plugins.ids(), &{&1, 0}), nil)
    assert Enum.sort(for {id, 1} <- counted, do: id) == running

    guarded =
      case Hook.run(instance, :guarded, [], nil) do
        {:ok, passed} -> {:ok, Enum.sort(passed)}
        {:error, %Hook.Error{reason: {:plugin_down, id, state}}} -> {:down, id, state}
      end

    assert guarded == Guards.answer(model)

    capable = Enum.filter(running, &Plugins.capable?/1)
    assert Enum.sort(Manager.get_by_capability(:k, instance: instance)) == capable
    assert ChainStore.keepers(instance) == []
    :ok
  end
end
