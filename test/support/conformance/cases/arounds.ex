defmodule Pipeline.Conformance.Cases.Arounds do
  @moduledoc """
  Arounds that skip `next`, call it again, or catch what comes out of it.
  """

  import Pipeline.Conformance.Case

  alias Pipeline.Conformance.Behaviours

  @core [{:mark, :core}]
  @pass [:next]

  def all do
    [
      a("an around that skips next gives its own value, nothing inside runs",
        hooks: [
          {:a, :around, [], [{:give, :cached}]},
          {:b, :around, [], @pass},
          {:c, :before, [], @pass},
          {:d, :after, [], @pass}
        ],
        core: @core,
        expect: {:ok, :cached},
        calls: [:a]
      ),
      a("an around that skips next is still inside the outer one",
        hooks: [
          {:a, :around, [], [:next, {:mark, :a}]},
          {:b, :around, [], [{:mark, :cached}]},
          {:c, :before, [], @pass}
        ],
        expect: trail([:cached, :a]),
        calls: [:a, :b]
      ),
      a("an around that calls next again runs everything inside again",
        hooks: [
          {:a, :around, [], [:next, :next]},
          {:b, :before, [], [{:mark, :b}, :next]},
          {:c, :after, [], [{:mark, :c}, :next]}
        ],
        core: @core,
        expect: trail([:b, :core, :c, :b, :core, :c]),
        calls: [:a, :b, :core, :c, :b, :core, :c]
      ),
      a("an around that calls next again may hand the same context in",
        hooks: [
          {:a, :around, [], fn context, next -> {next.(context), next.(context)} end},
          {:b, :before, [], [{:mark, :b}, :next]},
          {:c, :after, [], [{:mark, :c}, :next]}
        ],
        core: @core,
        expect: {:ok, {%{trail: [:b, :core, :c]}, %{trail: [:b, :core, :c]}}},
        calls: [:a, :b, :core, :c, :b, :core, :c]
      ),
      a("an around retries a failure of the base operation",
        hooks: [{:a, :around, [], [{:retry, 2}, {:mark, :done}]}, {:b, :before, [], [{:mark, :b}, :next]}],
        core: [{:first, 2, {:fail, "not yet"}}, {:mark, :third_time}],
        expect: trail([:b, :third_time, :done]),
        calls: [:a, :b, :core, :b, :core, :b, :core]
      ),
      a("an around retries a failure of a hook, which is reported",
        hooks: [
          {:a, :around, [], [{:retry, 1}]},
          {:b, :before, [], [{:first, 1, {:fail, "not yet"}}, {:mark, :b}, :next]},
          {:c, :after, [], [{:mark, :c}, :next]}
        ],
        core: @core,
        expect: trail([:b, :core, :c]),
        calls: [:a, :b, :b, :core, :c],
        reported: [{:b, :before, "not yet"}]
      ),
      a("an around that retried often enough passes the last failure on",
        hooks: [{:a, :around, [], [{:retry, 1}]}, {:b, :after, [], [{:fail, "never"}]}],
        core: @core,
        expect: {:failed, :b, :after, "never"},
        calls: [:a, :core, :b, :core, :b],
        reported: [{:b, :after, "never"}, {:b, :after, "never"}]
      ),
      a("a replace hook retries those behind it",
        hooks: [
          {:a, :replace, [], [{:retry, 1}]},
          {:b, :replace, [], [{:first, 1, {:fail, "not yet"}}, {:mark, :b}]}
        ],
        core: @core,
        expect: trail([:b]),
        calls: [:a, :b, :b],
        reported: [{:b, :replace, "not yet"}]
      ),
      a("an around catches the failure of a hook, with the context that it had",
        hooks: [
          {:a, :around, [], [{:mark, :in}, :catch]},
          {:b, :before, [], [{:mark, :lost}, :next]},
          {:c, :before, [], [{:fail, "boom"}]}
        ],
        expect: trail([:in, "boom"]),
        calls: [:a, :b, :c],
        reported: [{:c, :before, "boom"}]
      ),
      a("an around catches a panic of a hook",
        hooks: [{:a, :around, [], [:catch]}, {:b, :before, [], [{:panic, "boom"}]}],
        expect: trail(["panicked: boom"]),
        calls: [:a, :b],
        reported: [{:b, :before, "panicked: boom"}]
      ),
      a("an around catches the original exception of a hook",
        hooks: [{:a, :around, [], &Behaviours.caught/2}, {:b, :before, [], &Behaviours.boom/2}],
        expect: {:ok, {:error, %RuntimeError{message: "boom"}}},
        calls: [:a, :b],
        reported: [{:b, :before, "boom"}]
      ),
      a("an around catches a refusal",
        hooks: [{:a, :around, [], [:catch]}, {:b, :after, [], [{:refuse, :no}]}],
        core: @core,
        expect: trail([:no]),
        calls: [:a, :core, :b]
      ),
      a("an around catches a refusal as it was thrown",
        hooks: [{:a, :around, [], &Behaviours.caught/2}, {:b, :after, [], [{:refuse, :no}]}],
        expect: {:ok, {:throw, {:hook_error, {:refused, :no}}}},
        calls: [:a, :b]
      ),
      a("an around catches an exit of the base operation",
        hooks: [{:a, :around, [], &Behaviours.caught/2}, {:b, :before, [], @pass}],
        core: [{:exit, :gone}],
        expect: {:ok, {:exit, :gone}},
        calls: [:a, :b, :core]
      ),
      a("after hooks do not run when the chain failed, also when an around catches the failure",
        hooks: [{:a, :around, [], [:catch]}, {:b, :before, [], @pass}, {:c, :after, [], @pass}],
        core: [{:fail, "core"}],
        expect: trail(["core"]),
        calls: [:a, :b, :core]
      ),
      a("a replace hook catches what the base operation fails with, and after hooks run",
        hooks: [{:a, :replace, [], [:catch]}, {:b, :after, [], [{:mark, :b}, :next]}],
        core: [{:panic, "core"}],
        expect: trail(["panicked: core", :b]),
        calls: [:a, :core, :b]
      )
    ]
  end
end
