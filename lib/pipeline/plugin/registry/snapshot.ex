defmodule Pipeline.Plugin.Registry.Snapshot do
  @moduledoc """
  A registry as it was at one moment, from `Pipeline.Plugin.Registry.snapshot/1`.

  All functions of `Pipeline.Plugin.Registry` that read take it in place of the registry. `generation` is the number
  of changes that led to it. Taking one copies nothing: it shares what it holds with the registry, and what it holds
  stays in memory as long as it does.
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
