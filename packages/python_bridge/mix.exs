defmodule Pipeline.Python.MixProject do
  use Mix.Project

  def project do
    [
      app: :python_bridge,
      version: "0.1.0",
      elixir: "~> 1.14",
      elixirc_paths: elixirc_paths(Mix.env()),
      start_permanent: Mix.env() == :prod,
      deps: [{:pipeline_plugin, path: "../.."}],
      description: "Python for plugins of Pipeline.Plugin: a pool of supervised workers"
    ]
  end

  def application do
    [extra_applications: [:logger, :crypto], mod: {Pipeline.Python.Application, []}]
  end

  defp elixirc_paths(:test), do: ["lib", "test/support"]
  defp elixirc_paths(_), do: ["lib"]
end
