defmodule Pipeline.Plugins.LocalProvider do
  use Pipeline.Plugin,
    id: :local_provider,
    version: "1.0.0",
    author: "Pipeline.Plugin"

  @moduledoc """
  Offers `Pipeline.Providers.Local`, which summarises text without a network.

  Its priority is 0, so every other loaded provider wins over it.
  """

  provides :provider, Pipeline.Providers.Local, priority: 0

  capability :tasks, [:summarise]
end
