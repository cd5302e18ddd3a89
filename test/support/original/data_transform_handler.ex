defmodule Original.DataTransformHandler do
  use Pipeline.Plugin,
    id: :data_transform_handler,
    version: "1.0.0"

  @moduledoc """
  Adds data transformation node type.
  """

  provides :node_handler, Pipeline.Handlers.DataTransform

  capability :node_types, [:transform, :map, :filter, :reduce]

  hook :before, :validate_node do
    def validate_node(%{node: %{type: type}} = context, next)
        when type in [:transform, :map, :filter, :reduce] do
      # Custom validation for transform nodes
      if valid_transform_config?(context.node.config) do
        next.(context)
      else
        throw({:hook_error, :invalid_transform_config})
      end
    end

    def validate_node(context, next), do: next.(context)
  end

  # Left out by the document.
  defp valid_transform_config?(config), do: is_function(config[:fun])
end
