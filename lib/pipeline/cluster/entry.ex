defmodule Pipeline.Cluster.Entry do
  @moduledoc false
  # What all nodes are to do about a plugin: have it, with this code and configuration, or not have it.
  #
  # The clock counts the changes of the plugin that the one who made this change had seen. Of two entries the one with
  # the higher clock holds, and where two sides of a split have come equally far, that of the node whose name is later:
  # all nodes choose the same.

  alias Pipeline.Plugin
  alias Pipeline.Cluster.Code

  @enforce_keys [:id, :clock, :state]
  defstruct [:id, :clock, :state, :module, :config, code: [], upgraded?: false]

  @type clock :: {non_neg_integer, node}

  @type t :: %__MODULE__{
          id: Plugin.plugin_id(),
          clock: clock,
          state: :loaded | :unloaded,
          module: module | nil,
          config: Plugin.config() | nil,
          # That of the plugin's module, then of those that were shipped with it.
          code: [Code.t()],
          # Whether it stands in the place of what nodes may have in their files.
          upgraded?: boolean
        }

  @doc "The clock of a change whose maker has seen these."
  @spec next([clock | nil]) :: clock
  def next(seen) do
    {Enum.max([0 | for({count, _node} <- seen, do: count)]) + 1, node()}
  end

  @spec newer?(clock, clock | nil) :: boolean
  def newer?(_clock, nil), do: true
  def newer?(clock, other), do: clock > other
end
