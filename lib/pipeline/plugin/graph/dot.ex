defmodule Pipeline.Plugin.Graph.Dot do
  @moduledoc false
  # Draws a graph in the DOT language of Graphviz. Nodes are named by numbers and have quoted labels.

  alias Pipeline.Plugin.Graph
  alias Pipeline.Plugin.Graph.{Label, Walk}

  @spec render(Graph.t()) :: String.t()
  def render(%Graph{} = graph) do
    IO.iodata_to_binary([
      "digraph plugins {\n",
      "  rankdir=LR;\n",
      "  node [shape=box, style=rounded, fontname=\"Helvetica\"];\n",
      "  edge [fontname=\"Helvetica\", fontsize=10];\n",
      graph.nodes |> Enum.with_index() |> Enum.map(&vertex/1),
      Enum.map(graph.edges, &edge/1),
      graph.chains |> Enum.with_index() |> Enum.map(&chain/1),
      "}\n"
    ])
  end

  defp vertex({%{kind: :plugin} = node, index}),
    do: ["  p#{index} [label=", quoted(Label.plugin(node)), "];\n"]

  defp vertex({node, index}) do
    ["  p#{index} [label=", quoted(Walk.missing(node)), ", style=dashed, color=red, fontcolor=red];\n"]
  end

  defp edge(%{from: from, to: to} = edge) do
    style = if edge.optional, do: ", style=dashed", else: ""
    color = if edge.met or edge.optional, do: "", else: ", color=red"
    ["  p#{from} -> p#{to} [label=", quoted(Walk.edge_label(edge)), style, color, "];\n"]
  end

  defp chain({%{point: point} = chain, number}) do
    steps = chain |> Walk.steps() |> Enum.with_index()

    [
      "  subgraph cluster_#{number} {\n",
      ["    label=", quoted(Label.name(point)), ";\n"],
      for({label, index} <- steps, do: ["    c#{number}h#{index} [label=", quoted(label), "];\n"]),
      for({_, index} <- Enum.drop(steps, -1), do: "    c#{number}h#{index} -> c#{number}h#{index + 1};\n"),
      "  }\n"
    ]
  end

  # In labels of Graphviz, a backslash begins an escape and an ampersand an entity.
  defp quoted(label) do
    escaped =
      String.replace(label, ["\\", "\"", "&"], fn
        "&" -> "&amp;"
        char -> "\\" <> char
      end)

    [?", escaped, ?"]
  end
end
