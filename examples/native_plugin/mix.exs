defmodule NativePlugin.MixProject do
  use Mix.Project

  def project do
    [
      app: :native_plugin,
      version: "0.1.0",
      elixir: "~> 1.14",
      compilers: Mix.compilers() ++ [:pipeline_native],
      pipeline_native: [text_hooks: [path: "native/text_hooks", module: NativePlugin.TextHooks]],
      deps: [{:pipeline_plugin, path: "../.."}]
    ]
  end

  def application, do: [extra_applications: [:logger]]
end
