defmodule Pipeline.Plugin.Graph.Mermaid do
  @moduledoc false
  # Draws a graph as a Mermaid flowchart. Nodes are named by numbers and have quoted labels, in which `#code;`
  # stands for a character.

  alias Pipeline.Plugin.Graph
  alias Pipeline.Plugin.Graph.{Label, Walk}

  @spec render(Graph.t()) :: String.t()
  def render(%Graph{} = graph) do
    IO.iodata_to_binary([
      "flowchart LR\n",
      graph.nodes |> Enum.with_index() |> Enum.map(&vertex/1),
      Enum.map(graph.edges, &edge/1),
      graph.chains |> Enum.with_index() |> Enum.map(&chain/1),
      "  classDef missing stroke-dasharray: 5 5,stroke:#c00,color:#c00\n"
    ])
  end

  defp vertex({%{kind: :plugin} = node, index}), do: ["  p#{index}[", quoted(Label.plugin(node)), "]\n"]

  defp vertex({node, index}), do: ["  p#{index}([", quoted(Walk.missing(node)), "]):::missing\n"]

  defp edge(%{from: from, to: to, optional: optional?} = edge) do
    arrow = if optional?, do: "-.->", else: "-->"

    case Walk.edge_label(edge) do
      "" -> "  p#{from} #{arrow} p#{to}\n"
      label -> ["  p#{from} #{arrow}|", quoted(label), "| p#{to}\n"]
    end
  end

  defp chain({%{point: point} = chain, number}) do
    steps = chain |> Walk.steps() |> Enum.with_index()

    [
      ["  subgraph c#{number}[", quoted(Label.name(point)), "]\n"],
      for({label, index} <- steps, do: ["    c#{number}h#{index}[", quoted(label), "]\n"]),
      for({_, index} <- Enum.drop(steps, -1), do: "    c#{number}h#{index} --> c#{number}h#{index + 1}\n"),
      "  end\n"
    ]
  end

  # Escapes what Mermaid would read as markup, and the backquote that would make a label Markdown.
  defp quoted(label) do
    escaped =
      for <<char::utf8 <- label>>, into: "" do
        if char in ~c(#&<>"`\\|[]{};%) or char < ?\s, do: "##{char};", else: <<char::utf8>>
      end

    [?", escaped, ?"]
  end
end
