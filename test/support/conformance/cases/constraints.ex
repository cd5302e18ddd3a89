defmodule Pipeline.Conformance.Cases.Constraints do
  @moduledoc """
  Named constraints, which win over priority.
  """

  import Pipeline.Conformance.Case

  @pass [:next]

  def all do
    [
      a("before: wins over priority, to just before the named plugin",
        hooks: [
          {:a, :before, [priority: 90], @pass},
          {:b, :before, [priority: 80], @pass},
          {:c, :before, [priority: 10, before: :b], @pass}
        ],
        expect: trail([]),
        calls: [:a, :c, :b]
      ),
      a("after: wins over priority, to just after the named plugin",
        hooks: [
          {:a, :before, [priority: 90, after: :b], @pass},
          {:b, :before, [priority: 80], @pass},
          {:c, :before, [priority: 10], @pass}
        ],
        expect: trail([]),
        calls: [:b, :a, :c]
      ),
      a("after: a list puts it behind the last of them",
        hooks: [
          {:a, :after, [priority: 99, after: [:b, :c]], @pass},
          {:b, :after, [priority: 70], @pass},
          {:c, :after, [priority: 60], @pass},
          {:d, :after, [priority: 50], @pass}
        ],
        expect: trail([]),
        calls: [:b, :c, :a, :d]
      ),
      a("before: a list puts it ahead of the first of them",
        hooks: [
          {:a, :around, [priority: 90], @pass},
          {:b, :around, [priority: 80], @pass},
          {:c, :around, [priority: 70], @pass},
          {:d, :around, [priority: 1, before: [:c, :b]], @pass}
        ],
        expect: trail([]),
        calls: [:a, :d, :b, :c]
      ),
      a("a constraint on a plugin that is not there does nothing",
        hooks: [
          {:a, :before, [priority: 1, before: :absent, after: :nobody], @pass},
          {:b, :before, [], @pass}
        ],
        expect: trail([]),
        calls: [:b, :a]
      ),
      a("a constraint on a plugin without a hook of this kind does nothing",
        hooks: [
          {:a, :before, [priority: 1, before: :b], @pass},
          {:b, :after, [], @pass},
          {:c, :before, [], @pass}
        ],
        expect: trail([]),
        calls: [:c, :a, :b]
      ),
      a("the named plugin comes later: the constraint holds then",
        hooks: [
          {:a, :before, [priority: 90, after: :late], @pass},
          {:b, :before, [], @pass},
          {:late, :before, [priority: 10], @pass}
        ],
        expect: trail([]),
        calls: [:b, :late, :a]
      ),
      a("only the one that declares moves, all others keep their order",
        hooks: [
          {:a, :before, [priority: 90], @pass},
          {:b, :before, [priority: 80, after: :e], @pass},
          {:c, :before, [priority: 70], @pass},
          {:d, :before, [priority: 60], @pass},
          {:e, :before, [priority: 50], @pass},
          {:f, :before, [priority: 40], @pass}
        ],
        expect: trail([]),
        calls: [:a, :c, :d, :e, :b, :f]
      ),
      a("between two: after one and before another",
        hooks: [
          {:a, :before, [], @pass},
          {:b, :before, [], @pass},
          {:c, :before, [priority: 99, after: :a, before: :b], @pass}
        ],
        expect: trail([]),
        calls: [:a, :c, :b]
      ),
      a("a chain of constraints",
        hooks: [
          {:a, :replace, [after: :b], @pass},
          {:b, :replace, [after: :c], @pass},
          {:c, :replace, [], @pass}
        ],
        expect: trail([]),
        calls: [:c, :b, :a]
      ),
      a("a list that names several takes all of them",
        hooks: [
          {:a, :before, [after: [:b, :c], before: [:d]], @pass},
          {:d, :before, [priority: 10], @pass},
          {:b, :before, [priority: 30], @pass},
          {:c, :before, [priority: 20], @pass}
        ],
        expect: trail([]),
        calls: [:b, :c, :a, :d]
      ),
      a("two that move to the same place keep their order",
        hooks: [
          {:a, :after, [priority: 90, after: :c], @pass},
          {:b, :after, [priority: 80, after: :c], @pass},
          {:c, :after, [], @pass},
          {:d, :after, [], @pass}
        ],
        expect: trail([]),
        calls: [:c, :a, :b, :d]
      ),
      a("two hooks that each want to be first contradict each other",
        hooks: [{:a, :before, [before: :b], @pass}, {:b, :before, [before: :a], @pass}],
        expect:
          {:contradiction,
           "the before hooks cannot be put in order: a before b (a declares before: b), " <>
             "b before a (b declares before: a); remove one of the declared constraints"},
        calls: []
      ),
      a("a constraint that the standing order contradicts",
        hooks: [
          {:a, :around, [priority: 90], @pass},
          {:b, :around, [priority: 10], @pass},
          {:c, :around, [before: :a, after: :b], @pass}
        ],
        expect:
          {:contradiction,
           "the around hooks cannot be put in order: c before a (c declares before: a), " <>
             "a before b (priority, dependency or registration), b before c (c declares after: b); " <>
             "remove one of the declared constraints"},
        calls: []
      )
    ]
  end
end
