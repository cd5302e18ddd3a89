defmodule Pipeline.Conformance.Cases.Attribution do
  @moduledoc """
  Whose failure it is.
  """

  import Pipeline.Conformance.Behaviours
  import Pipeline.Conformance.Case

  @core [{:mark, :core}]
  @pass [:next]

  def all, do: by_next() ++ by_stacktrace() ++ by_other_chains()

  defp by_next do
    [
      a("a hook that fails in a tail call",
        hooks: [{:a, :around, [], @pass}, {:b, :before, [], fn context, next -> boom(context, next) end}],
        expect: {:failed, :b, :before, "boom"},
        calls: [:a, :b]
      ),
      a("a hook that fails after next returned",
        hooks: [
          {:a, :around, [], @pass},
          {:b, :around, [], [:next, {:fail, "boom"}]},
          {:c, :before, [], @pass}
        ],
        core: @core,
        expect: {:failed, :b, :around, "boom"},
        calls: [:a, :b, :c, :core]
      ),
      a("a before hook that fails after next returned",
        hooks: [{:a, :before, [], [:next, {:fail, "boom"}]}, {:b, :before, [], @pass}],
        core: @core,
        expect: {:failed, :a, :before, "boom"},
        calls: [:a, :b, :core]
      ),
      a("an outer around that caught a failure and then fails itself has failed itself",
        hooks: [
          {:a, :around, [], [:catch, {:fail, "mine"}]},
          {:b, :before, [], [{:fail, "boom"}]}
        ],
        expect: {:failed, :a, :around, "mine"},
        calls: [:a, :b],
        reported: [{:b, :before, "boom"}, {:a, :around, "mine"}]
      ),
      a("an outer around that caught a failure and then fails alike has failed itself",
        hooks: [
          {:a, :around, [], [:catch, {:fail, "boom"}]},
          {:b, :before, [], [{:fail, "boom"}]}
        ],
        expect: {:failed, :a, :around, "boom"},
        calls: [:a, :b],
        reported: [{:b, :before, "boom"}, {:a, :around, "boom"}]
      ),
      a("a replace hook that caught the failure of the base operation and then fails has failed itself",
        hooks: [{:a, :replace, [], [:catch, {:panic, "mine"}]}],
        core: [{:fail, "core"}],
        expect: {:failed, :a, :replace, "panicked: mine"},
        calls: [:a, :core]
      ),
      a("a failure deep inside goes through every hook that wraps it",
        hooks:
          for(plugin <- [:a, :b, :c], do: {plugin, :around, [], @pass}) ++
            [{:d, :replace, [], @pass}, {:e, :replace, [], [{:fail, "boom"}]}],
        core: @core,
        expect: {:failed, :e, :replace, "boom"},
        calls: [:a, :b, :c, :d, :e]
      ),
      a("a hook that calls next with what the next one cannot take: the next one failed",
        hooks: [
          {:a, :before, [], fn _context, next -> next.(:wrong) end},
          {:b, :before, [], fn context, next -> next.(context + 1) end}
        ],
        context: 1,
        expect: {:failed, :b, :before, %ArithmeticError{message: "bad argument in arithmetic expression"}},
        calls: [:a, :b]
      )
    ]
  end

  defp by_stacktrace do
    [
      a("an outer around that rescued a failure and then exits itself has failed itself",
        hooks: [
          {:a, :around, [],
           fn context, next ->
             caught(context, next)
             exit(:quit)
           end},
          {:b, :before, [], [{:fail, "boom"}]}
        ],
        expect: {:failed, :a, :around, :quit},
        calls: [:a, :b],
        reported: [{:b, :before, "boom"}, {:a, :around, :quit}]
      ),
      a("an outer around that rescued a failure and then fails in the same function has failed itself",
        hooks: [
          {:a, :around, [],
           fn context, next ->
             caught(context, next)
             boom(context, next)
           end},
          {:b, :before, [], &boom/2}
        ],
        expect: {:failed, :a, :around, "boom"},
        calls: [:a, :b],
        reported: [{:b, :before, "boom"}, {:a, :around, "boom"}]
      ),
      a("an around that rescues and reraises passes the failure on",
        hooks: [{:a, :around, [], &rescued_and_reraised/2}, {:b, :before, [], [{:error, :badarith}]}],
        expect: {:failed, :b, :before, %ArithmeticError{}},
        calls: [:a, :b]
      ),
      a("an around that rescues and reraises passes on what can fail natively",
        hooks: [{:a, :around, [], &rescued_and_reraised/2}, {:b, :before, [], [{:fail, "boom"}]}],
        expect: {:failed, :b, :before, "boom"},
        calls: [:a, :b]
      ),
      a("an around that catches and raises on passes an exit on",
        hooks: [{:a, :around, [], &caught_and_raised_on/2}, {:b, :replace, [], [{:exit, :quit}]}],
        expect: {:failed, :b, :replace, :quit},
        calls: [:a, :b]
      ),
      a("an around that raises on what its first try failed with, after a second try failed otherwise",
        hooks: [
          {:a, :around, [],
           fn context, next ->
             try do
               next.(context)
             catch
               kind, reason ->
                 stacktrace = __STACKTRACE__
                 caught(context, next)
                 :erlang.raise(kind, reason, stacktrace)
             end
           end},
          {:b, :before, [], [{:first, 1, {:fail, "boom"}}, :next]},
          {:c, :before, [], [{:panic, "quit"}]}
        ],
        expect: {:failed, :b, :before, "boom"},
        calls: [:a, :b, :b, :c],
        reported: [{:b, :before, "boom"}, {:c, :before, "panicked: quit"}]
      ),
      a("an outer around that wraps the exception in one of its own has failed itself",
        hooks: [
          {:a, :around, [],
           fn context, next ->
             {:error, error} = caught(context, next)
             raise ArgumentError, "because #{error.message}"
           end},
          {:b, :before, [], [{:fail, "boom"}]}
        ],
        expect: {:failed, :a, :around, %ArgumentError{message: "because boom"}},
        calls: [:a, :b],
        reported: [{:b, :before, "boom"}, {:a, :around, %ArgumentError{message: "because boom"}}]
      )
    ]
  end

  defp by_other_chains do
    [
      a("an around that runs another chain that fails, and then raises on what it caught",
        hooks: [
          {:a, :around, [], &runs_a_failing_chain_and_raises_on/2},
          {:b, :before, [], [{:fail, "boom"}]}
        ],
        expect: {:failed, :b, :before, "boom"},
        calls: [:a, :b]
      ),
      a(
        "an around that runs another chain that fails, and then raises on what the base operation failed with",
        hooks: [{:a, :around, [], &runs_a_failing_chain_and_raises_on/2}],
        core: [{:fail, "boom"}],
        expect: {:raised, :error, "boom"},
        calls: [:a, :core],
        reported: []
      )
    ]
  end
end
