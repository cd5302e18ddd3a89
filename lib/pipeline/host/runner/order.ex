defmodule Pipeline.Runner.Order do
  @moduledoc false
  # Sorts nodes topologically. Among the nodes that can be next, the one given first is taken.

  alias Pipeline.Runner.Error

  @spec sort([map]) :: {:ok, [Pipeline.NodeHandler.pipeline_node()]} | {:error, Error.t()}
  def sort(nodes) do
    with {:ok, nodes} <- complete(nodes), :ok <- check_needs(nodes), do: sort(nodes, MapSet.new(), [])
  end

  defp sort([], _done, sorted), do: {:ok, Enum.reverse(sorted)}

  defp sort(nodes, done, sorted) do
    case Enum.find(nodes, fn node -> Enum.all?(node.needs, &(&1 in done)) end) do
      nil -> {:error, %Error{node: hd(nodes).id, reason: {:cycle, cycle(nodes)}}}
      node -> sort(List.delete(nodes, node), MapSet.put(done, node.id), [node | sorted])
    end
  end

  # Each remaining node needs another remaining one, so following the needs leads into a cycle.
  defp cycle(nodes), do: follow(hd(nodes).id, Map.new(nodes, &{&1.id, &1.needs}), [])

  defp follow(id, left, path) do
    if id in path do
      path |> Enum.take_while(&(&1 != id)) |> Enum.reverse([]) |> then(&[id | &1])
    else
      follow(Enum.find(left[id], &is_map_key(left, &1)), left, [id | path])
    end
  end

  defp complete(nodes) do
    Enum.reduce_while(nodes, {:ok, []}, fn node, {:ok, seen} ->
      with {:ok, node} <- complete_node(node), :ok <- check_unique(node, seen) do
        {:cont, {:ok, [node | seen]}}
      else
        error -> {:halt, error}
      end
    end)
    |> case do
      {:ok, nodes} -> {:ok, Enum.reverse(nodes)}
      error -> error
    end
  end

  defp complete_node(%{id: id, type: type} = node) when is_atom(type) do
    node = Map.merge(%{needs: [], config: %{}}, node)

    if is_list(node.needs) and is_map(node.config) do
      {:ok, node}
    else
      {:error, %Error{node: id, reason: {:invalid_node, "its :needs must be a list and its :config a map"}}}
    end
  end

  defp complete_node(other) do
    {:error,
     %Error{
       reason: {:invalid_node, "a node is a map with an :id and an atom as :type, got: #{inspect(other)}"}
     }}
  end

  defp check_unique(%{id: id}, seen) do
    if Enum.any?(seen, &(&1.id === id)) do
      {:error, %Error{node: id, reason: {:invalid_node, "its id is used twice"}}}
    else
      :ok
    end
  end

  defp check_needs(nodes) do
    ids = MapSet.new(nodes, & &1.id)

    Enum.find_value(nodes, :ok, fn node ->
      case Enum.find(node.needs, &(&1 not in ids)) do
        nil -> nil
        unknown -> {:error, %Error{node: node.id, reason: {:unknown_need, unknown}}}
      end
    end)
  end
end
