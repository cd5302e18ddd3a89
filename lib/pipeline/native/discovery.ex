defmodule Pipeline.Native.Discovery do
  @moduledoc false
  # The NIF of `native/pipeline_nif/src/discovery.rs`.

  alias Pipeline.Native
  alias Pipeline.Native.Background

  @doc "Reads manifests on threads of its own. `progress` is called with the files done and the files in all."
  @spec discover([String.t()], (non_neg_integer, non_neg_integer -> term)) ::
          {read :: [term], failed :: [term]}
  def discover(paths, progress) do
    Background.await(fn reference -> Native.discover(self(), reference, paths) end, progress)
  end
end
