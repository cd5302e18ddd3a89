defmodule Pipeline.Cluster.Change do
  @moduledoc false
  # A change of plugins on all nodes, in two phases. It is a struct of the module that implements it, and travels to the
  # nodes as that.
  #
  # The `undo` of `prepare` and `perform` is kept on each node until the change is over there. It has to take
  # back whatever has been done, however little that is: the process that asked may have been killed in between.

  alias Pipeline.Plugin
  alias Pipeline.Cluster.Entry

  @type t :: struct

  @typedoc "How to take a change back on a node. `:shipped` are the modules that were loaded there for it."
  @type undo :: %{:change => module, :shipped => [module], optional(atom) => term}

  @doc "The plugins whose clocks the change has to have seen."
  @callback ids(t) :: [Plugin.plugin_id()]

  @doc "Checks on a node that the change can be made, and ships the code. Nothing that runs changes."
  @callback prepare(t, instance :: term) :: {:ok, undo, found :: term} | {:error, reason :: term}

  @doc "Makes the change on a node."
  @callback perform(t, instance :: term, undo) :: {:ok, undo, result :: term} | {:error, reason :: term, undo}

  @doc "The new entries for all nodes, given what the nodes found and did, and their clocks."
  @callback entries(t, found :: [term], results :: [term], %{Plugin.plugin_id() => [Entry.clock()]}) :: [
              Entry.t()
            ]

  @doc "Takes the change back on a node; the ids of plugins that should not be there and cannot be unloaded now."
  @callback undo(undo, instance :: term) :: :ok | {:error, [Plugin.plugin_id()]}
end
