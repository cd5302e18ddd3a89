defmodule Pipeline.Plugins.LocalProvider do
  use Pipeline.Plugin,
    id: :local_provider,
    version: "1.0.0",
    author: "Pipeline.Plugin"

  @moduledoc """
  A provider that needs no network: it summarises by picking sentences, see `Pipeline.Providers.Local`.

  Its priority is 0, so that any other provider that is loaded is asked instead.
  """

  provides :provider, Pipeline.Providers.Local, priority: 0

  capability :tasks, [:summarise]
end
