defmodule Bench.Dispatch do
  @moduledoc "Chains of hooks that count, by dispatcher and number of hooks: two figures."

  alias Bench.{ByHand, Counting, Pair, Points}

  @names [
    run: "Hook.run, Elixir hooks",
    native: "Hook.run, native hooks, fused",
    closures: "best in Elixir: closures, a try each",
    callbacks: "list of {module, function}, a try each",
    original: "the original document's Hook.Manager",
    by_hand: "nested calls by hand"
  ]

  def points do
    ids = Counting.start(:figure, ByHand.sizes())

    points = for size <- ByHand.sizes(), point <- measure(size), do: point

    Counting.stop(ids)

    points ++
      for %{x: hooks} = point <- points do
        %{
          point
          | figure: "dispatch-per-hook",
            median: point.median / hooks,
            low: point.low / hooks,
            high: point.high / hooks
        }
      end
  end

  defp measure(size) do
    ways = Counting.ways(:figure, size)
    sides = for {dispatcher, name} <- @names, do: {name, Pair.repeat(ways[dispatcher])}
    Points.measure("dispatch", size, sides)
  end
end
