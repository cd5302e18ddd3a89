defmodule Pipeline.Conformance.Points do
  @moduledoc """
  The points that the conformance cases run on, one for each mode.
  """

  use Pipeline.Hook.Spec

  hookpoint :chain
  hookpoint :first, mode: :first
  hookpoint :collect, mode: :collect
  hookpoint :notify, mode: :notify
end
