defmodule Pipeline.Conformance.Cases.OnError do
  @moduledoc """
  What the failure of a hook does to the run.
  """

  import Pipeline.Conformance.Case

  alias Pipeline.Conformance.Behaviours

  @core [{:mark, :core}]
  @pass [:next]

  def all do
    for {kind, calls} <-
          [before: [:x, :y, :core], around: [:x, :y, :core], replace: [:x, :y, :core]] ++
            [after: [:core, :x, :y]] do
      skipped(kind, calls) ++ skipped_after_next(kind, calls) ++ others(kind)
    end
    |> List.flatten()
    |> Kernel.++(several())
  end

  defp skipped(kind, calls) do
    [
      a("on_error: :skip goes on as if the #{kind} hook were not there",
        hooks: [{:x, kind, [on_error: :skip], [{:fail, "boom"}]}, {:y, kind, [], @pass}],
        core: @core,
        expect: trail([:core]),
        calls: calls,
        reported: [{:x, kind, "boom"}]
      ),
      a("on_error: :skip of a #{kind} hook that panicked",
        hooks: [{:x, kind, [on_error: :skip], [{:panic, "boom"}]}, {:y, kind, [], @pass}],
        core: @core,
        expect: trail([:core]),
        calls: calls,
        reported: [{:x, kind, "panicked: boom"}]
      ),
      a("on_error: :skip undoes what the #{kind} hook has written before it failed",
        hooks: [
          {:x, kind, [on_error: :skip], [{:mark, :half}, {:add, :n, 1}, {:fail, "boom"}]},
          {:y, kind, [], @pass}
        ],
        core: @core,
        expect: trail([:core]),
        calls: calls,
        reported: [{:x, kind, "boom"}]
      ),
      a("on_error: :skip skips a refusal of a #{kind} hook too, and reports it",
        hooks: [{:x, kind, [on_error: :skip], [{:refuse, :no}]}, {:y, kind, [], @pass}],
        core: @core,
        expect: trail([:core]),
        calls: calls,
        reported: [{:x, kind, {:hook_error, {:refused, :no}}}]
      ),
      a("on_error: :skip does not cover what next fails with in the #{kind} hook",
        hooks: [{:x, kind, [on_error: :skip], @pass}, {:y, kind, [], [{:fail, "boom"}]}],
        core: @core,
        expect: {:failed, :y, kind, "boom"},
        calls: calls -- [if(kind == :after, do: nil, else: :core)]
      )
    ]
  end

  defp skipped_after_next(kind, calls) do
    [
      a("on_error: :skip after the #{kind} hook called next yields what next gave it, nothing runs twice",
        hooks: [
          {:x, kind, [on_error: :skip], [:next, {:mark, :half}, {:fail, "boom"}]},
          {:y, kind, [], @pass}
        ],
        core: @core,
        expect: trail([:core]),
        calls: calls,
        reported: [{:x, kind, "boom"}]
      ),
      a("on_error: :skip after the #{kind} hook called next with a context of its own",
        hooks: [
          {:x, kind, [on_error: :skip], [{:mark, :x}, :next, {:panic, "boom"}]},
          {:y, kind, [], [{:mark, :y}, :next]}
        ],
        expect: trail([:x, :y]),
        calls: [:x, :y],
        reported: [{:x, kind, "panicked: boom"}]
      ),
      a("on_error: :skip of a #{kind} hook that failed after it caught what next failed with",
        hooks: [
          {:x, kind, [on_error: :skip], [:catch, {:fail, "late"}]},
          {:y, kind, [], [{:fail, "boom"}]}
        ],
        core: @core,
        expect: {:failed, :y, kind, "boom"},
        calls: calls -- [if(kind == :after, do: nil, else: :core)],
        reported: [{:y, kind, "boom"}, {:x, kind, "late"}]
      ),
      a("on_error: :skip after the #{kind} hook called next in a task yields what next gave it",
        hooks: [
          {:x, kind, [on_error: :skip],
           fn context, next ->
             Behaviours.boom(Task.await(Task.async(fn -> next.(context) end)), next)
           end},
          # A native one would tell the task of its call.
          {:y, kind, [], fn context, next -> next.(context) end}
        ],
        core: @core,
        expect: trail([:core]),
        calls: calls,
        reported: [{:x, kind, "boom"}]
      ),
      a("on_error: :skip waits for a next that the #{kind} hook left running in a task",
        hooks: [
          {:x, kind, [on_error: :skip], &Behaviours.fails_while_next_runs/2},
          {:y, kind, [], fn context, next -> next.(Behaviours.released(context)) end}
        ],
        core: @core,
        expect: trail([:core]),
        calls: calls,
        reported: [{:x, kind, "boom"}]
      )
    ]
  end

  defp others(kind) do
    calls = if kind == :after, do: [:core, :x], else: [:x]

    [
      a("on_error: :raise raises the failure of a #{kind} hook in the caller",
        hooks: [{:x, kind, [on_error: :raise], [{:fail, "boom"}]}, {:y, kind, [], @pass}],
        core: @core,
        expect: {:raised, :error, "boom"},
        calls: calls,
        reported: [{:x, kind, "boom"}]
      ),
      a("on_error: :raise throws what the #{kind} hook refuses with",
        hooks: [{:x, kind, [on_error: :raise], [{:refuse, :no}]}, {:y, kind, [], @pass}],
        core: @core,
        expect: {:raised, :throw, {:hook_error, {:refused, :no}}},
        calls: calls,
        reported: [{:x, kind, {:hook_error, {:refused, :no}}}]
      ),
      a("on_error: :raise exits where the #{kind} hook exits",
        hooks: [{:x, kind, [on_error: :raise], [{:exit, :quit}]}],
        core: @core,
        expect: {:raised, :exit, :quit},
        calls: calls,
        reported: [{:x, kind, :quit}]
      ),
      a("on_error: :halt is the default, and can be written, for a #{kind} hook",
        hooks: [{:x, kind, [on_error: :halt], [{:fail, "boom"}]}],
        core: @core,
        expect: {:failed, :x, kind, "boom"},
        calls: calls
      )
    ]
  end

  defp several do
    [
      a("the failure of a hook that next runs in a task keeps its owner when the hook around it is skipped",
        hooks: [
          {:x, :around, [on_error: :skip], &Behaviours.in_an_unlinked_task/2},
          {:y, :before, [], &Behaviours.boom/2}
        ],
        core: @core,
        expect: {:failed, :y, :before, "boom"},
        calls: [:x, :y],
        reported: [{:y, :before, "boom"}, :any]
      ),
      a(
        "the failure of a base operation that next runs in a task is raised when the hook around it is skipped",
        hooks: [{:x, :around, [on_error: :skip], &Behaviours.in_an_unlinked_task/2}],
        core: [{:fail, "boom"}],
        expect: {:raised, :error, "boom"},
        calls: [:x, :core],
        reported: [:any]
      ),
      a("several skipped hooks in one run, each reported once",
        hooks: [
          {:a, :around, [on_error: :skip], [{:fail, "one"}]},
          {:b, :before, [on_error: :skip], [{:panic, "two"}]},
          {:c, :replace, [on_error: :skip], [{:refuse, 3}]},
          {:d, :after, [on_error: :skip], [{:mark, :d}, {:fail, "four"}]}
        ],
        core: @core,
        expect: trail([:core]),
        calls: [:a, :b, :c, :core, :d],
        reported: [
          {:a, :around, "one"},
          {:b, :before, "panicked: two"},
          {:c, :replace, {:hook_error, {:refused, 3}}},
          {:d, :after, "four"}
        ]
      ),
      a("a skipped hook does not keep a later one from halting",
        hooks: [
          {:a, :before, [on_error: :skip], [{:fail, "one"}]},
          {:b, :before, [], [{:mark, :b}, :next]},
          {:c, :before, [], [{:fail, "two"}]}
        ],
        core: @core,
        expect: {:failed, :c, :before, "two"},
        calls: [:a, :b, :c],
        reported: [{:a, :before, "one"}, {:c, :before, "two"}]
      ),
      a("a hook that is skipped each time that an around comes to it is reported each time",
        hooks: [
          {:a, :around, [], [:next, :next]},
          {:b, :before, [on_error: :skip], [{:fail, "boom"}]}
        ],
        core: @core,
        expect: trail([:core, :core]),
        calls: [:a, :b, :core, :b, :core],
        reported: [{:b, :before, "boom"}, {:b, :before, "boom"}]
      )
    ]
  end
end
