defmodule Pipeline.Handlers.DataTransform do
  @moduledoc """
  Executes the node types of `Pipeline.Plugins.DataTransformHandler`.

      iex> node = %{id: :even, type: :filter, needs: [], config: %{fun: &(rem(&1, 2) == 0)}}
      iex> Pipeline.Handlers.DataTransform.execute(node, [1, 2, 3, 4], %{})
      {:ok, [2, 4]}
  """

  @behaviour Pipeline.NodeHandler

  @impl Pipeline.NodeHandler
  def execute(%{type: :transform, config: %{fun: fun}}, input, _environment), do: {:ok, fun.(input)}

  def execute(%{type: type}, input, _environment) when not is_list(input) and not is_map(input) do
    {:error, {:not_enumerable, type, input}}
  end

  def execute(%{type: :map, config: %{fun: fun}}, input, _environment), do: {:ok, Enum.map(input, fun)}
  def execute(%{type: :filter, config: %{fun: fun}}, input, _environment), do: {:ok, Enum.filter(input, fun)}

  def execute(%{type: :reduce, config: %{fun: fun, initial: initial}}, input, _environment) do
    {:ok, Enum.reduce(input, initial, fun)}
  end
end
