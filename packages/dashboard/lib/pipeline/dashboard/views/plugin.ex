defmodule Pipeline.Dashboard.Views.Plugin do
  @moduledoc false
  # One plugin.

  import Pipeline.Dashboard.Markup

  alias Pipeline.Dashboard.Views
  alias Pipeline.Plugin.{Graph, Resources}

  @spec show(Pipeline.Plugin.Manager.info(), term, map) :: Pipeline.Dashboard.Markup.markup()
  def show(info, instance, page) do
    {needs, needed} = neighbours(info.id, instance)

    [
      el(:section, [class: "card"], [
        el(:div, [class: "row"], [
          state(info.state),
          el(:span, [], info[:version]),
          el(:code, [], term(info.module))
        ]),
        el(:p, [], info[:description]),
        el(:dl, [class: "facts"], [
          fact("capabilities", term(info[:capabilities] || [])),
          fact("needs", plugins(needs, page)),
          fact("needed by", plugins(needed, page)),
          fact("restarts", Views.Plugins.restarts(info)),
          fact("loaded", time(info.loaded_at)),
          fact("process", term(info.pid)),
          fact("limits", term(info.limits)),
          usage(info.id, instance)
        ]),
        actions(info, page)
      ]),
      el(:h2, [], "Configuration"),
      table(
        "Configuration",
        ["Field", "Value"],
        for({field, value} <- Enum.sort(fields(info.config)), do: [term(field), el(:code, [], term(value))]),
        "It has no configuration."
      ),
      el(:h2, [], "History"),
      table(
        "History",
        ["When", "State", "Reason"],
        for(entry <- info.history, do: [time(entry.at), state(entry.state), term(entry.reason)]),
        "Nothing has happened yet."
      )
    ]
  end

  # What it uses now, beside its limits.
  defp usage(id, instance) do
    case Resources.monitor_plugin(id, instance: instance) do
      {:ok, usage} ->
        [
          fact("memory", bytes(usage.memory)),
          fact("messages that wait", usage.message_queue),
          fact("limits that are passed", if(usage.exceeded == [], do: "none", else: term(usage.exceeded)))
        ]

      {:error, _not_running} ->
        []
    end
  end

  defp bytes(bytes) when bytes < 1_048_576, do: "#{Float.round(bytes / 1_024, 1)} KiB"
  defp bytes(bytes), do: "#{Float.round(bytes / 1_048_576, 1)} MiB"

  defp fact(name, value), do: el(:div, [], [el(:dt, [], name), el(:dd, [], value)])

  defp fields(config) when is_map(config), do: config
  defp fields(config), do: %{config: config}

  defp plugins([], _page), do: "none"

  defp plugins(ids, page) do
    ids
    |> Enum.map(&link(Views.url(page, "/plugin", id: Views.key(&1)), Views.key(&1)))
    |> Enum.intersperse(", ")
  end

  defp neighbours(id, instance) do
    %{nodes: nodes, edges: edges} = Graph.of_instance(instance: instance)
    name = fn index -> Enum.at(nodes, index).id end
    pairs = for edge <- edges, do: {name.(edge.from), name.(edge.to)}
    {for({^id, to} <- pairs, uniq: true, do: to), for({from, ^id} <- pairs, uniq: true, do: from)}
  end

  defp actions(_info, %{form_token: nil}), do: []

  defp actions(info, page) do
    el(:form, [method: "post", action: page.prefix <> "/actions", class: "actions"], [
      for {name, value} <- [
            form_token: page.form_token,
            instance: Views.key(page.instance),
            id: Views.key(info.id)
          ] do
        el(:input, type: "hidden", name: name, value: value)
      end,
      el(:label, [for: "reason"], "Reason, for the history"),
      el(:input, id: "reason", name: "reason", maxlength: "200"),
      for(
        action <- ["disable", "enable", "restart"],
        do: el(:button, [type: "submit", name: "action", value: action], action)
      )
    ])
  end
end
