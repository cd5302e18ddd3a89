defmodule Pipeline.Python.Bytes do
  @moduledoc """
  A binary that Python gets as `bytes`. See `Pipeline.Python.bytes/1`.
  """

  @enforce_keys [:data]
  defstruct [:data]

  @type t :: %__MODULE__{data: binary}
end
