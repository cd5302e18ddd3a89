defmodule Pipeline.Plugin.Manager.ConfigureHook do
  @moduledoc false
  # Gives the hooks of a plugin on a point the options that an operator says.

  alias Pipeline.Hook.{ChainStore, ChainUpdate}
  alias Pipeline.Plugin
  alias Pipeline.Plugin.{Dependents, Log, Overrides}
  alias Pipeline.Plugin.Manager.{Hooks, Operation, State, Stored}

  @spec operation(Plugin.plugin_id(), atom, keyword) :: Operation.t()
  def operation(id, point, options) do
    fn _state ->
      {{[id, {:point, point}], []}, &configure(&1, id, point, options)}
    end
  end

  defp configure(state, id, point, options) do
    with %{^id => info} <- state.plugins,
         {:ok, overrides} <- Overrides.merge(info.module, Map.get(info, :overrides, %{}), point, options),
         info = Map.put(info, :overrides, overrides),
         {:ok, chains} <- chains(state, info, point) do
      state = state |> State.note([id], fn _info -> info end) |> Stored.changed(id, :overrides)
      Log.info(info, state.instance, told(point, overrides))
      {:done, {:ok, []}, if(chains == %{}, do: state, else: State.publish(state, chains))}
    else
      {:error, sentence} -> {:done, {{:error, {:invalid_hook, sentence}}, []}, state}
      _none -> {:done, {{:error, {:not_loaded, id}}, []}, state}
    end
  end

  defp told(point, overrides) when is_map_key(overrides, point),
    do: "has its hooks overridden on #{Overrides.describe(Map.take(overrides, [point]))}"

  defp told(point, _overrides), do: "has its hooks on #{inspect(point)} as it declares them"

  # One that does not run has no hooks; they come with what is noted.
  defp chains(state, %{state: :started, id: id} = info, point) do
    dependencies = state |> State.running() |> Dependents.graph()
    chain = ChainStore.chain(state.instance, point)
    standing = if chain, do: Enum.filter(chain.registrations, &(&1.plugin == id)), else: []

    with {:ok, registrations} <- Hooks.overridden(info, point, standing),
         do:
           ChainUpdate.replace_on(
             state.instance,
             point,
             id,
             registrations,
             dependencies,
             List.wrap(info[:spec])
           )
  end

  defp chains(_state, _info, _point), do: {:ok, %{}}
end
