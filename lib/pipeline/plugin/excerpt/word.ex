defmodule Pipeline.Plugin.Excerpt.Word do
  @moduledoc false
  # Stands in a term for something that is shown by a word and not as it is.

  @enforce_keys [:text]
  defstruct [:text]

  @type t :: %__MODULE__{text: String.t()}

  defimpl Inspect do
    def inspect(%{text: text}, _opts), do: text
  end
end
