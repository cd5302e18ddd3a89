defmodule Pipeline.Conformance.Cases do
  @moduledoc """
  What a chain of hooks does, as data: `DESIGN.md` 4.1 and 4.2, one case for each sentence.

  A case has hooks `{plugin, kind, options, behaviour}`, the plugins in the order in which they are loaded, a context, a
  base operation (`nil` for none), the result, and the order in which hooks and the base operation were called. Native
  hooks have no behaviour and are not seen being called.

  The result is what the run returns, or `{:failed, plugin, kind, reason}` for a `Pipeline.Hook.Error`, or
  `{:raised, kind, reason}`. `reported` are the failures of which an event tells; by default that of the result. One that
  an outer hook catches is reported too.
  """

  import Pipeline.Conformance.Behaviours

  @enforce_keys [:name, :hooks, :expect, :calls]
  defstruct [:name, :hooks, :expect, :calls, :core, :reported, context: []]

  @type hook :: {plugin :: atom, Pipeline.Hook.kind(), keyword, (term, Pipeline.Hook.next() -> term) | nil}
  @type t :: %__MODULE__{
          name: String.t(),
          hooks: [hook],
          context: term,
          core: Pipeline.Hook.next() | nil,
          expect: term,
          calls: [atom],
          reported: [{atom, Pipeline.Hook.kind(), term}] | nil
        }

  @spec all() :: [t]
  def all do
    kinds() ++
      order() ++
      constraints() ++
      answers() ++
      arounds() ++
      refusals() ++
      failures() ++
      core_failures() ++
      on_error() ++
      attribution() ++
      native() ++
      Enum.map(native(), &on_the_runtime/1) ++ native_arounds()
  end

  defp kinds do
    [
      a("a point without hooks yields what the base operation gives",
        hooks: [],
        core: &core/1,
        expect: {:ok, [:core]},
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
          {:e, :after, [], &mark(&1, &2, :e)},
          {:d, :replace, [], &answer(&1, &2, :d)},
          {:c, :before, [], &mark(&1, &2, :c)},
          {:b, :around, [], &marked_after(&1, &2, :b)}
        ],
        core: &core/1,
        expect: {:ok, [:c, :d, :e, :b]},
        calls: [:b, :c, :d, :e]
      ),
      a("a before hook hands a changed context on, an after hook a changed result",
        hooks: [
          {:one, :before, [], fn context, next -> next.(context * 2) end},
          {:two, :after, [], fn result, next -> next.(result + 1) end}
        ],
        context: 10,
        core: fn context -> context * 10 end,
        expect: {:ok, 201},
        calls: [:one, :core, :two]
      ),
      a("what a before hook makes of what next gave it is the result of the before chain",
        hooks: [{:one, :before, [], fn context, next -> {:seen, next.(context)} end}],
        context: 1,
        core: &(&1 + 1),
        expect: {:ok, {:seen, 2}},
        calls: [:one, :core]
      ),
      a("what an after hook makes of what next gave it is the result",
        hooks: [
          {:one, :after, [], fn result, next -> {:outer, next.(result)} end},
          {:two, :after, [], fn result, next -> {:inner, next.(result)} end}
        ],
        context: 1,
        expect: {:ok, {:outer, {:inner, 1}}},
        calls: [:one, :two]
      ),
      a("an after hook that does not call next ends the after chain",
        hooks: [{:one, :after, [], fn _result, _next -> :mine end}, {:two, :after, [], &pass/2}],
        expect: {:ok, :mine},
        calls: [:one]
      ),
      a("the first replace hook wins",
        hooks: [
          {:one, :replace, [priority: 10], &answer(&1, &2, :one)},
          {:two, :replace, [priority: 90], &answer(&1, &2, :two)}
        ],
        core: &core/1,
        expect: {:ok, [:two]},
        calls: [:two]
      ),
      a("a replace hook falls back to the next one, and that to the base operation",
        hooks: [{:one, :replace, [], &mark(&1, &2, 1)}, {:two, :replace, [], &mark(&1, &2, 2)}],
        core: &core/1,
        expect: {:ok, [1, 2, :core]},
        calls: [:one, :two, :core]
      ),
      a("false and nil are results",
        hooks: [
          {:one, :before, [], fn _context, next -> next.(false) end},
          {:two, :after, [], fn false, next -> next.(nil) end}
        ],
        expect: {:ok, nil},
        calls: [:one, :two]
      ),
      a("an error tuple is a result like any other",
        hooks: [{:one, :before, [], &pass/2}],
        core: fn _context -> {:error, :no} end,
        expect: {:ok, {:error, :no}},
        calls: [:one, :core]
      )
    ]
  end

  defp order do
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
            {plugin, kind, [priority: priority], &pass/2}
          end,
        expect: {:ok, []},
        calls: [:b, :a, :d, :c, :f, :e, :h, :g]
      ),
      a("50 is the default priority",
        hooks: [
          {:low, :before, [priority: 49], &pass/2},
          {:default, :before, [], &pass/2},
          {:high, :before, [priority: 51], &pass/2}
        ],
        expect: {:ok, []},
        calls: [:high, :default, :low]
      ),
      a("of the same priority the first registered comes first",
        hooks: for(plugin <- [:c, :a, :b], do: {plugin, :before, [], &pass/2}),
        expect: {:ok, []},
        calls: [:c, :a, :b]
      ),
      a("two hooks of one plugin keep the order of their declaration",
        hooks: [{:one, :before, [], &mark(&1, &2, 1)}, {:one, :before, [], &mark(&1, &2, 2)}],
        expect: {:ok, [1, 2]},
        calls: [:one, :one]
      ),
      a("the first around is the outermost, in and out",
        hooks: [
          {:one, :around, [], &marked_after(&1, &2, 1)},
          {:two, :around, [priority: 60], &marked_after(&1, &2, 2)}
        ],
        expect: {:ok, [1, 2]},
        calls: [:two, :one]
      )
    ]
  end

  defp constraints do
    [
      a("before: wins over priority, to just before the named plugin",
        hooks: [
          {:a, :before, [priority: 90], &pass/2},
          {:b, :before, [priority: 80], &pass/2},
          {:c, :before, [priority: 10, before: :b], &pass/2}
        ],
        expect: {:ok, []},
        calls: [:a, :c, :b]
      ),
      a("after: wins over priority, to just after the named plugin",
        hooks: [
          {:a, :before, [priority: 90, after: :b], &pass/2},
          {:b, :before, [priority: 80], &pass/2},
          {:c, :before, [priority: 10], &pass/2}
        ],
        expect: {:ok, []},
        calls: [:b, :a, :c]
      ),
      a("after: a list puts it behind the last of them",
        hooks: [
          {:a, :after, [priority: 99, after: [:b, :c]], &pass/2},
          {:b, :after, [priority: 70], &pass/2},
          {:c, :after, [priority: 60], &pass/2},
          {:d, :after, [priority: 50], &pass/2}
        ],
        expect: {:ok, []},
        calls: [:b, :c, :a, :d]
      ),
      a("before: a list puts it ahead of the first of them",
        hooks: [
          {:a, :around, [priority: 90], &pass/2},
          {:b, :around, [priority: 80], &pass/2},
          {:c, :around, [priority: 70], &pass/2},
          {:d, :around, [priority: 1, before: [:c, :b]], &pass/2}
        ],
        expect: {:ok, []},
        calls: [:a, :d, :b, :c]
      ),
      a("a constraint on a plugin that is not there does nothing",
        hooks: [
          {:a, :before, [priority: 1, before: :absent, after: :nobody], &pass/2},
          {:b, :before, [], &pass/2}
        ],
        expect: {:ok, []},
        calls: [:b, :a]
      ),
      a("a constraint on a plugin without a hook of this kind does nothing",
        hooks: [
          {:a, :before, [priority: 1, before: :b], &pass/2},
          {:b, :after, [], &pass/2},
          {:c, :before, [], &pass/2}
        ],
        expect: {:ok, []},
        calls: [:c, :a, :b]
      ),
      a("the named plugin comes later: the constraint holds then",
        hooks: [
          {:a, :before, [priority: 90, after: :late], &pass/2},
          {:b, :before, [], &pass/2},
          {:late, :before, [priority: 10], &pass/2}
        ],
        expect: {:ok, []},
        calls: [:b, :late, :a]
      ),
      a("only the one that declares moves, all others keep their order",
        hooks: [
          {:a, :before, [priority: 90], &pass/2},
          {:b, :before, [priority: 80, after: :e], &pass/2},
          {:c, :before, [priority: 70], &pass/2},
          {:d, :before, [priority: 60], &pass/2},
          {:e, :before, [priority: 50], &pass/2},
          {:f, :before, [priority: 40], &pass/2}
        ],
        expect: {:ok, []},
        calls: [:a, :c, :d, :e, :b, :f]
      ),
      a("between two: after one and before another",
        hooks: [
          {:a, :before, [], &pass/2},
          {:b, :before, [], &pass/2},
          {:c, :before, [priority: 99, after: :a, before: :b], &pass/2}
        ],
        expect: {:ok, []},
        calls: [:a, :c, :b]
      ),
      a("a chain of constraints",
        hooks: [
          {:a, :replace, [after: :b], &pass/2},
          {:b, :replace, [after: :c], &pass/2},
          {:c, :replace, [], &pass/2}
        ],
        expect: {:ok, []},
        calls: [:c, :b, :a]
      )
    ]
  end

  defp answers do
    [
      a("a before hook that does not call next answers: later before hooks, replace and core do not run",
        hooks: [
          {:a, :before, [], &pass/2},
          {:b, :before, [], &answer(&1, &2, :early)},
          {:c, :before, [], &pass/2},
          {:d, :replace, [], &pass/2}
        ],
        core: &core/1,
        expect: {:ok, [:early]},
        calls: [:a, :b]
      ),
      a("after hooks and arounds see an early answer",
        hooks: [
          {:a, :around, [], &marked_after(&1, &2, :a)},
          {:b, :before, [], &answer(&1, &2, :early)},
          {:c, :after, [], &mark(&1, &2, :c)}
        ],
        core: &core/1,
        expect: {:ok, [:early, :c, :a]},
        calls: [:a, :b, :c]
      ),
      a("nil is an early answer",
        hooks: [{:a, :before, [], fn _, _ -> nil end}, {:b, :after, [], &pass/2}],
        core: &core/1,
        expect: {:ok, nil},
        calls: [:a, :b]
      )
    ]
  end

  defp arounds do
    [
      a("an around that skips next gives its own value, nothing inside runs",
        hooks: [
          {:a, :around, [], fn _context, _next -> :cached end},
          {:b, :around, [], &pass/2},
          {:c, :before, [], &pass/2},
          {:d, :after, [], &pass/2}
        ],
        core: &core/1,
        expect: {:ok, :cached},
        calls: [:a]
      ),
      a("an around that skips next is still inside the outer one",
        hooks: [{:a, :around, [], &marked_after(&1, &2, :a)}, {:b, :around, [], fn _, _ -> [:cached] end}],
        expect: {:ok, [:cached, :a]},
        calls: [:a, :b]
      ),
      a("an around that calls next again retries everything inside",
        hooks: [
          {:a, :around, [], fn context, next -> {next.(context), next.(context)} end},
          {:b, :before, [], &mark(&1, &2, :b)},
          {:c, :after, [], &mark(&1, &2, :c)}
        ],
        core: &core/1,
        expect: {:ok, {[:b, :core, :c], [:b, :core, :c]}},
        calls: [:a, :b, :core, :c, :b, :core, :c]
      ),
      a("an around retries a failure of the base operation",
        hooks: [{:a, :around, [], &retry(&1, &2, 2)}],
        context: 0,
        core: &fails_twice/1,
        expect: {:ok, :third_time},
        calls: [:a, :core, :core, :core]
      ),
      a("an around catches the original exception of a hook",
        hooks: [{:a, :around, [], &caught/2}, {:b, :before, [], &boom/2}],
        expect: {:ok, {:error, %RuntimeError{message: "boom"}}},
        calls: [:a, :b],
        reported: [{:b, :before, %RuntimeError{message: "boom"}}]
      ),
      a("an around catches a refusal as it was thrown",
        hooks: [{:a, :around, [], &caught/2}, {:b, :after, [], &refuse/2}],
        expect: {:ok, {:throw, {:hook_error, :refused}}},
        calls: [:a, :b]
      ),
      a("an around catches an exit of the base operation",
        hooks: [{:a, :around, [], &caught/2}, {:b, :before, [], &pass/2}],
        core: fn _ -> exit(:gone) end,
        expect: {:ok, {:exit, :gone}},
        calls: [:a, :b, :core]
      ),
      a("after hooks do not run when the chain failed, also when an around catches the failure",
        hooks: [{:a, :around, [], &caught/2}, {:b, :before, [], &pass/2}, {:c, :after, [], &pass/2}],
        core: fn _ -> throw(:ball) end,
        expect: {:ok, {:throw, :ball}},
        calls: [:a, :b, :core]
      )
    ]
  end

  defp refusals do
    for {kind, calls} <- [before: [:x], after: [:core, :x], around: [:x], replace: [:x]] do
      a("throw {:hook_error, reason} from a hook of the kind #{kind}",
        hooks: [{:x, kind, [], &refuse/2}],
        core: &core/1,
        expect: {:error, :refused},
        calls: calls
      )
    end ++
      [
        a("throw {:hook_error, reason} from deep inside a function that the hook calls",
          hooks: [
            {:x, :before, [],
             fn context, next -> next.(Enum.map(context, fn n -> deep(n, fn -> refuse(n, nil) end) end)) end}
          ],
          context: [1],
          core: &core/1,
          expect: {:error, :refused},
          calls: [:x]
        ),
        a("a refusal after next returned",
          hooks: [{:x, :before, [], fn context, next -> refuse(next.(context), next) end}],
          core: &core/1,
          expect: {:error, :refused},
          calls: [:x, :core]
        ),
        a("after hooks do not run after a refusal",
          hooks: [{:x, :before, [], &refuse/2}, {:y, :after, [], &pass/2}, {:z, :around, [], &pass/2}],
          core: &core/1,
          expect: {:error, :refused},
          calls: [:z, :x]
        )
      ]
  end

  defp failures do
    for kind <- [:before, :after, :around, :replace],
        {name, behaviour, reason} <- [
          {"raise", &boom/2, %RuntimeError{message: "boom"}},
          {"an Erlang error", &badarith/2, %ArithmeticError{}},
          {"exit", &quit/2, :quit},
          {"throw", &ball/2, :ball},
          {"throw of something like a refusal", fn _, _ -> throw({:hook_error, 1, 2}) end,
           {:hook_error, 1, 2}}
        ] do
      a("#{name} in a hook of the kind #{kind}",
        hooks: [{:y, kind, [], &pass/2}, {:x, kind, [], behaviour}, {:z, kind, [], &pass/2}],
        core: &core/1,
        expect: {:failed, :x, kind, reason},
        calls: if(kind == :after, do: [:core, :y, :x], else: [:y, :x])
      )
    end ++
      [
        a("after hooks do not run when a before hook failed",
          hooks: [{:x, :before, [], &boom/2}, {:y, :after, [], &pass/2}],
          core: &core/1,
          expect: {:failed, :x, :before, %RuntimeError{message: "boom"}},
          calls: [:x]
        )
      ]
  end

  defp core_failures do
    for {name, core, kind, reason} <- [
          {"raise", fn _ -> raise "core" end, :error, %RuntimeError{message: "core"}},
          {"exit", fn _ -> exit(:core) end, :exit, :core},
          {"throw", fn _ -> throw(:core) end, :throw, :core}
        ],
        {how, hooks, calls} <- [
          {"without hooks", [], []},
          {"in hooks of every kind",
           [
             {:a, :around, [], &pass/2},
             {:b, :before, [], &pass/2},
             {:c, :replace, [], &pass/2},
             {:d, :after, [], &pass/2}
           ], [:a, :b, :c]},
          {"in hooks that skip their failures",
           [{:a, :around, [on_error: :skip], &pass/2}, {:b, :before, [on_error: :skip], &pass/2}], [:a, :b]},
          {"in hooks that catch and raise it on",
           [{:a, :around, [], &caught_and_raised_on/2}, {:b, :around, [], &rescued_and_reraised/2}],
           [:a, :b]},
          {"in a hook with a timeout", [{:a, :before, [timeout: 5000], &pass/2}], [:a]}
        ] do
      a("#{name} of the base operation is raised unchanged #{how}",
        hooks: hooks,
        core: core,
        expect: {:raised, kind, reason},
        calls: calls ++ [:core],
        reported: []
      )
    end
  end

  defp on_error do
    boom = %RuntimeError{message: "boom"}

    for {kind, calls} <-
          [before: [:x, :y, :core], around: [:x, :y, :core], replace: [:x, :y, :core]] ++
            [after: [:core, :x, :y]] do
      [
        a("on_error: :skip goes on as if the #{kind} hook were not there",
          hooks: [{:x, kind, [on_error: :skip], &boom/2}, {:y, kind, [], &pass/2}],
          core: &core/1,
          expect: {:ok, [:core]},
          calls: calls,
          reported: [{:x, kind, boom}]
        ),
        a("on_error: :skip after the #{kind} hook called next yields what next gave it, nothing runs twice",
          hooks: [
            {:x, kind, [on_error: :skip], fn context, next -> boom(next.(context), next) end},
            {:y, kind, [], &pass/2}
          ],
          core: &core/1,
          expect: {:ok, [:core]},
          calls: calls,
          reported: [{:x, kind, boom}]
        ),
        a("on_error: :skip after the #{kind} hook called next in a task yields what next gave it",
          hooks: [
            {:x, kind, [on_error: :skip],
             fn context, next -> boom(Task.await(Task.async(fn -> next.(context) end)), next) end},
            {:y, kind, [], &pass/2}
          ],
          core: &core/1,
          expect: {:ok, [:core]},
          calls: calls,
          reported: [{:x, kind, boom}]
        ),
        a("on_error: :skip waits for a next that the #{kind} hook left running in a task",
          hooks: [
            {:x, kind, [on_error: :skip], &fails_while_next_runs/2},
            {:y, kind, [], fn context, next -> next.(released(context)) end}
          ],
          core: &core/1,
          expect: {:ok, [:core]},
          calls: calls,
          reported: [{:x, kind, boom}]
        ),
        a("on_error: :skip does not cover what next fails with in the #{kind} hook",
          hooks: [{:x, kind, [on_error: :skip], &pass/2}, {:y, kind, [], &boom/2}],
          core: &core/1,
          expect: {:failed, :y, kind, boom},
          calls: calls -- [if(kind == :after, do: nil, else: :core)]
        ),
        a("on_error: :skip of a #{kind} hook that failed after it caught what next failed with",
          hooks: [
            {:x, kind, [on_error: :skip],
             fn context, next ->
               caught(context, next)
               ball(context, next)
             end},
            {:y, kind, [], &boom/2}
          ],
          core: &core/1,
          expect: {:failed, :y, kind, boom},
          calls: calls -- [if(kind == :after, do: nil, else: :core)],
          reported: [{:y, kind, boom}, {:x, kind, :ball}]
        ),
        a("on_error: :skip skips a refusal of a #{kind} hook too, and reports it",
          hooks: [{:x, kind, [on_error: :skip], &refuse/2}, {:y, kind, [], &pass/2}],
          core: &core/1,
          expect: {:ok, [:core]},
          calls: calls,
          reported: [{:x, kind, {:hook_error, :refused}}]
        ),
        a("on_error: :raise raises the failure of a #{kind} hook in the caller",
          hooks: [{:x, kind, [on_error: :raise], &boom/2}, {:y, kind, [], &pass/2}],
          core: &core/1,
          expect: {:raised, :error, boom},
          calls: if(kind == :after, do: [:core, :x], else: [:x]),
          reported: [{:x, kind, boom}]
        ),
        a("on_error: :raise exits where the #{kind} hook exits",
          hooks: [{:x, kind, [on_error: :raise], &quit/2}],
          core: &core/1,
          expect: {:raised, :exit, :quit},
          calls: if(kind == :after, do: [:core, :x], else: [:x]),
          reported: [{:x, kind, :quit}]
        ),
        a("on_error: :halt is the default, and can be written, for a #{kind} hook",
          hooks: [{:x, kind, [on_error: :halt], &boom/2}],
          core: &core/1,
          expect: {:failed, :x, kind, boom},
          calls: if(kind == :after, do: [:core, :x], else: [:x])
        )
      ]
    end
    |> List.flatten()
    |> Kernel.++([
      a("the failure of a hook that next runs in a task keeps its owner when the hook around it is skipped",
        hooks: [{:x, :around, [on_error: :skip], &in_an_unlinked_task/2}, {:y, :before, [], &boom/2}],
        core: &core/1,
        expect: {:failed, :y, :before, boom},
        calls: [:x, :y],
        reported: [{:y, :before, boom}, :any]
      ),
      a(
        "the failure of a base operation that next runs in a task is raised when the hook around it is skipped",
        hooks: [{:x, :around, [on_error: :skip], &in_an_unlinked_task/2}],
        core: fn _ -> raise "boom" end,
        expect: {:raised, :error, boom},
        calls: [:x, :core],
        reported: [:any]
      ),
      a("several skipped hooks in one run, each reported once",
        hooks: [
          {:a, :around, [on_error: :skip], &boom/2},
          {:b, :before, [on_error: :skip], &quit/2},
          {:c, :replace, [on_error: :skip], &ball/2},
          {:d, :after, [on_error: :skip], &badarith/2}
        ],
        core: &core/1,
        expect: {:ok, [:core]},
        calls: [:a, :b, :c, :core, :d],
        reported: [
          {:a, :around, boom},
          {:b, :before, :quit},
          {:c, :replace, :ball},
          {:d, :after, %ArithmeticError{}}
        ]
      )
    ])
  end

  defp attribution do
    boom = %RuntimeError{message: "boom"}

    [
      a("a hook that fails in a tail call",
        hooks: [{:a, :around, [], &pass/2}, {:b, :before, [], fn context, next -> boom(context, next) end}],
        expect: {:failed, :b, :before, boom},
        calls: [:a, :b]
      ),
      a("a hook that fails after next returned",
        hooks: [
          {:a, :before, [], fn context, next -> boom(next.(context), next) end},
          {:b, :before, [], &pass/2}
        ],
        core: &core/1,
        expect: {:failed, :a, :before, boom},
        calls: [:a, :b, :core]
      ),
      a("an outer around that rescued a failure and then fails itself has failed itself",
        hooks: [
          {:a, :around, [],
           fn context, next ->
             caught(context, next)
             quit(context, next)
           end},
          {:b, :before, [], &boom/2}
        ],
        expect: {:failed, :a, :around, :quit},
        calls: [:a, :b],
        reported: [{:b, :before, boom}, {:a, :around, :quit}]
      ),
      a("an outer around that rescued a failure and then fails with the same exception has failed itself",
        hooks: [
          {:a, :around, [],
           fn context, next ->
             caught(context, next)
             boom(context, next)
           end},
          {:b, :before, [], &boom/2}
        ],
        expect: {:failed, :a, :around, boom},
        calls: [:a, :b],
        reported: [{:b, :before, boom}, {:a, :around, boom}]
      ),
      a("an around that rescues and reraises passes the failure on",
        hooks: [{:a, :around, [], &rescued_and_reraised/2}, {:b, :before, [], &badarith/2}],
        expect: {:failed, :b, :before, %ArithmeticError{}},
        calls: [:a, :b]
      ),
      a("an around that catches and raises on passes an exit on",
        hooks: [{:a, :around, [], &caught_and_raised_on/2}, {:b, :replace, [], &quit/2}],
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
                 caught([:again | context], next)
                 :erlang.raise(kind, reason, stacktrace)
             end
           end},
          {:b, :before, [],
           fn
             [:again | _] = context, next -> next.(context)
             context, next -> boom(context, next)
           end},
          {:c, :before, [], &quit/2}
        ],
        expect: {:failed, :b, :before, boom},
        calls: [:a, :b, :b, :c],
        reported: [{:b, :before, boom}, {:c, :before, :quit}]
      ),
      a("an around that runs another chain that fails, and then raises on what it caught",
        hooks: [{:a, :around, [], &runs_a_failing_chain_and_raises_on/2}, {:b, :before, [], &boom/2}],
        expect: {:failed, :b, :before, boom},
        calls: [:a, :b]
      ),
      a(
        "an around that runs another chain that fails, and then raises on what the base operation failed with",
        hooks: [{:a, :around, [], &runs_a_failing_chain_and_raises_on/2}],
        core: fn _ -> raise "boom" end,
        expect: {:raised, :error, boom},
        calls: [:a, :core],
        reported: []
      ),
      a("an outer around that wraps the exception in one of its own has failed itself",
        hooks: [
          {:a, :around, [],
           fn context, next ->
             {:error, error} = caught(context, next)
             raise ArgumentError, "because #{error.message}"
           end},
          {:b, :before, [], &boom/2}
        ],
        expect: {:failed, :a, :around, %ArgumentError{message: "because boom"}},
        calls: [:a, :b],
        reported: [{:b, :before, boom}, {:a, :around, %ArgumentError{message: "because boom"}}]
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

  defp native do
    increment = [native: :increment, config: %{field: :n}]

    [
      a("native hooks between Elixir hooks, in order",
        hooks: [
          {:a, :before, [priority: 90] ++ increment, nil},
          {:b, :before, [priority: 80], fn %{n: 1} = context, next -> next.(%{context | n: 10}) end},
          {:c, :before, [priority: 70] ++ increment, nil},
          {:d, :before, [priority: 60, native: :put, config: %{field: [:deep, :x], value: "y"}], nil},
          {:e, :after, increment, nil}
        ],
        context: %{n: 0},
        core: fn %{n: 11, deep: %{x: "y"}} = context -> %{context | n: 100} end,
        expect: {:ok, %{n: 101, deep: %{x: "y"}}},
        calls: [:b, :core]
      ),
      a("a native refusal ends the run with its reason",
        hooks: [
          {:a, :before, increment, nil},
          {:b, :before, [native: :require, config: %{fields: [:prompt]}], nil},
          {:c, :after, [], &pass/2}
        ],
        context: %{},
        core: &core/1,
        expect: {:error, {:missing_field, [:prompt]}},
        calls: []
      ),
      a("a native hook whose context is not a map fails",
        hooks: [{:a, :before, [], &pass/2}, {:b, :before, increment, nil}],
        context: 5,
        core: &core/1,
        expect:
          {:failed, :b, :before,
           %Pipeline.Hook.NativeError{
             hook: {Pipeline.Native, :increment},
             message: "the context is an integer; native hooks work on maps only"
           }},
        calls: [:a]
      ),
      a("a native after hook whose result is not a map fails",
        hooks: [{:b, :after, increment, nil}],
        context: %{},
        core: fn _ -> [] end,
        expect:
          {:failed, :b, :after,
           %Pipeline.Hook.NativeError{
             hook: {Pipeline.Native, :increment},
             message: "the context is a list; native hooks work on maps only"
           }},
        calls: [:core]
      ),
      a("the failing one of several fused hooks is named",
        hooks: [
          {:a, :before, increment, nil},
          {:b, :before, [native: :increment, config: %{field: :text}], nil},
          {:c, :before, increment, nil}
        ],
        context: %{text: "x"},
        expect:
          {:failed, :b, :before,
           %Pipeline.Hook.NativeError{
             hook: {Pipeline.Native, :increment},
             message: ":text is a binary; expected an integer of at most 64 bits"
           }},
        calls: []
      ),
      a("a native hook that is skipped leaves nothing half written, its neighbours' work stays",
        hooks: [
          {:a, :before, increment, nil},
          {:b, :before, [on_error: :skip, native: :redact, config: %{fields: [:one, :two], patterns: ["x"]}],
           nil},
          {:c, :before, increment, nil}
        ],
        context: %{one: "x", two: 2},
        expect: {:ok, %{n: 2, one: "x", two: 2}},
        calls: [],
        reported: [:any]
      ),
      a("a native refusal that is skipped is reported",
        hooks: [{:a, :before, [on_error: :skip, native: :require, config: %{fields: [:n]}], nil}],
        context: %{},
        core: &core/1,
        expect: {:ok, [:core]},
        calls: [:core],
        reported: [{:a, :before, {:hook_error, {:missing_field, [:n]}}}]
      ),
      a("on_error: :raise of a native hook raises",
        hooks: [{:a, :before, [on_error: :raise] ++ increment, nil}],
        context: nil,
        expect:
          {:raised, :error,
           %Pipeline.Hook.NativeError{
             hook: {Pipeline.Native, :increment},
             message: "the context is nil; native hooks work on maps only"
           }},
        calls: [],
        reported: [:any]
      ),
      a("a native replace hook stands in for the base operation",
        hooks: [{:a, :replace, [native: :put, config: %{field: :by, value: "a"}], nil}],
        context: %{n: 1},
        core: &core/1,
        expect: {:ok, %{n: 1, by: "a"}},
        calls: []
      ),
      a("a native replace hook that is skipped leaves its place to the next and to the base operation",
        hooks: [
          {:a, :replace, [on_error: :skip, native: :put, config: %{field: [:n, :x], value: 1}], nil},
          {:b, :replace, [], &pass/2}
        ],
        context: %{n: 1},
        core: &{:core, &1},
        expect: {:ok, {:core, %{n: 1}}},
        calls: [:b, :core],
        reported: [:any]
      ),
      a("the first replace hook wins among native ones too",
        hooks: [
          {:a, :replace, [native: :put, config: %{field: :by, value: "a"}], nil},
          {:b, :replace, [native: :put, config: %{field: :by, value: "b"}], nil}
        ],
        context: %{},
        expect: {:ok, %{by: "a"}},
        calls: []
      ),
      a("an Elixir replace hook falls back to a native one",
        hooks: [
          {:a, :replace, [], &pass/2},
          {:b, :replace, [native: :put, config: %{field: :by, value: "b"}], nil}
        ],
        context: %{},
        core: &core/1,
        expect: {:ok, %{by: "b"}},
        calls: [:a]
      ),
      a("an around catches the failure of a native hook",
        hooks: [{:a, :around, [], &caught/2}, {:b, :before, increment, nil}],
        context: 1,
        expect:
          {:ok,
           {:error,
            %Pipeline.Hook.NativeError{
              hook: {Pipeline.Native, :increment},
              message: "the context is an integer; native hooks work on maps only"
            }}},
        calls: [:a],
        reported: [:any]
      ),
      a("native after hooks see an early answer",
        hooks: [{:a, :before, [], fn context, _ -> context end}, {:b, :after, increment, nil}],
        context: %{n: 1},
        core: &core/1,
        expect: {:ok, %{n: 2}},
        calls: [:a]
      ),
      a("every shipped hook that changes the context, fused",
        hooks: [
          {:a, :before, [native: :require, config: %{types: %{prompt: :string}}], nil},
          {:b, :before, [native: :redact, config: %{field: :prompt, patterns: ["[0-9]+"], replacement: "#"}],
           nil},
          {:c, :before, [native: :rename, config: %{from: :prompt, to: :text}], nil},
          {:d, :before, [native: :template, config: %{template: "Say: {{ text }}", into: :full}], nil},
          {:e, :before, [native: :count_tokens, config: %{field: :greeting, into: :tokens}], nil},
          {:f, :before,
           [native: :json_schema, config: %{field: :full, schema: %{"type" => "string", "minLength" => 3}}],
           nil},
          {:g, :before, [native: :summarise, config: %{field: :text, into: :summary, sentences: 1}], nil},
          {:h, :before, [native: :drop, config: %{fields: [:text, :absent]}], nil}
        ],
        context: %{prompt: "Call 555.", greeting: "hello world"},
        expect: {:ok, %{full: "Say: Call #.", greeting: "hello world", tokens: 2, summary: "Call #."}},
        calls: []
      ),
      a("a schema violation refuses with what is wrong and where",
        hooks: [
          {:a, :before,
           [
             native: :json_schema,
             config: %{field: :node, schema: %{"properties" => %{"id" => %{"type" => "integer"}}}}
           ], nil}
        ],
        context: %{node: %{id: "hunter2"}},
        expect: {:error, {:schema_violation, [:node], ["/id: value is not of type \"integer\""]}},
        calls: []
      ),
      a("a rename to a field inside another value fails and keeps the source",
        hooks: [
          {:a, :before, [on_error: :skip, native: :rename, config: %{from: :a, to: [:b, :c]}], nil}
        ],
        context: %{a: 1, b: 2},
        expect: {:ok, %{a: 1, b: 2}},
        calls: [],
        reported: [:any]
      ),
      a("a light and a heavy hook share a segment",
        hooks: [{:a, :before, [cost: :heavy] ++ increment, nil}, {:b, :before, increment, nil}],
        context: %{},
        expect: {:ok, %{n: 2}},
        calls: []
      )
    ]
  end

  # A native hook means the same wherever it runs.
  defp on_the_runtime(case) do
    hooks =
      for {plugin, kind, opts, behaviour} <- case.hooks do
        {plugin, kind, if(opts[:native], do: Keyword.put(opts, :cost, :blocking), else: opts), behaviour}
      end

    %{case | name: case.name <> ", on the runtime", hooks: hooks}
  end

  defp native_arounds do
    retry = [native: :retry, config: %{times: 2}]

    [
      a("a native around lets a value pass",
        hooks: [{:a, :around, retry, nil}, {:b, :before, [], &pass/2}],
        context: %{n: 1},
        core: &core/1,
        expect: {:ok, [:core]},
        calls: [:b, :core]
      ),
      a("a native around goes in again, through all that is inside",
        hooks: [
          {:a, :around, retry, nil},
          {:b, :around, [], &pass/2},
          {:c, :before, [native: :increment, config: %{field: :n}], nil},
          {:d, :after, [], &pass/2}
        ],
        context: %{n: 0},
        core: fn _ -> raise "no" end,
        expect: {:raised, :error, %RuntimeError{message: "no"}},
        calls: [:b, :core, :b, :core, :b, :core],
        reported: []
      ),
      a("what a hook inside a native around fails with stays that hook's failure",
        hooks: [
          {:a, :around, retry, nil},
          {:b, :before, [], fn _, _ -> raise "mine" end}
        ],
        context: %{},
        expect: {:failed, :b, :before, %RuntimeError{message: "mine"}},
        calls: [:b, :b, :b],
        reported: [:any, :any, :any]
      ),
      a("a native around does not try a refusal again",
        hooks: [{:a, :around, retry, nil}, {:b, :before, [], fn _, _ -> throw({:hook_error, :no}) end}],
        context: %{},
        expect: {:error, :no},
        calls: [:b]
      ),
      a("unless it is named",
        hooks: [
          {:a, :around, [native: :retry, config: %{times: 1, on: [:busy]}], nil},
          {:b, :before, [], fn _, _ -> throw({:hook_error, {:busy, 5}}) end}
        ],
        context: %{},
        expect: {:error, {:busy, 5}},
        calls: [:b, :b]
      ),
      a("a native around that fails on the way in is named",
        hooks: [
          {:a, :around, [native: :cache, config: %{field: :n, ttl_ms: 60_000}], nil},
          {:b, :before, [], &pass/2}
        ],
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
        hooks: [
          {:a, :around, [on_error: :skip, native: :cache, config: %{field: :n, ttl_ms: 60_000}], nil},
          {:b, :before, [], &pass/2}
        ],
        context: 1,
        core: &core/1,
        expect: {:ok, [:core]},
        calls: [:b, :core],
        reported: [:any]
      ),
      a("an Elixir around catches what passes through a native one",
        hooks: [
          {:a, :around, [priority: 90], &caught/2},
          {:b, :around, retry, nil},
          {:c, :before, [], fn _, _ -> exit(:gone) end}
        ],
        context: %{},
        expect: {:ok, {:exit, :gone}},
        calls: [:a, :c, :c, :c],
        reported: [:any, :any, :any]
      )
    ]
  end

  defp a(name, fields), do: struct!(__MODULE__, [name: name] ++ fields)
end
