defmodule Pipeline.Conformance.Stress.Points do
  @moduledoc """
  The points of the stress test.
  """

  use Pipeline.Hook.Spec

  hookpoint :one
  hookpoint :two
  hookpoint :heard, mode: :collect
end
