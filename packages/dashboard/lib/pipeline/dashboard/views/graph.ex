defmodule Pipeline.Dashboard.Views.Graph do
  @moduledoc false
  # The dependencies as a drawing in layers: who needs a plugin stands to the right of it. The table below has the same.

  import Pipeline.Dashboard.Markup

  alias Pipeline.Dashboard.Views
  alias Pipeline.Plugin.{Graph, Manager}

  @width 190
  @height 44
  @gap_x 90
  @gap_y 22

  @spec show(term, map) :: Pipeline.Dashboard.Markup.markup()
  def show(instance, page) do
    %{nodes: nodes, edges: edges} = Graph.of_instance(instance: instance)
    states = Map.new(Manager.list_plugins(instance: instance), &{&1.id, &1.state})
    names = nodes |> Enum.with_index() |> Map.new(fn {node, index} -> {index, node} end)

    if nodes == [] do
      el(:p, [class: "empty"], "No plugin is loaded, so there is nothing to draw.")
    else
      [
        draw(names, edges, states, page),
        el(:h2, [], "As a list"),
        table(
          "Dependencies",
          ["Plugin", "Needs", "Requirement", "Met"],
          for edge <- edges do
            [
              term(names[edge.from].id),
              term(names[edge.to].id),
              requirement(edge),
              if(edge.met,
                do: badge("yes", :good),
                else: badge("no", if(edge.optional, do: :warn, else: :bad))
              )
            ]
          end,
          "No plugin needs another."
        )
      ]
    end
  end

  defp requirement(edge) do
    [
      edge.requirement,
      if(edge.capability, do: [" capability ", term(edge.capability)]),
      if(edge.optional, do: " optional")
    ]
  end

  defp draw(names, edges, states, page) do
    layers = names |> Map.keys() |> Enum.group_by(&depth(&1, edges, []))

    places =
      for {x, indices} <- layers,
          {index, y} <- Enum.with_index(Enum.sort(indices)),
          into: %{},
          do: {index, {x, y}}

    columns = layers |> Map.keys() |> Enum.max()
    rows = layers |> Map.values() |> Enum.map(&length/1) |> Enum.max()
    width = columns * (@width + @gap_x) + @width + 4
    height = rows * (@height + @gap_y) - @gap_y + 4

    el(:div, [class: "scroll", role: "region", "aria-label": "Drawing of the dependencies", tabindex: "0"], [
      el(:svg, [class: "graph", viewBox: "-2 -2 #{width} #{height}", width: width, height: height], [
        for(edge <- edges, do: edge(places[edge.from], places[edge.to], edge)),
        for({index, place} <- places, do: box(names[index], place, states, page))
      ])
    ])
  end

  # A circle, which no loaded system has, ends at what was seen.
  defp depth(index, edges, seen) do
    needs = for %{from: ^index, to: to} <- edges, to not in seen, do: depth(to, edges, [index | seen])
    Enum.max([-1 | needs]) + 1
  end

  defp box(node, {column, row}, states, page) do
    {x, y} = {column * (@width + @gap_x), row * (@height + @gap_y)}
    state = Map.get(states, node.id, :missing)

    el(:a, [href: Views.url(page, "/plugin", id: Views.key(node.id))], [
      el(:rect, x: x, y: y, width: @width, height: @height, rx: 7, class: "box #{state}"),
      el(:text, [x: x + 12, y: y + 19], String.slice(term(node.id), 0, 24)),
      el(:text, [x: x + 12, y: y + 35, class: "small"], [node.version, " ", state])
    ])
  end

  defp edge({from_x, from_y}, {to_x, to_y}, edge) do
    x1 = from_x * (@width + @gap_x)
    y1 = from_y * (@height + @gap_y) + div(@height, 2)
    x2 = to_x * (@width + @gap_x) + @width
    y2 = to_y * (@height + @gap_y) + div(@height, 2)
    middle = div(x1 + x2, 2)
    met = if edge.met, do: "met", else: "unmet"
    el(:path, d: "M#{x1} #{y1} C#{middle} #{y1} #{middle} #{y2} #{x2} #{y2}", class: "edge #{met}")
  end
end
