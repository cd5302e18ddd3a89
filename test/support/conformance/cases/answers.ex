defmodule Pipeline.Conformance.Cases.Answers do
  @moduledoc """
  Before hooks that answer early.
  """

  import Pipeline.Conformance.Case

  @core [{:mark, :core}]
  @pass [:next]

  def all do
    [
      a("a before hook that does not call next answers: later before hooks, replace and core do not run",
        hooks: [
          {:a, :before, [], @pass},
          {:b, :before, [], [{:mark, :early}]},
          {:c, :before, [], @pass},
          {:d, :replace, [], @pass}
        ],
        core: @core,
        expect: trail([:early]),
        calls: [:a, :b]
      ),
      a("after hooks and arounds see an early answer",
        hooks: [
          {:a, :around, [], [:next, {:mark, :a}]},
          {:b, :before, [], [{:mark, :early}]},
          {:c, :after, [], [{:mark, :c}, :next]}
        ],
        core: @core,
        expect: trail([:early, :c, :a]),
        calls: [:a, :b, :c]
      ),
      a("what was handed on before an early answer is part of it",
        hooks: [
          {:a, :before, [], [{:mark, :a}, :next]},
          {:b, :before, [], [{:mark, :b}, :next]},
          {:c, :before, [], []},
          {:d, :before, [], [{:mark, :d}, :next]},
          {:e, :after, [], [{:mark, :e}, :next]}
        ],
        core: @core,
        expect: trail([:a, :b, :e]),
        calls: [:a, :b, :c, :e]
      ),
      a("nil is an early answer",
        hooks: [{:a, :before, [], [{:give, nil}]}, {:b, :after, [], @pass}],
        core: @core,
        expect: {:ok, nil},
        calls: [:a, :b]
      ),
      a("an around runs the before hooks again, of which one answers the second time",
        hooks: [
          {:a, :around, [], [:next, :next]},
          {:b, :before, [],
           fn context, next -> if context.trail == [], do: next.(context), else: context end},
          {:c, :before, [], [{:mark, :c}, :next]}
        ],
        core: @core,
        expect: trail([:c, :core]),
        calls: [:a, :b, :c, :core, :b]
      )
    ]
  end
end
