defmodule Pipeline.Conformance.Native do
  @moduledoc """
  The hooks of a case as native ones of the library `VmHooks`.
  """

  alias Pipeline.Conformance.Case

  @doc "The options that make a native hook of one; a shipped hook has them already."
  @spec options(Case.hook()) :: keyword
  def options({_plugin, _kind, _opts, nil}), do: []

  def options({plugin, kind, _opts, program}) do
    name = if kind == :around, do: :conformance_around, else: :conformance
    [native: {VmHooks, name}, config: %{steps: program, trail: :trail, called: plugin}]
  end
end
