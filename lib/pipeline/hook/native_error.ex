defmodule Pipeline.Hook.NativeError do
  @moduledoc """
  A native hook failed: it panicked, or its context was not a map.

  It is the `reason` of a `Pipeline.Hook.Error`.
  """

  @type t :: %__MODULE__{hook: {module, atom}, message: String.t()}

  defexception [:hook, :message]
end
