defmodule Pipeline.Cluster.Advice do
  @moduledoc false
  # Advice about a plugin that this node cannot bring to its state on all nodes.

  alias Pipeline.Plugin
  alias Pipeline.Cluster.{Entry, Table}
  alias Pipeline.Plugin.Error

  @doc "The plugins that this node could not bring to their state on all nodes."
  @spec pending(atom) :: [Plugin.Distribution.pending()] | nil
  def pending(instance) do
    if Table.settings(instance) do
      Enum.sort_by(
        for(
          {%{id: id, state: state} = entry, %{failed: failed} = here} <- Table.all(instance),
          failed != nil and here.applied != entry.clock,
          do: %{plugin: id, to_be: state, reason: failed, advice: sentence(entry, failed)}
        ),
        & &1.plugin
      )
    end
  end

  @doc "Why, and what to do."
  @spec sentence(Entry.t(), reason :: term) :: String.t()
  def sentence(%Entry{} = entry, reason), do: "#{why(reason)}; #{what(entry, reason)}"

  defp why(reason), do: reason |> Error.sentence() |> String.trim_trailing(".")

  defp what(%{id: id}, {:required_by, dependents}) do
    "unload #{Enum.map_join(dependents, ", ", &inspect/1)} on this node, or load #{inspect(id)} with nodes: :all again"
  end

  defp what(%{id: id}, %Error{step: :resolve}) do
    "load what it needs with nodes: :all, and it is loaded too, or unload #{inspect(id)} with nodes: :all"
  end

  defp what(%{id: id}, %Error{reason: {:already_loaded, _}}) do
    "unload the #{inspect(id)} that this node has loaded by itself, and that of all nodes is loaded"
  end

  defp what(%{id: id, state: :loaded}, _reason) do
    "once that is mended it is tried again at the next change of plugins here; or unload #{inspect(id)} with nodes: :all"
  end

  defp what(%{id: id}, _reason), do: "unload #{inspect(id)} on this node once that is mended"
end
