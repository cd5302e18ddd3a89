defmodule Pipeline.Native.Resolution do
  @moduledoc false
  # The NIFs of `native/pipeline_nif/src/resolution.rs` and `solve.rs`: load order and choice of versions.

  alias Pipeline.Native
  alias Pipeline.Native.Background

  defdelegate load_order(manifests, loaded), to: Native
  defdelegate unload_order(manifests), to: Native

  @doc "Chooses versions on a thread of its own."
  def solve(available, roots, preferences) do
    Background.await(fn reference -> Native.solve(self(), reference, available, roots, preferences) end)
  end
end
