defmodule Pipeline.Plugin.Registry.Snapshot do
  @moduledoc """
  A registry as it was at one moment, from `Pipeline.Plugin.Registry.snapshot/1`.

  The reading functions of `Pipeline.Plugin.Registry` take it in place of the registry. `generation` is the
  number of changes that led to it. Taking a snapshot copies nothing: it shares its content with the registry
  and keeps it in memory as long as the snapshot lives.
  """

  @enforce_keys [:handle, :generation, :of]
  defstruct [:handle, :generation, :of]

  @type t :: %__MODULE__{handle: reference, generation: non_neg_integer, of: module}

  defimpl Inspect do
    def inspect(%{generation: generation}, _opts) do
      "#Pipeline.Plugin.Registry.Snapshot<generation #{generation}>"
    end
  end
end
