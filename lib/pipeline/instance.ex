defmodule Pipeline.Instance do
  @moduledoc false
  # The instance that the application starts, used where none is named. Written as a plain atom: the name of a module
  # of a later layer would be an import of it.

  @default :"Elixir.Pipeline.Plugin"

  @spec default() :: atom
  def default, do: @default
end
