defmodule Pipeline.Plugins.DataTransformHandler do
  use Pipeline.Plugin,
    id: :data_transform_handler,
    version: "1.0.0",
    author: "Pipeline.Plugin"

  @moduledoc """
  Adds the node types `:transform`, `:map`, `:filter` and `:reduce`.

  Each node has a function in its config, which is applied to its input:

    * `%{type: :transform, config: %{fun: fun}}` - `fun.(input)`
    * `%{type: :map, config: %{fun: fun}}`, `%{type: :filter, …}` - over the elements of the input
    * `%{type: :reduce, config: %{fun: fun, initial: term}}` - `fun.(element, accumulator)`

  A pipeline with another config in such a node is refused before it runs, with `:invalid_transform_config`.
  """

  provides :node_handler, Pipeline.Handlers.DataTransform

  capability :node_types, [:transform, :map, :filter, :reduce]

  hook :before, :validate_node do
    @doc false
    def validate_node(%{node: %{type: type}} = context, next)
        when type in [:transform, :map, :filter, :reduce] do
      if valid_transform_config?(type, context.node.config) do
        next.(context)
      else
        throw({:hook_error, :invalid_transform_config})
      end
    end

    def validate_node(context, next), do: next.(context)
  end

  defp valid_transform_config?(:reduce, %{fun: fun, initial: _}), do: is_function(fun, 2)
  defp valid_transform_config?(:reduce, _config), do: false
  defp valid_transform_config?(_type, %{fun: fun}), do: is_function(fun, 1)
  defp valid_transform_config?(_type, _config), do: false
end
