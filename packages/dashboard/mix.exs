defmodule Pipeline.Dashboard.MixProject do
  use Mix.Project

  def project do
    [
      app: :pipeline_dashboard,
      version: "0.1.0",
      elixir: "~> 1.14",
      start_permanent: Mix.env() == :prod,
      deps: [{:pipeline_plugin, path: "../.."}],
      description: "A page in the browser for whoever runs plugins of Pipeline.Plugin"
    ]
  end

  def application, do: [extra_applications: [:logger, :inets, :crypto]]
end
