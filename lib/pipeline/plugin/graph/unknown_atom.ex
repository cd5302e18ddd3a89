defmodule Pipeline.Plugin.Graph.UnknownAtom do
  @moduledoc false
  # Stands for an atom of a manifest that the VM does not know, so that a term with it can be inspected.

  @enforce_keys [:name]
  defstruct [:name]

  @type t :: %__MODULE__{name: String.t()}

  defimpl Inspect do
    def inspect(%{name: "Elixir." <> name}, _opts), do: name
    def inspect(%{name: name}, _opts), do: ":" <> name
  end
end
