defmodule Pipeline.Native.Hooks.ShippedTest do
  use ExUnit.Case, async: true

  import Bitwise

  alias Pipeline.Native

  test "put any plain data, or only where nothing is" do
    value = %{:atom => [1, -1.5, nil, true, "é", <<255>>, {:a, "b"}], "k" => %{1 => []}}
    assert run([{:put, %{field: :v, value: value}}], %{}) == {:ok, %{v: value}}
    assert run([{:put, %{field: :v, value: 2, overwrite: false}}], %{v: 1}) == {:ok, %{v: 1}}
  end

  test "rename" do
    assert run([{:rename, %{from: "old", to: [:new, :name]}}], %{"old" => 1}) == {:ok, %{new: %{name: 1}}}
    assert run([{:rename, %{from: :x, to: :y}}], %{a: 1}) == {:ok, %{a: 1}}
  end

  test "increment" do
    assert run([{:increment, %{field: :n}}, {:increment, %{field: :n, by: -3}}], %{}) == {:ok, %{n: -2}}

    assert {:failed, 0, "adding 1 to :n exceeds 64 bits" <> _} =
             run([{:increment, %{field: :n}}], %{n: (1 <<< 63) - 1})

    assert {:failed, 0, ":n is an integer; expected" <> _} = run([{:increment, %{field: :n}}], %{n: 1 <<< 63})
  end

  test "require" do
    hook =
      {:require,
       %{fields: [:prompt, [:node, "id"]], types: %{:prompt => :string, [:node, "id"] => "integer"}}}

    assert {:ok, _} = run([hook], %{prompt: "p", node: %{"id" => 1}})
    assert run([hook], %{node: %{"id" => 1}}) == {:refused, 0, {:missing_field, [:prompt]}}
    assert run([hook], %{prompt: "p", node: %{}}) == {:refused, 0, {:missing_field, [:node, "id"]}}
    assert run([hook], %{prompt: nil, node: %{"id" => 1}}) == {:refused, 0, {:missing_field, [:prompt]}}
    assert run([hook], %{prompt: :p, node: %{"id" => 1}}) == {:refused, 0, {:wrong_type, [:prompt], :string}}

    assert run([hook], %{prompt: "p", node: %{"id" => "1"}}) ==
             {:refused, 0, {:wrong_type, [:node, "id"], :integer}}

    values = [
      string: "s",
      binary: <<255>>,
      integer: 1 <<< 70,
      float: 1.0,
      number: 1,
      boolean: true,
      atom: :a,
      list: [],
      tuple: {},
      map: %{}
    ]

    for {type, value} <- values do
      assert {:ok, _} = run([{:require, %{types: %{v: type}}}], %{v: value})
      assert run([{:require, %{types: %{v: type}}}], %{v: self()}) == {:refused, 0, {:wrong_type, [:v], type}}
    end
  end

  test "redact" do
    config = %{field: :text, patterns: ["[0-9]{3}-[0-9]{2}-[0-9]{4}", "\\S+@\\S+"]}

    assert run([{:redact, config}], %{text: "ssn 123-45-6789, ada@example.org"}) ==
             {:ok, %{text: "ssn [REDACTED], [REDACTED]"}}

    assert run([{:redact, config}], %{}) == {:ok, %{}}
    assert run([{:redact, config}], %{text: 1}) == {:failed, 0, ":text is an integer; expected a string"}
    context = %{text: String.duplicate("nothing ", 1000)}
    {:ok, same} = run([{:redact, config}], context)
    assert :erts_debug.same(same, context)

    many = %{fields: [:a, [:b, "c"]], patterns: ["x"], replacement: ""}

    assert run([{:redact, many}], %{a: "axa", b: %{"c" => <<255, ?x>>}}) ==
             {:ok, %{a: "aa", b: %{"c" => <<255>>}}}
  end

  test "json_schema" do
    schema = %{
      type: :object,
      required: ["id"],
      properties: %{id: %{type: "integer"}, tags: %{type: "array", items: %{type: "string"}}}
    }

    hook = {:json_schema, %{field: :node, schema: schema}}
    assert {:ok, _} = run([hook], %{node: %{id: 1, tags: [:a, "b"]}})

    assert run([hook], %{node: %{tags: [1]}})
           |> then(fn {:refused, 0, {:schema_violation, path, messages}} -> {path, Enum.sort(messages)} end) ==
             {[:node],
              ["\"id\" is a required property", "/tags/0: value is not of type \"string\""] |> Enum.sort()}

    assert run([hook], %{}) == {:refused, 0, {:missing_field, [:node]}}
    assert {:failed, 0, ":node: a process identifier" <> _} = run([hook], %{node: %{id: self()}})
  end

  test "count_tokens" do
    assert run([{:count_tokens, %{field: :text, into: [:stats, :tokens]}}], %{text: "hello world"}) ==
             {:ok, %{text: "hello world", stats: %{tokens: 2}}}

    assert {:failed, 0, ":text is missing; set it" <> _} =
             run([{:count_tokens, %{field: :text, into: :n, encoding: "o200k_base"}}], %{})
  end

  test "rate_limit" do
    segment = segment!([{:rate_limit, %{limit: 2, per_ms: 3_600_000, key: :user}}])
    assert {:ok, _} = Native.run_segment(segment, %{user: :a})
    assert {:ok, _} = Native.run_segment(segment, %{user: :a})
    assert {:refused, 0, {:rate_limited, %{retry_after_ms: wait}}} = Native.run_segment(segment, %{user: :a})
    assert wait in 1_700_000..1_800_000
    for user <- ["a", 1, :b], do: assert({:ok, _} = Native.run_segment(segment, %{user: user}))
    assert Native.run_segment(segment, %{}) == {:refused, 0, {:missing_field, [:user]}}
    assert {:failed, 0, ":user is a map; expected" <> _} = Native.run_segment(segment, %{user: %{}})
  end

  test "template" do
    hook =
      {:template,
       %{template: "{{ name }}: {% for t in node.tags %}[{{ t }}]{% endfor %}{{ nothing }}", into: "prompt"}}

    context = %{:name => :ada, :nothing => nil, "node" => %{tags: ["a", 1]}}
    assert run([hook], context) == {:ok, Map.put(context, "prompt", "ada: [a][1]")}
    assert {:failed, 0, "undefined value" <> _} = run([hook], %{name: "x"})
  end

  test "recursive templates end on a dirty scheduler's stack" do
    source = "{% for x in tree recursive %}({{ loop(tree) }}){% endfor %}"
    segment = segment!([{:template, %{template: source, into: :out}}])
    assert {:failed, 0, message} = Native.run_segment_dirty(segment, %{tree: [1]})
    assert message =~ "recursion"
    schema = %{"properties" => %{"a" => %{"$ref" => "#"}}}
    deep = Enum.reduce(1..28, %{}, fn _, inner -> %{"a" => inner} end)

    assert {:ok, _} =
             Native.run_segment_dirty(segment!([{:json_schema, %{field: :v, schema: schema}}]), %{v: deep})

    assert {:failed, 0, ":v: the value is nested" <> _} =
             Native.run_segment_dirty(segment!([{:json_schema, %{field: :v, schema: schema}}]), %{
               v: [[deep, [[[[[[deep]]]]]]]]
             })
  end

  test "summarise" do
    text = "# Rivers\n\nRivers carry water to the sea. A cat sat on a wall. Rivers carry sand to the sea.\n"

    assert {:ok, %{summary: summary}} =
             run([{:summarise, %{field: :text, into: :summary, sentences: 2}}], %{text: text})

    assert summary == "Rivers carry water to the sea. Rivers carry sand to the sea."
  end

  defp run(hooks, context), do: Native.run_segment(segment!(hooks), context)

  defp segment!(hooks) do
    hooks =
      for {name, config} <- hooks do
        {:ok, hook} = Native.native_hook(name, config)
        {hook, :halt}
      end

    Native.segment(:before, hooks)
  end
end
