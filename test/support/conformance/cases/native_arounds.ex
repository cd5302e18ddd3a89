defmodule Pipeline.Conformance.Cases.NativeArounds do
  @moduledoc """
  Shipped native arounds, among Elixir hooks and native ones. They are not seen being called.
  """

  import Pipeline.Conformance.Case

  alias Pipeline.Conformance.Behaviours

  @core [{:mark, :core}]
  @pass [:next]

  def all do
    retry = [native: :retry, config: %{times: 2}]
    cache = [native: :cache, config: %{field: :n, ttl_ms: 60_000}]

    [
      a("a native around lets a value pass",
        hooks: [{:a, :around, retry, nil}, {:b, :before, [], @pass}],
        core: @core,
        expect: trail([:core]),
        calls: [:b, :core]
      ),
      a("a native around goes in again, through all that is inside",
        hooks: [
          {:a, :around, retry, nil},
          {:b, :around, [], @pass},
          {:c, :before, [native: :increment, config: %{field: :n}], nil},
          {:d, :after, [], @pass}
        ],
        context: %{n: 0},
        core: [{:fail, "no"}],
        expect: {:raised, :error, "no"},
        calls: [:b, :core, :b, :core, :b, :core],
        reported: []
      ),
      a("what a hook inside a native around fails with stays that hook's failure",
        hooks: [{:a, :around, retry, nil}, {:b, :before, [], [{:fail, "mine"}]}],
        expect: {:failed, :b, :before, "mine"},
        calls: [:b, :b, :b],
        reported: for(_ <- 1..3, do: {:b, :before, "mine"})
      ),
      a("a native around does not try a refusal again",
        hooks: [{:a, :around, retry, nil}, {:b, :before, [], [{:refuse, :no}]}],
        expect: {:error, {:refused, :no}},
        calls: [:b]
      ),
      a("unless it is named",
        hooks: [
          {:a, :around, [native: :retry, config: %{times: 1, on: [:refused]}], nil},
          {:b, :before, [], [{:refuse, :no}]}
        ],
        expect: {:error, {:refused, :no}},
        calls: [:b, :b]
      ),
      a("a native around that fails on the way in is named",
        hooks: [{:a, :around, cache, nil}, {:b, :before, [], @pass}],
        context: 1,
        expect:
          {:failed, :a, :around,
           %Pipeline.Hook.NativeError{
             hook: {Pipeline.Native, :cache},
             message: "the context is an integer; native hooks work on maps only"
           }},
        calls: []
      ),
      a("a native around that fails on the way in and is skipped is as if it were not there",
        hooks: [{:a, :around, [on_error: :skip] ++ cache, nil}, {:b, :before, [], @pass}],
        context: 1,
        core: [{:give, :core}],
        expect: {:ok, :core},
        calls: [:b, :core],
        reported: [:any]
      ),
      a("an Elixir around catches what passes through a native one",
        hooks: [
          {:a, :around, [priority: 90], &Behaviours.caught/2},
          {:b, :around, retry, nil},
          {:c, :before, [], [{:exit, :gone}]}
        ],
        expect: {:ok, {:exit, :gone}},
        calls: [:a, :c, :c, :c],
        reported: for(_ <- 1..3, do: {:c, :before, :gone})
      )
    ]
  end
end
