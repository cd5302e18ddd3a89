defmodule Pipeline.Plugin.Graph.Data do
  @moduledoc false
  # A graph as JSON, for programs.

  alias Pipeline.JSON
  alias Pipeline.Plugin.Graph
  alias Pipeline.Plugin.Graph.Label

  @spec render(Graph.t()) :: String.t()
  def render(%Graph{nodes: nodes, edges: edges, chains: chains}) do
    JSON.encode(%{
      "nodes" => Enum.map(nodes, &graph_node/1),
      "edges" => Enum.map(edges, &edge/1),
      "chains" => Enum.map(chains, &chain/1)
    })
  end

  defp graph_node(%{id: id, version: version, kind: kind}) do
    %{"id" => Label.name(id), "version" => version && Label.plain(version), "kind" => Atom.to_string(kind)}
  end

  defp edge(edge) do
    %{
      "from" => edge.from,
      "to" => edge.to,
      "requirement" => edge.requirement && Label.plain(edge.requirement),
      "capability" => edge.capability && Label.name(edge.capability),
      "optional" => edge.optional,
      "met" => edge.met
    }
  end

  defp chain(%{point: point, mode: mode, hooks: hooks}) do
    %{"point" => Label.name(point), "mode" => Atom.to_string(mode), "hooks" => Enum.map(hooks, &hook/1)}
  end

  defp hook(hook) do
    %{
      "kind" => text(hook.kind),
      "plugin" => Label.name(hook.plugin),
      "priority" => hook.priority,
      "tier" => text(hook.tier),
      "native" => native(hook),
      "down" => text(hook[:down])
    }
  end

  defp native(%{native: {library, name}} = hook) do
    %{"library" => Label.name(library), "name" => Label.name(name), "call" => hook[:segment]}
  end

  defp native(_hook), do: nil

  defp text(nil), do: nil
  defp text(atom), do: Atom.to_string(atom)
end
