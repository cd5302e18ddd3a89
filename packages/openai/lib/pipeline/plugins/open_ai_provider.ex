defmodule Pipeline.Plugins.OpenAIProvider do
  use Pipeline.Plugin,
    id: :openai_provider,
    version: "1.0.0",
    author: "Pipeline.Plugin"

  alias Pipeline.OpenAI.Config
  alias Pipeline.Plugin.ConfigSchema

  @moduledoc """
  Offers `Pipeline.Providers.OpenAI`: the models of OpenAI, and of everything that speaks its protocol, such as
  llama.cpp, vLLM, Ollama and gateways.

      Pipeline.Plugin.Manager.load_plugin(Pipeline.Plugins.OpenAIProvider, %{
        api_key: {:env, "OPENAI_API_KEY"},
        model: "gpt-4o-mini"
      })

  ## Configuration

  #{ConfigSchema.docs(Config.schema())}
  """

  provides :provider, Pipeline.Providers.OpenAI

  capability :llm, true

  @impl Pipeline.Plugin
  def config_schema, do: Config.schema()

  @impl Pipeline.Plugin
  def init(config) do
    with :ok <- Config.check(config), do: {:ok, config}
  end
end
