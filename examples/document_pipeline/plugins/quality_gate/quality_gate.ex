defmodule QualityGate do
  use Pipeline.Plugin, id: :quality_gate, version: "0.3.1", author: "The example"

  @moduledoc """
  Refuses what would fail later: nodes with settings that make no sense, and empty inputs.
  """

  depends_on :text_nodes, version: "~> 1.0"

  provides :validator, QualityGate

  @behaviour Pipeline.Validator

  hook :before, :execute_node, native: :require, priority: 90, config: %{fields: [:input, [:node, :id]]}

  hook :before, :execute_node, fun: :refuse_empty, priority: 80 do
    @doc false
    def refuse_empty(%{input: ""}, _next), do: throw({:hook_error, :empty_document})
    def refuse_empty(context, next), do: next.(context)
  end

  @impl Pipeline.Validator
  def validate(%{type: :summarise, config: %{sentences: count}}, _config) when count < 1 do
    {:error, {:too_few_sentences, count}}
  end

  def validate(_node, _config), do: :ok
end
