defmodule Pipeline.Cluster.Entry do
  @moduledoc false
  # The state that a plugin should have on all nodes: loaded with this code and configuration, or unloaded.
  #
  # The clock counts the changes of the plugin that the maker of the entry had seen. Of two entries the one with the higher
  # clock holds. If both sides of a split have come equally far, the entry of the node with the later name holds, so all
  # nodes choose the same.

  alias Pipeline.Plugin
  alias Pipeline.Cluster.Code

  @derive {Inspect, only: [:id, :clock, :state, :module, :upgraded?]}
  @enforce_keys [:id, :clock, :state]
  defstruct [:id, :clock, :state, :module, :config, code: [], upgraded?: false]

  @type clock :: {non_neg_integer, node}

  @type t :: %__MODULE__{
          id: Plugin.plugin_id(),
          clock: clock,
          state: :loaded | :unloaded,
          module: module | nil,
          config: Plugin.config() | nil,
          # The code of the plugin's module, then of the modules that were shipped with it.
          code: [Code.t()],
          # Whether the code differs from that in the files of nodes.
          upgraded?: boolean
        }

  @doc "The clock of a change whose maker has seen these clocks."
  @spec next([clock | nil]) :: clock
  def next(seen) do
    {Enum.max([0 | for({count, _node} <- seen, do: count)]) + 1, node()}
  end

  @spec newer?(clock, clock | nil) :: boolean
  def newer?(_clock, nil), do: true
  def newer?(clock, other), do: clock > other
end
