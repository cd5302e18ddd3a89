defmodule Pipeline.Plugin.Graph.Walk do
  @moduledoc false
  # Shared by DOT and Mermaid: the labels of nodes and edges, and a chain as a sequence of steps.

  alias Pipeline.Plugin.Graph
  alias Pipeline.Plugin.Graph.Label

  @spec missing(Graph.graph_node()) :: String.t()
  def missing(%{kind: :missing_plugin, id: id}), do: "#{Label.name(id)}, not there"
  def missing(%{kind: :missing_capability, id: id}), do: "capability #{Label.name(id)}, not there"

  @spec edge_label(Graph.edge()) :: String.t()
  def edge_label(%{requirement: requirement, capability: capability} = edge) do
    [
      if(edge.optional, do: "optional"),
      if(requirement, do: Label.plain(requirement)),
      if(capability, do: "capability #{Label.name(capability)}")
    ]
    |> Enum.reject(&is_nil/1)
    |> Enum.join(" ")
  end

  @doc "The hooks in their order, with the base operation in its place."
  @spec steps(Graph.chain()) :: [String.t()]
  def steps(%{mode: :chain, hooks: hooks}) do
    {inward, outward} = Enum.split_while(hooks, &(&1.kind != :after))
    Enum.map(inward, &hook/1) ++ ["core"] ++ Enum.map(outward, &hook/1)
  end

  def steps(%{hooks: hooks}), do: Enum.map(hooks, &hook/1)

  defp hook(%{kind: kind, plugin: plugin, priority: priority} = hook) do
    "#{kind} #{Label.name(plugin)} #{priority}" <> native(hook)
  end

  defp native(%{native: {_library, name}}), do: " native #{Label.name(name)}"
  defp native(_elixir), do: ""
end
