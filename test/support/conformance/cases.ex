defmodule Pipeline.Conformance.Cases do
  @moduledoc """
  What a chain of hooks does: `DESIGN.md` 4.1 and 4.2, one case for each sentence.
  """

  alias Pipeline.Conformance.{Case, Cases}

  @spec all() :: [Case.t()]
  def all do
    Enum.flat_map(
      [
        Cases.Kinds,
        Cases.Order,
        Cases.Constraints,
        Cases.Answers,
        Cases.Arounds,
        Cases.Refusals,
        Cases.Failures,
        Cases.CoreFailures,
        Cases.OnError,
        Cases.Attribution,
        Cases.Fused,
        Cases.Shipped,
        Cases.NativeArounds,
        Cases.Modes
      ],
      & &1.all()
    )
  end
end
