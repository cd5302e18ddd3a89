defmodule Pipeline.Conformance.Cases.Failures do
  @moduledoc """
  Hooks that fail, in every way that a language has.
  """

  import Pipeline.Conformance.Case

  @core [{:mark, :core}]
  @pass [:next]

  def all do
    for kind <- [:before, :after, :around, :replace],
        {name, step, reason} <- [
          {"failure", {:fail, "boom"}, "boom"},
          {"panic", {:panic, "boom"}, "panicked: boom"},
          {"Erlang error", {:error, :badarith}, %ArithmeticError{}},
          {"exit", {:exit, :quit}, :quit},
          {"throw", {:throw, :ball}, :ball},
          {"throw of something like a refusal", {:throw, {:hook_error, 1, 2}}, {:hook_error, 1, 2}}
        ] do
      a("#{name} in a hook of the kind #{kind}",
        hooks: [{:y, kind, [], @pass}, {:x, kind, [], [step]}, {:z, kind, [], @pass}],
        core: @core,
        expect: {:failed, :x, kind, reason},
        calls: if(kind == :after, do: [:core, :y, :x], else: [:y, :x])
      )
    end ++
      [
        a("after hooks do not run when a before hook failed",
          hooks: [{:x, :before, [], [{:fail, "boom"}]}, {:y, :after, [], @pass}],
          core: @core,
          expect: {:failed, :x, :before, "boom"},
          calls: [:x]
        ),
        a("a hook that is handed what it does not work on fails",
          hooks: [{:a, :around, [], [{:give, :wrong}, :next]}, {:b, :before, [], [{:mark, :b}, :next]}],
          expect: {:failed, :b, :before, :any},
          calls: [:a, :b]
        ),
        a("an after hook that is handed what it does not work on fails",
          hooks: [{:a, :after, [], [{:add, :n, 1}, :next]}],
          core: [{:give, [:wrong]}],
          expect: {:failed, :a, :after, :any},
          calls: [:core, :a]
        )
      ]
  end
end
