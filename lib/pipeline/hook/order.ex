defmodule Pipeline.Hook.Order do
  @moduledoc false
  # The order of the hooks on one point, as the core decides it.

  alias Pipeline.Hook.Registration
  alias Pipeline.Native.HookOrder

  @spec sort([Registration.t()], %{Pipeline.Plugin.plugin_id() => [Pipeline.Plugin.plugin_id()]}) ::
          {:ok, [Registration.t()]} | {:error, String.t()}
  def sort(entries, _dependencies) when length(entries) < 2, do: {:ok, entries}

  def sort(entries, dependencies) do
    dependencies = reachable(Enum.map(entries, & &1.plugin), dependencies, %{})

    hooks =
      for entry <- entries do
        {entry.plugin, entry.kind, entry.priority, entry.registration, entry.before, entry.after}
      end

    with {:ok, order} <- HookOrder.arrange(hooks, Map.to_list(dependencies)) do
      by_index = List.to_tuple(entries)
      {:ok, Enum.map(order, &elem(by_index, &1))}
    end
  end

  # Of many plugins few have hooks on a point; what the others depend on need not be handed to the core.
  defp reachable([], _dependencies, seen), do: seen

  defp reachable([plugin | plugins], dependencies, seen) do
    case dependencies do
      %{^plugin => needed} when not is_map_key(seen, plugin) ->
        reachable(needed ++ plugins, dependencies, Map.put(seen, plugin, needed))

      %{} ->
        reachable(plugins, dependencies, seen)
    end
  end
end
