defmodule Pipeline.Conformance.Cases.Modes do
  @moduledoc """
  Points that are no chains: `:first`, `:collect` and `:notify`.
  """

  import Pipeline.Conformance.Case

  def all, do: first() ++ collect() ++ notify()

  defp first do
    [
      a("the first value other than nil wins, later hooks are not called",
        mode: :first,
        hooks: [gives(:a, nil), gives(:b, 2), gives(:c, 3)],
        expect: {:ok, 2},
        calls: [:a, :b]
      ),
      a("false is a value",
        mode: :first,
        hooks: [gives(:a, false), gives(:b, 2)],
        expect: {:ok, false},
        calls: [:a]
      ),
      a("without a value the result is nil",
        mode: :first,
        hooks: [gives(:a, nil), gives(:b, nil)],
        expect: {:ok, nil},
        calls: [:a, :b]
      ),
      a("without a value the base operation answers",
        mode: :first,
        hooks: [gives(:a, nil)],
        core: [{:mark, :core}],
        expect: trail([:core]),
        calls: [:a, :core]
      ),
      a("a failure ahead of the first value ends the run",
        mode: :first,
        hooks: [fails(:a, []), gives(:b, 2)],
        expect: {:failed, :a, :listen, "boom"},
        calls: [:a]
      ),
      a("a failure behind the first value is none",
        mode: :first,
        hooks: [gives(:a, 1), fails(:b, [])],
        expect: {:ok, 1},
        calls: [:a]
      ),
      a("a skipped failure leaves the place to the next",
        mode: :first,
        hooks: [fails(:a, on_error: :skip), gives(:b, 2)],
        expect: {:ok, 2},
        calls: [:a, :b],
        reported: [{:a, :listen, "boom"}]
      )
    ]
  end

  defp collect do
    [
      a("all values in order, nil too; no hook sees another",
        mode: :collect,
        hooks: [
          {:a, :listen, [], [{:mark, :a}]},
          gives(:b, nil),
          {:c, :listen, [priority: 60], [{:mark, :c}]}
        ],
        expect: {:ok, [%{trail: [:c]}, %{trail: [:a]}, nil]},
        calls: [:c, :a, :b]
      ),
      a("without hooks there are no values",
        mode: :collect,
        hooks: [],
        expect: {:ok, []},
        calls: []
      ),
      a("a refusal ends the run",
        mode: :collect,
        hooks: [gives(:a, 1), {:b, :listen, [], [{:refuse, :no}]}, gives(:c, 3)],
        expect: {:error, {:refused, :no}},
        calls: [:a, :b]
      ),
      a("a failure ends the run",
        mode: :collect,
        hooks: [gives(:a, 1), {:b, :listen, [], [{:panic, "boom"}]}, gives(:c, 3)],
        expect: {:failed, :b, :listen, "panicked: boom"},
        calls: [:a, :b]
      ),
      a("a skipped failure leaves no value",
        mode: :collect,
        hooks: [gives(:a, 1), fails(:b, on_error: :skip), gives(:c, 3)],
        expect: {:ok, [1, 3]},
        calls: [:a, :b, :c],
        reported: [{:b, :listen, "boom"}]
      ),
      a("a failure that is to be raised is raised",
        mode: :collect,
        hooks: [fails(:a, on_error: :raise)],
        expect: {:raised, :error, "boom"},
        calls: [:a],
        reported: [{:a, :listen, "boom"}]
      )
    ]
  end

  defp notify do
    [
      a("all are called and their values dropped",
        mode: :notify,
        hooks: [gives(:a, 1), gives(:b, nil)],
        expect: :ok,
        calls: [:a, :b]
      ),
      a("the failure of one does not stop the others",
        mode: :notify,
        hooks: [fails(:a, []), fails(:b, on_error: :skip), {:c, :listen, [], [{:panic, "c"}]}, gives(:d, 4)],
        expect: :ok,
        calls: [:a, :b, :c, :d],
        reported: [{:a, :listen, "boom"}, {:b, :listen, "boom"}, {:c, :listen, "panicked: c"}]
      ),
      a("listeners follow the order of hooks",
        mode: :notify,
        hooks: [
          {:a, :listen, [], []},
          {:b, :listen, [], []},
          {:c, :listen, [priority: 90], []},
          {:d, :listen, [before: :c], []}
        ],
        depends: %{a: [:b]},
        expect: :ok,
        calls: [:d, :c, :b, :a]
      )
    ]
  end

  defp gives(plugin, value), do: {plugin, :listen, [], [{:give, value}]}
  defp fails(plugin, opts), do: {plugin, :listen, opts, [{:fail, "boom"}]}
end
