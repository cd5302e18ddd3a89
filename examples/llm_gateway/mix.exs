defmodule LlmGateway.MixProject do
  use Mix.Project

  def project do
    [
      app: :llm_gateway,
      version: "0.1.0",
      elixir: "~> 1.14",
      start_permanent: Mix.env() == :prod,
      deps: [{:pipeline_plugin, path: "../.."}, {:pipeline_openai, path: "../../packages/openai"}]
    ]
  end

  def application, do: [extra_applications: [:logger]]
end
