defmodule Pipeline.Native.Memory do
  @moduledoc false
  # The NIF of `native/pipeline_nif/src/memory.rs`.

  alias Pipeline.Native

  @doc """
  Counts native memory, in Rust, that was allocated and not freed since the first call.

  The VM does not know of this memory.
  """
  @spec allocated() :: {bytes :: integer, blocks :: integer}
  defdelegate allocated, to: Native, as: :memory
end
