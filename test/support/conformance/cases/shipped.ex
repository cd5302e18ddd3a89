defmodule Pipeline.Conformance.Cases.Shipped do
  @moduledoc """
  Shipped native hooks, alone and among Elixir hooks. They are not seen being called.
  """

  import Pipeline.Conformance.Case

  alias Pipeline.Conformance.Behaviours

  @pass [:next]

  def all, do: native() ++ Enum.map(native(), &on_the_runtime/1)

  # A native hook means the same wherever it runs.
  defp on_the_runtime(case) do
    hooks =
      for {plugin, kind, opts, behaviour} <- case.hooks do
        {plugin, kind, if(opts[:native], do: Keyword.put(opts, :cost, :blocking), else: opts), behaviour}
      end

    %{case | name: case.name <> ", on the runtime", hooks: hooks}
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
          {:c, :after, [], @pass}
        ],
        context: %{},
        core: [{:give, [:core]}],
        expect: {:error, {:missing_field, [:prompt]}},
        calls: []
      ),
      a("a native hook whose context is not a map fails",
        hooks: [{:a, :before, [], @pass}, {:b, :before, increment, nil}],
        context: 5,
        core: [{:give, [:core]}],
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
        core: [{:give, []}],
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
        core: [{:give, [:core]}],
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
        core: [{:give, [:core]}],
        expect: {:ok, %{n: 1, by: "a"}},
        calls: []
      ),
      a("a native replace hook that is skipped leaves its place to the next and to the base operation",
        hooks: [
          {:a, :replace, [on_error: :skip, native: :put, config: %{field: [:n, :x], value: 1}], nil},
          {:b, :replace, [], @pass}
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
          {:a, :replace, [], @pass},
          {:b, :replace, [native: :put, config: %{field: :by, value: "b"}], nil}
        ],
        context: %{},
        core: [{:give, [:core]}],
        expect: {:ok, %{by: "b"}},
        calls: [:a]
      ),
      a("an around catches the failure of a native hook",
        hooks: [{:a, :around, [], &Behaviours.caught/2}, {:b, :before, increment, nil}],
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
        hooks: [{:a, :before, [], []}, {:b, :after, increment, nil}],
        context: %{n: 1},
        core: [{:give, [:core]}],
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
end
