defmodule Pipeline.LangChain.MixProject do
  use Mix.Project

  def project do
    [
      app: :langchain_integration,
      version: "0.1.0",
      elixir: "~> 1.14",
      start_permanent: Mix.env() == :prod,
      deps: [{:pipeline_plugin, path: "../.."}, {:python_bridge, path: "../python_bridge"}],
      description: "LangChain for plugins of Pipeline.Plugin"
    ]
  end

  def application, do: [extra_applications: [:logger]]
end
