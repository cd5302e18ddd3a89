defmodule Bench.Effort do
  @moduledoc "How often things are measured: as often as a figure that is shown needs, or only to see that it can be."

  @doc "With `quick?`, everything is measured a few times only."
  @spec choose(quick? :: boolean) :: :ok
  def choose(quick?), do: :persistent_term.put(__MODULE__, quick?)

  @spec quick?() :: boolean
  def quick?, do: :persistent_term.get(__MODULE__, false)

  @doc "How many rounds to measure, of those that it takes in full."
  @spec rounds(pos_integer) :: pos_integer
  def rounds(full), do: if(quick?(), do: min(full, 3), else: full)

  @doc "The arguments that programs of the benchmarks take it with."
  @spec arguments() :: [String.t()]
  def arguments, do: if(quick?(), do: ["--quick"], else: [])
end
