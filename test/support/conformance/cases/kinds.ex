defmodule Pipeline.Conformance.Cases.Kinds do
  @moduledoc """
  How the kinds of hooks nest, and what each hands on.
  """

  import Pipeline.Conformance.Case

  @core [{:mark, :core}]

  def all do
    [
      a("a point without hooks yields what the base operation gives",
        hooks: [],
        core: @core,
        expect: trail([:core]),
        calls: [:core]
      ),
      a("a point without hooks and base operation yields the context",
        hooks: [],
        context: %{n: 1},
        expect: {:ok, %{n: 1}},
        calls: []
      ),
      a("kinds nest: around, before, replace, after, whatever the order of loading",
        hooks: [
          {:e, :after, [], [{:mark, :e}, :next]},
          {:d, :replace, [], [{:mark, :d}]},
          {:c, :before, [], [{:mark, :c}, :next]},
          {:b, :around, [], [:next, {:mark, :b}]}
        ],
        core: @core,
        expect: trail([:c, :d, :e, :b]),
        calls: [:b, :c, :d, :e]
      ),
      a("an around sees the context on the way in and the result on the way out",
        hooks: [
          {:a, :around, [], [{:mark, :in}, :next, {:mark, :out}]},
          {:b, :before, [], [{:mark, :b}, :next]},
          {:c, :after, [], [{:mark, :c}, :next]}
        ],
        core: @core,
        expect: trail([:in, :b, :core, :c, :out]),
        calls: [:a, :b, :core, :c]
      ),
      a("a before hook hands a changed context on, an after hook a changed result",
        hooks: [
          {:one, :before, [], [{:add, :n, 10}, :next]},
          {:two, :after, [], [{:add, :n, 1}, :next]}
        ],
        context: %{n: 10},
        core: fn %{n: 20} = context -> %{context | n: 200} end,
        expect: {:ok, %{n: 201}},
        calls: [:one, :core, :two]
      ),
      a("hooks of every kind work on one context",
        hooks: [
          {:a, :around, [], [{:add, :n, 1}, :next, {:add, :n, 100}]},
          {:b, :before, [], [{:add, :n, 10}, :next]},
          {:c, :replace, [], [{:add, :m, 5}]},
          {:d, :after, [], [{:add, :m, 1}, :next]}
        ],
        context: %{n: 0, m: 0},
        expect: {:ok, %{n: 111, m: 6}},
        calls: [:a, :b, :c, :d]
      ),
      a("what a before hook makes of what next gave it is the result of the before chain",
        hooks: [
          {:one, :before, [], [:next, {:mark, :seen}]},
          {:two, :after, [], [{:mark, :two}, :next]}
        ],
        core: @core,
        expect: trail([:core, :seen, :two]),
        calls: [:one, :core, :two]
      ),
      a("what an after hook makes of what next gave it is the result",
        hooks: [
          {:one, :after, [], [:next, {:mark, :outer}]},
          {:two, :after, [], [:next, {:mark, :inner}]}
        ],
        expect: trail([:inner, :outer]),
        calls: [:one, :two]
      ),
      a("an after hook that does not call next ends the after chain",
        hooks: [{:one, :after, [], [{:mark, :mine}]}, {:two, :after, [], [{:mark, :two}, :next]}],
        expect: trail([:mine]),
        calls: [:one]
      ),
      a("the first replace hook wins",
        hooks: [
          {:one, :replace, [priority: 10], [{:mark, :one}]},
          {:two, :replace, [priority: 90], [{:mark, :two}]}
        ],
        core: @core,
        expect: trail([:two]),
        calls: [:two]
      ),
      a("a replace hook falls back to the next one, and that to the base operation",
        hooks: [
          {:one, :replace, [], [{:mark, 1}, :next]},
          {:two, :replace, [], [{:mark, 2}, :next]}
        ],
        core: @core,
        expect: trail([1, 2, :core]),
        calls: [:one, :two, :core]
      ),
      a("a replace hook works on what it fell back to",
        hooks: [
          {:one, :replace, [], [:next, {:mark, 1}]},
          {:two, :replace, [], [{:mark, 2}]}
        ],
        core: @core,
        expect: trail([2, 1]),
        calls: [:one, :two]
      ),
      a("false and nil are results",
        hooks: [
          {:one, :around, [], [{:give, false}, :next]},
          {:two, :after, [], fn false, next -> next.(nil) end}
        ],
        expect: {:ok, nil},
        calls: [:one, :two]
      ),
      a("false and nil are contexts",
        hooks: [
          {:one, :around, [], [{:give, nil}, :next]},
          {:two, :before, [], [:next]},
          {:three, :replace, [], [{:give, false}, :next]},
          {:four, :after, [], [:next]}
        ],
        core: [],
        expect: {:ok, false},
        calls: [:one, :two, :three, :core, :four]
      ),
      a("an error tuple is a result like any other",
        hooks: [{:one, :before, [], [:next]}, {:two, :after, [], [:next]}],
        core: [{:give, {:error, :no}}],
        expect: {:ok, {:error, :no}},
        calls: [:one, :core, :two]
      )
    ]
  end
end
