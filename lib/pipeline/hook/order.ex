defmodule Pipeline.Hook.Order do
  @moduledoc false
  # Has the core put the hooks of a point in order.

  alias Pipeline.Hook.Registration
  alias Pipeline.Native.HookOrder

  @spec sort([Registration.t()], %{Pipeline.Plugin.plugin_id() => [Pipeline.Plugin.plugin_id()]}) ::
          {:ok, [Registration.t()]} | {:error, String.t()}
  def sort(registrations, _dependencies) when length(registrations) < 2, do: {:ok, registrations}

  def sort(registrations, dependencies) do
    dependencies = reachable(Enum.map(registrations, & &1.plugin), dependencies, %{})

    hooks =
      for hook <- registrations do
        {hook.plugin, hook.kind, hook.priority, hook.sequence, hook.before, hook.after}
      end

    with {:ok, order} <- HookOrder.arrange(hooks, Map.to_list(dependencies)) do
      by_index = List.to_tuple(registrations)
      {:ok, Enum.map(order, &elem(by_index, &1))}
    end
  end

  # Few plugins have hooks on a point. The core needs only their dependencies.
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
