defmodule Pipeline.Plugin.Graph.Text do
  @moduledoc false

  alias Pipeline.Plugin.Graph
  alias Pipeline.Plugin.Graph.Label

  @spec render(Graph.t()) :: String.t()
  def render(%Graph{} = graph) do
    [section("Plugins", plugins(graph)), section("Hook chains", Enum.map(graph.chains, &chain/1))]
    |> Enum.reject(&(&1 == []))
    |> Enum.intersperse("\n")
    |> IO.iodata_to_binary()
  end

  defp section(_title, []), do: []
  defp section(title, parts), do: [title, "\n" | parts]

  defp plugins(%{nodes: nodes, edges: edges}) do
    by_index = List.to_tuple(nodes)
    edges = Enum.group_by(edges, & &1.from)

    for {%{kind: :plugin} = node, index} <- Enum.with_index(nodes) do
      needs =
        (edges[index] || [])
        |> Enum.chunk_by(&{&1.requirement, &1.capability, &1.capability || &1.to, &1.optional})
        |> Enum.map(&dependency(&1, by_index))

      ["  ", Label.plugin(node), "\n" | needs]
    end
  end

  defp dependency([edge | _] = edges, nodes) do
    verb = if edge.optional, do: "may use ", else: "needs "
    ["    ", verb, wanted(edge, elem(nodes, edge.to)), ": ", found(edges, nodes), "\n"]
  end

  defp wanted(%{capability: nil, requirement: requirement}, node) do
    Label.dependency({node.id, version: requirement})
  end

  defp wanted(%{capability: capability}, _node), do: Label.dependency({{:capability, capability}, []})

  defp found(edges, nodes) do
    Enum.map_join(edges, ", ", fn %{to: to, met: met?} ->
      case elem(nodes, to) do
        %{kind: :plugin} = node -> Label.plugin(node) <> if(met?, do: "", else: ", which does not match")
        _missing -> "not there"
      end
    end)
  end

  defp chain(%{point: point, mode: mode, hooks: hooks}) do
    rows = for {hook, number} <- Enum.with_index(hooks, 1), do: row(hook, number)
    widths = Enum.zip_with(rows, fn column -> column |> Enum.map(&String.length/1) |> Enum.max() end)

    [
      "  ",
      Label.name(point),
      if(mode == :chain, do: "", else: " (#{mode})"),
      "\n" | Enum.map(rows, &line(&1, widths))
    ]
  end

  defp row(hook, number) do
    ["#{number}.", "#{hook.kind}", Label.name(hook.plugin), "#{hook.priority}", tier(hook)]
  end

  defp line(row, widths) do
    cells = Enum.zip_with(row, widths, &String.pad_trailing/2)
    ["    ", cells |> Enum.join("  ") |> String.trim_trailing(), "\n"]
  end

  defp tier(%{native: {library, name}} = hook) do
    "native #{Label.name(library)} #{Label.name(name)}" <>
      if(hook[:segment], do: ", call #{hook.segment}", else: "")
  end

  defp tier(%{tier: tier}), do: "#{tier}"
end
