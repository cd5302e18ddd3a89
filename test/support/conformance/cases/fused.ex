defmodule Pipeline.Conformance.Cases.Fused do
  @moduledoc """
  Hooks that stand next to each other, and so share a native call wherever they are native.
  """

  import Pipeline.Conformance.Case

  @core [{:mark, :core}]

  def all do
    [
      a("neighbours see what those ahead of them wrote",
        hooks:
          for({plugin, n} <- Enum.with_index([:a, :b, :c, :d, :e]), do: {plugin, :before, [], adds(n + 1)}),
        context: %{n: 0, other: :stays},
        expect: {:ok, %{n: 15, other: :stays}},
        calls: [:a, :b, :c, :d, :e]
      ),
      a("neighbours of two kinds",
        hooks: [
          {:a, :before, [], marks(:a)},
          {:b, :before, [], marks(:b)},
          {:c, :after, [], marks(:c)},
          {:d, :after, [], marks(:d)},
          {:e, :replace, [], [{:mark, :e}]}
        ],
        core: @core,
        expect: trail([:a, :b, :e, :c, :d]),
        calls: [:a, :b, :e, :c, :d]
      ),
      a("the failing one of several is named",
        hooks: [
          {:a, :before, [], marks(:a)},
          {:b, :before, [], [{:mark, :b}, {:fail, "boom"}]},
          {:c, :before, [], marks(:c)}
        ],
        expect: {:failed, :b, :before, "boom"},
        calls: [:a, :b]
      ),
      a("the failing one of several on the result is named",
        hooks: [
          {:a, :after, [], marks(:a)},
          {:b, :after, [], marks(:b)},
          {:c, :after, [], [{:panic, "boom"}]}
        ],
        core: @core,
        expect: {:failed, :c, :after, "panicked: boom"},
        calls: [:core, :a, :b, :c]
      ),
      a("one of several refuses",
        hooks: [
          {:a, :before, [], marks(:a)},
          {:b, :before, [], [{:refuse, "b"}]},
          {:c, :before, [], marks(:c)}
        ],
        core: @core,
        expect: {:error, {:refused, "b"}},
        calls: [:a, :b]
      ),
      a("of several the skipped ones leave nothing half written, the work of the others stays",
        hooks: [
          {:a, :before, [], adds(1)},
          {:b, :before, [on_error: :skip], [{:add, :n, 100}, {:mark, :b}, {:fail, "boom"}]},
          {:c, :before, [], adds(2)},
          {:d, :before, [on_error: :skip], [{:add, :n, 1000}, {:panic, "bang"}]},
          {:e, :before, [], adds(4)}
        ],
        context: %{n: 0},
        expect: {:ok, %{n: 7}},
        calls: [:a, :b, :c, :d, :e],
        reported: [{:b, :before, "boom"}, {:d, :before, "panicked: bang"}]
      ),
      a("of several one answers after another was skipped",
        hooks: [
          {:a, :before, [on_error: :skip], [{:fail, "boom"}]},
          {:b, :before, [], marks(:b)},
          {:c, :before, [], [{:mark, :c}]},
          {:d, :before, [], marks(:d)},
          {:e, :after, [], marks(:e)}
        ],
        core: @core,
        expect: trail([:b, :c, :e]),
        calls: [:a, :b, :c, :e],
        reported: [{:a, :before, "boom"}]
      ),
      a("of several one fails after another was skipped",
        hooks: [
          {:a, :after, [on_error: :skip], [{:mark, :a}, {:fail, "one"}]},
          {:b, :after, [], marks(:b)},
          {:c, :after, [], [{:fail, "two"}]}
        ],
        core: @core,
        expect: {:failed, :c, :after, "two"},
        calls: [:core, :a, :b, :c],
        reported: [{:a, :after, "one"}, {:c, :after, "two"}]
      ),
      a("replace hooks that are skipped leave their place one after the other",
        hooks: [
          {:a, :replace, [on_error: :skip], [{:mark, :a}, {:fail, "one"}]},
          {:b, :replace, [on_error: :skip], [{:refuse, :two}]},
          {:c, :replace, [], [{:mark, :c}]},
          {:d, :replace, [], [{:mark, :d}]}
        ],
        core: @core,
        expect: trail([:c]),
        calls: [:a, :b, :c],
        reported: [{:a, :replace, "one"}, {:b, :replace, {:hook_error, {:refused, :two}}}]
      ),
      a("seven neighbours",
        hooks: for(plugin <- [:a, :b, :c, :d, :e, :f, :g], do: {plugin, :before, [], marks(plugin)}),
        core: @core,
        expect: trail([:a, :b, :c, :d, :e, :f, :g, :core]),
        calls: [:a, :b, :c, :d, :e, :f, :g, :core]
      ),
      a("a retry comes to the neighbours again",
        hooks: [
          {:a, :around, [], [{:retry, 1}]},
          {:b, :before, [], marks(:b)},
          {:c, :before, [], [{:mark, :c}, {:first, 1, {:fail, "not yet"}}, :next]},
          {:d, :before, [], marks(:d)}
        ],
        core: @core,
        expect: trail([:b, :c, :d, :core]),
        calls: [:a, :b, :c, :b, :c, :d, :core],
        reported: [{:c, :before, "not yet"}]
      )
    ]
  end

  defp marks(mark), do: [{:mark, mark}, :next]
  defp adds(number), do: [{:add, :n, number}, :next]
end
