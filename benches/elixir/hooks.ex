defmodule Bench.Hooks do
  @moduledoc "Chains of hooks that count, by dispatcher: the rows of the table."

  alias Bench.{Counting, Pair}

  def rows do
    ids = Counting.start(:rows, [1, 8, 64])

    rows =
      Enum.concat([
        for({hooks, target} <- [{1, 0.65}, {8, 0.7}, {64, 0.6}], do: row(hooks, :run, :callbacks, target)),
        for({hooks, target} <- [{8, 1.8}, {64, nil}], do: row(hooks, :run, :by_hand, target)),
        for(hooks <- [1, 8, 64], do: row(hooks, :run, :closures, nil)),
        for(hooks <- [1, 8, 64], do: row(hooks, :run, :original, nil)),
        for(hooks <- [1, 8, 64], do: row(hooks, :run_around, :callbacks, nil)),
        for({hooks, target} <- [{1, nil}, {8, 0.6}, {64, 0.3}], do: row(hooks, :native, :run, target)),
        for(hooks <- [1, 8, 64], do: row(hooks, :native, :closures, nil)),
        for(hooks <- [1, 8, 64], do: row(hooks, :native, :original, nil))
      ])

    Counting.stop(ids)
    rows
  end

  @names %{
    run: "Elixir hooks",
    run_around: "Elixir hooks around a base operation",
    native: "native hooks, fused",
    callbacks: "list of {module, function}, a try each",
    by_hand: "nested calls by hand",
    closures: "best in Elixir: closures, a try each",
    original: "the original document's Hook.Manager"
  }

  defp row(hooks, subject, reference, target) do
    ways = Counting.ways(:rows, hooks)

    Pair.row(Pair.repeat(ways[subject]), Pair.repeat(ways[reference]),
      section: if(subject == :native, do: :native, else: :rest),
      what: what(hooks, @names[subject]),
      against: if(reference == :run, do: "as many Elixir hooks", else: @names[reference]),
      target: target
    )
  end

  defp what(1, name), do: "1 " <> String.replace(name, "hooks", "hook", global: false)
  defp what(hooks, name), do: "#{hooks} #{name}"
end
