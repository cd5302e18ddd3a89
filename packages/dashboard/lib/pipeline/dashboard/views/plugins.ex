defmodule Pipeline.Dashboard.Views.Plugins do
  @moduledoc false
  # The plugins of an instance.

  import Pipeline.Dashboard.Markup

  alias Pipeline.Dashboard.Views
  alias Pipeline.Hook
  alias Pipeline.Plugin.Manager

  @spec show(term, map) :: Pipeline.Dashboard.Markup.markup()
  def show(instance, page) do
    tiers = tiers(instance)

    rows =
      for info <- Manager.list_plugins(instance: instance) do
        [
          link(Views.url(page, "/plugin", id: Views.key(info.id)), Views.key(info.id)),
          state(info.state),
          info[:version],
          tiers |> Map.get(info.id, []) |> Enum.map_join(", ", &to_string/1),
          restarts(info),
          time(hd(info.history).at),
          term(hd(info.history).reason)
        ]
      end

    table(
      "Plugins",
      ["Plugin", "State", "Version", "Hooks", "Restarts", "Since", "Reason"],
      rows,
      "No plugin is loaded. Pipeline.Plugin.Manager.load_plugin/2 loads one."
    )
  end

  @doc "How often it entered its work again, of the transitions that are kept."
  @spec restarts(Manager.info()) :: non_neg_integer
  def restarts(info), do: max(Enum.count(info.history, &(&1.state == :started)) - 1, 0)

  defp tiers(instance) do
    hooks =
      for {_point, stats} <- Hook.stats(instance: instance), hook <- stats.hooks, do: {hook.plugin, hook.tier}

    hooks |> Enum.uniq() |> Enum.sort() |> Enum.group_by(&elem(&1, 0), &elem(&1, 1))
  end
end
