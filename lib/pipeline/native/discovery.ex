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

  @doc """
  Reads the code of a plugin that was found with this digest: its module, and the modules beside it in its
  archive.
  """
  @spec read_plugin_code(Path.t(), binary) ::
          {:ok, binary, [{Path.t(), binary}]} | {:error, atom, sentence :: String.t()}
  def read_plugin_code(path, digest) do
    Background.await(fn reference -> Native.read_plugin_code(self(), reference, path, digest) end)
  end
end
