defmodule Pipeline.Conformance.Cases.CoreFailures do
  @moduledoc """
  A base operation that fails: nobody's fault, and raised in the caller unchanged.
  """

  import Pipeline.Conformance.Case

  alias Pipeline.Conformance.Behaviours

  @pass [:next]

  def all do
    for {name, step, kind, reason} <- [
          {"failure", {:fail, "core"}, :error, "core"},
          {"panic", {:panic, "core"}, :error, "panicked: core"},
          {"exit", {:exit, :core}, :exit, :core},
          {"throw", {:throw, :core}, :throw, :core}
        ],
        {how, hooks, calls} <- hooks() do
      a("#{name} of the base operation is raised unchanged #{how}",
        hooks: hooks,
        core: [step],
        expect: {:raised, kind, reason},
        calls: calls ++ [:core],
        reported: []
      )
    end ++
      [
        a("what a base operation raises is raised as it is",
          hooks: [{:a, :around, [], @pass}, {:b, :before, [], @pass}],
          core: fn _ -> raise ArgumentError, "core" end,
          expect: {:raised, :error, %ArgumentError{message: "core"}},
          calls: [:a, :b, :core],
          reported: []
        )
      ]
  end

  defp hooks do
    [
      {"without hooks", [], []},
      {"in hooks of every kind",
       [
         {:a, :around, [], @pass},
         {:b, :before, [], @pass},
         {:c, :replace, [], @pass},
         {:d, :after, [], @pass}
       ], [:a, :b, :c]},
      {"in hooks that skip their failures",
       [
         {:a, :around, [on_error: :skip], @pass},
         {:b, :before, [on_error: :skip], @pass},
         {:c, :replace, [on_error: :skip], @pass}
       ], [:a, :b, :c]},
      {"in hooks that catch and raise it on",
       [
         {:a, :around, [], &Behaviours.caught_and_raised_on/2},
         {:b, :around, [], &Behaviours.rescued_and_reraised/2}
       ], [:a, :b]},
      {"in a hook with a timeout", [{:a, :before, [timeout: 5000], @pass}], [:a]}
    ]
  end
end
