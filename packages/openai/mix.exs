defmodule Pipeline.OpenAI.MixProject do
  use Mix.Project

  def project do
    [
      app: :pipeline_openai,
      version: "0.1.0",
      elixir: "~> 1.14",
      compilers: Mix.compilers() ++ [:pipeline_native],
      pipeline_native: [
        openai_transport: [path: "native/openai_transport", module: Pipeline.OpenAI.Transport]
      ],
      start_permanent: Mix.env() == :prod,
      deps: [{:pipeline_plugin, path: "../.."}]
    ]
  end

  def application, do: [extra_applications: [:logger]]
end
