defmodule Pipeline.Plugin.Registry.ReadOnly do
  @moduledoc """
  The registry of an instance, from `Pipeline.Plugin.Registry.of/1`.

  All functions of `Pipeline.Plugin.Registry` that read take it. Plugins are registered by the instance's manager alone,
  so no function that writes does.
  """

  @enforce_keys [:handle]
  defstruct [:handle]

  @type t :: %__MODULE__{handle: reference}

  defimpl Inspect do
    def inspect(_registry, _opts), do: "#Pipeline.Plugin.Registry.ReadOnly<>"
  end
end
