defmodule LlmGateway.AnswerSchema do
  @moduledoc """
  Asks the model for an object that matches a JSON Schema, and lets no other answer out, whoever gave it.

  Streams are text.
  """

  use Pipeline.Plugin, id: :answer_schema, version: "1.0.0"

  @impl Pipeline.Plugin
  def config_schema, do: [schema: [type: :map, required: true, doc: "The JSON Schema of an answer."]]

  hook :before, :ask,
    native: :put,
    when: %{stream: false},
    config: %{field: :schema, value: {:config, :schema}}

  hook :after, :ask,
    native: :json_schema,
    when: :whole?,
    config: %{field: :object, schema: {:config, :schema}}

  @doc false
  def whole?(answer), do: match?(%{text: _}, answer)
end
