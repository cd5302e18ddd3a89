defmodule Pipeline.Conformance.Cases.Order do
  @moduledoc """
  The order within a kind: priority, dependency, registration.
  """

  import Pipeline.Conformance.Case

  @pass [:next]

  def all do
    [
      a("higher priority first, in every kind",
        hooks:
          for {kind, low, high} <- [
                {:around, :a, :b},
                {:before, :c, :d},
                {:replace, :e, :f},
                {:after, :g, :h}
              ],
              {plugin, priority} <- [{low, -5}, {high, 51}] do
            {plugin, kind, [priority: priority], @pass}
          end,
        expect: trail([]),
        calls: [:b, :a, :d, :c, :f, :e, :h, :g]
      ),
      a("50 is the default priority",
        hooks: [
          {:low, :before, [priority: 49], @pass},
          {:default, :before, [], @pass},
          {:high, :before, [priority: 51], @pass}
        ],
        expect: trail([]),
        calls: [:high, :default, :low]
      ),
      a("of the same priority the first registered comes first",
        hooks: for(plugin <- [:c, :a, :b], do: {plugin, :before, [], @pass}),
        expect: trail([]),
        calls: [:c, :a, :b]
      ),
      a("two hooks of one plugin keep the order of their declaration",
        hooks: [{:one, :before, [], [{:mark, 1}, :next]}, {:one, :before, [], [{:mark, 2}, :next]}],
        expect: trail([1, 2]),
        calls: [:one, :one]
      ),
      a("the first around is the outermost, in and out",
        hooks: [
          {:one, :around, [], [{:mark, :in_1}, :next, {:mark, :out_1}]},
          {:two, :around, [priority: 60], [{:mark, :in_2}, :next, {:mark, :out_2}]}
        ],
        expect: trail([:in_2, :in_1, :out_1, :out_2]),
        calls: [:two, :one]
      )
    ] ++ dependencies()
  end

  defp dependencies do
    [
      a(
        "of the same priority a plugin comes after the one that it depends on, though it was loaded before it",
        hooks: [
          {:a, :before, [], @pass},
          {:b, :before, [], @pass},
          {:a, :after, [], @pass},
          {:b, :after, [], @pass}
        ],
        depends: %{a: [:b]},
        expect: trail([]),
        calls: [:b, :a, :b, :a]
      ),
      a("priority wins over dependency",
        hooks: [{:a, :before, [priority: 51], @pass}, {:b, :before, [], @pass}],
        depends: %{a: [:b]},
        expect: trail([]),
        calls: [:a, :b]
      ),
      a("a dependency counts through a plugin without a hook on the point",
        hooks: [
          {:a, :before, [], @pass},
          {:b, :replace, [], @pass},
          {:c, :before, [], @pass}
        ],
        depends: %{a: [:b], b: [:c]},
        expect: trail([]),
        calls: [:c, :a, :b]
      ),
      a("those without dependencies between them keep the order of registration",
        hooks: [
          {:a, :around, [], @pass},
          {:b, :around, [], @pass},
          {:c, :around, [], @pass},
          {:d, :around, [], @pass}
        ],
        depends: %{a: [:d], c: [:b]},
        expect: trail([]),
        calls: [:b, :c, :d, :a]
      ),
      a("a constraint wins over a dependency",
        hooks: [{:a, :before, [before: :b], @pass}, {:b, :before, [], @pass}, {:c, :before, [], @pass}],
        depends: %{a: [:b, :c]},
        expect: trail([]),
        calls: [:a, :b, :c]
      )
    ]
  end
end
