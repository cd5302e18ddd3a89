defmodule Original.OpenAIProvider do
  use Pipeline.Plugin,
    id: :openai_provider,
    version: "1.0.0"

  @moduledoc """
  OpenAI provider plugin.
  """

  provides :provider, Pipeline.Providers.OpenAI

  capability :models, [:gpt_4, :gpt_35_turbo]
  capability :embeddings, true
  capability :streaming, true

  @impl Pipeline.Plugin
  def init(config) do
    {:ok, %{api_key: config[:api_key]}}
  end
end
