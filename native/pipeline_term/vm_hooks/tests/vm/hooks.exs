Code.require_file("library.exs", __DIR__)
import Bitwise

defmodule ContextTest do
  use VmHooksCase, async: true

  test "writes are seen by later reads and put into the map" do
    hooks = [{:put, %{field: :a, value: 1}}, {:copy_field, %{from: :a, to: "b"}}]
    assert run(hooks, %{x: 0}) == {:ok, %{:x => 0, :a => 1, "b" => 1}}
  end

  test "an untouched context is handed back as it is" do
    context = %{deep: %{list: Enum.to_list(1..100)}}
    {:ok, same} = run([{:ending, %{how: :continue}}], context)
    assert :erts_debug.same(same, context)
  end

  test "nested paths, atom and binary keys" do
    context = %{node: %{"config" => %{prompt: "p", keep: 1}}, other: 2}

    assert run([{:put, %{field: [:node, "config", :prompt], value: "q"}}], context) ==
             {:ok, %{node: %{"config" => %{prompt: "q", keep: 1}}, other: 2}}

    assert run([{:copy_field, %{from: [:node, "config"], to: :config}}], context) ==
             {:ok, Map.put(context, :config, %{prompt: "p", keep: 1})}
  end

  test "a parent read after a write inside it shows the write" do
    hooks = [
      {:put, %{field: [:a, :b], value: 2}},
      {:drop, %{field: [:a, :c]}},
      {:copy_field, %{from: :a, to: :seen}}
    ]

    assert run(hooks, %{a: %{b: 1, c: 1}}) == {:ok, %{a: %{b: 2}, seen: %{b: 2}}}
  end

  test "a write inside a field that was written before" do
    hooks = [{:put, %{field: :a, value: %{"x" => 1}}}, {:put, %{field: [:a, :y], value: 2}}]
    assert run(hooks, %{}) == {:ok, %{a: %{"x" => 1, :y => 2}}}
  end

  test "maps on the way are made, also in place of nil and of what was removed" do
    assert run([{:put, %{field: [:a, :b, :c], value: 1}}], %{a: nil}) == {:ok, %{a: %{b: %{c: 1}}}}

    hooks = [{:drop, %{field: :a}}, {:put, %{field: [:a, :b], value: 1}}]
    assert run(hooks, %{a: %{old: 1}}) == {:ok, %{a: %{b: 1}}}
  end

  test "dropping what is not there leaves no trace" do
    context = %{a: nil}
    {:ok, same} = run([{:drop, %{fields: [[:a, :b], [:x, :y], :z]}}], context)
    assert :erts_debug.same(same, context)
  end

  test "maps of any size" do
    context = Map.new(1..10_000, &{&1, &1}) |> Map.put(:inner, Map.new(1..100, &{&1, &1}))

    assert run([{:put, %{field: [:inner, :k], value: 1}}, {:put, %{field: :k, value: 1}}], context) ==
             {:ok, context |> put_in([:inner, :k], 1) |> Map.put(:k, 1)}
  end

  test "structs are maps" do
    assert run([{:put, %{field: [:uri, :port], value: 80}}], %{uri: %URI{}}) == {:ok, %{uri: %URI{port: 80}}}
  end

  test "what is no map fails, naming what was found" do
    for {context, found} <- [
          {[1], "a list"},
          {nil, "nil"},
          {:a, "an atom"},
          {1, "an integer"},
          {"b", "a binary"},
          {<<1::3>>, "a bit string"},
          {{1}, "a tuple"}
        ] do
      message = "the context is #{found}; native hooks work on maps only"
      assert run([{:put, %{field: :a, value: 1}}], context) == {:failed, 0, message}
      assert run([{:copy_field, %{from: :a, to: :b}}], context) == {:failed, 0, message}
    end

    assert run([{:copy_field, %{from: [:a, "b", :c], to: :b}}], %{a: %{"b" => 1}}) ==
             {:failed, 0, ~s([:a, "b"] is an integer, so it has no fields; expected a map there)}

    assert run([{:put, %{field: [:a, :b], value: 1}}], %{a: "text"}) ==
             {:failed, 0, ":a is a binary, so it has no fields; expected a map there"}
  end

  test "an overlay is the same as Map, for random writes" do
    :rand.seed(:exsss, {1, 2, 3})
    paths = [[:a], [:b], ["a"], [:a, :x], [:a, "y"], [:a, :x, :z], [:b, :x], [:c, :d, :e]]

    for _ <- 1..300 do
      steps = for _ <- 1..8, do: {Enum.random([:put, :drop, :skip]), Enum.random(paths), :rand.uniform(9)}
      context = Enum.random([%{}, %{a: %{x: %{z: 1}}}, %{a: %{"y" => 1}, b: %{}}, %{:b => nil, "a" => 1}])

      hooks =
        Enum.map(steps, fn
          {:put, path, value} -> {:put, %{field: path, value: %{"v" => value}}}
          {:drop, path, _} -> {:drop, %{field: path}}
          {:skip, path, _} -> {:ending, %{how: :fail, trace: path}, :skip}
        end)

      expected =
        Enum.reduce(steps, context, fn
          {:put, path, value}, map -> put_path(map, path, %{"v" => value})
          {:drop, path, _}, map -> drop_path(map, path)
          {:skip, _, _}, map -> map
        end)

      result =
        case run(hooks, context) do
          {:skipped, _, {:ok, result}} -> result
          {:ok, result} -> result
        end

      assert result == expected
    end
  end

  defp put_path(map, [key], value), do: Map.put(map || %{}, key, value)

  defp put_path(map, [key | rest], value),
    do: Map.put(map || %{}, key, put_path((map || %{})[key], rest, value))

  defp drop_path(nil, _), do: nil
  defp drop_path(map, [key]), do: Map.delete(map, key)

  defp drop_path(map, [key | rest]) do
    case map do
      %{^key => inner} when is_map(inner) -> Map.put(map, key, drop_path(inner, rest))
      _ -> map
    end
  end
end

defmodule SegmentTest do
  use VmHooksCase, async: true

  test "ends" do
    count = {:increment, %{field: :n}}
    assert run([count, {:ending, %{how: :answer}}, count], %{n: 0}) == {:answer, 1, %{n: 1}}
    assert run([count, {:ending, %{how: :refuse}}, count], %{n: 0}) == {:refused, 1, {:no, "not today"}}
    assert run([count, {:ending, %{how: :fail}}, count], %{n: 0}) == {:failed, 1, "the disk is full"}

    assert run([count, {:ending, %{how: :panic}}, count], %{n: 0}) ==
             {:failed, 1, "panicked: this hook panics"}

    assert run([count, {:ending, %{how: :fail_badly}}, count], %{n: 0}) ==
             {:failed, 1, "panicked: this error has no message"}

    assert run([count, {:ending, %{how: :fail_badly, trace: :trace}, :skip}, count], %{n: 0}) ==
             {:skipped, [{1, :failed, "panicked: this error has no message"}], {:ok, %{n: 2}}}

    assert run([], %{n: 0}) == {:ok, %{n: 0}}
    assert run([], :anything) == {:ok, :anything}
  end

  test "an answer ends a replace and means nothing to an after chain" do
    hooks = [{:ending, %{how: :answer, trace: :first}}, {:ending, %{how: :continue, trace: :second}}]
    assert run(:replace, hooks, %{}) == {:ok, %{first: true}}
    assert run(:after, hooks, %{}) == {:ok, %{first: true, second: true}}
  end

  test "a replace that declines hands on the context as it left it, and means nothing elsewhere" do
    hooks = [{:ending, %{how: :decline, trace: :first}}, {:ending, %{how: :continue, trace: :second}}]
    assert run(:replace, hooks, %{}) == {:declined, %{first: true}}
    assert run(:before, hooks, %{}) == {:ok, %{first: true, second: true}}
    assert run(:after, hooks, %{}) == {:ok, %{first: true, second: true}}
  end

  describe "a segment with circuits" do
    test "asks before each call and ends with the hook that is not called" do
      breaker = breaker!(2)
      segment = segment!([{:increment, %{field: :n}}, {:ending, %{how: :fail}, :halt, breaker}])
      assert {:failed, 1, "the disk is full"} = VmHooks.run_segment(segment, %{})

      assert {:circuits, [{1, {:closed, :open, :failures}, 1}], {:failed, 1, "the disk is full"}} =
               VmHooks.run_segment_dirty(segment, %{})

      assert VmHooks.run_segment(segment, %{}) == {:not_called, 1, nil}
      assert VmHooks.run_segment_dirty(segment, %{}) == {:not_called, 1, nil}
      assert {:open, 2, 1, 2} = VmHooks.breaker_counts(breaker)
      assert %{hooks: [%{runs: 4}, %{runs: 4, failures: 2, skips: 0}]} = VmHooks.segment_stats(segment)

      assert VmHooks.breaker_reset(breaker) == {:open, :closed, :reset}
      assert {:failed, 1, _} = VmHooks.run_segment(segment, %{})
    end

    test "tells a trial's beginning and end" do
      for {how, ended} <- [
            fail: {:half_open, :open, :trial_failed},
            panic: {:half_open, :open, :trial_failed},
            refuse: {:half_open, :closed, :trials_passed},
            answer: {:half_open, :closed, :trials_passed},
            continue: {:half_open, :closed, :trials_passed}
          ],
          on_error <- [:halt, :skip, :raise] do
        breaker = breaker!(1, 1)
        permit = VmHooks.breaker_admit(breaker)
        assert VmHooks.breaker_failed(breaker, permit) == {:closed, :open, :failures}
        segment = segment!([{:ending, %{how: how}, on_error, breaker}])
        assert {:circuits, [{0, {:open, :half_open, :cool_down}, 1}, {0, ^ended, _}], _} = trial(segment)
      end
    end

    test "knows breakers of its own library only" do
      hook = hook!(:increment, %{field: :n})

      for bad <- [make_ref(), hook, nil, 1],
          do: assert_raise(ArgumentError, fn -> VmHooks.segment(:before, [{hook, :halt, bad}]) end)
    end

    # Until the cool-down of a millisecond is over.
    defp trial(segment) do
      case VmHooks.run_segment(segment, %{}) do
        {:not_called, 0, nil} -> trial(segment)
        {:skipped, [{0, :not_called, nil}], {:ok, %{}}} -> trial(segment)
        outcome -> outcome
      end
    end
  end

  test "arounds and async hooks are no part of a segment" do
    for {name, config} <- [guard: %{count: :n}, pause: %{test: :t, count: :n, how: :continue}] do
      assert_raise ArgumentError, fn -> VmHooks.segment(:before, [{hook!(name, config), :halt}]) end
    end
  end

  test "a skipped hook leaves no trace and is reported" do
    hooks = [
      {:put, %{field: :kept, value: 1}},
      {:ending, %{how: :panic, trace: :kept}, :skip},
      {:ending, %{how: :refuse, trace: [:in, :side]}, :skip},
      {:ending, %{how: :continue, trace: :done}, :skip}
    ]

    assert run(hooks, %{in: %{}}) ==
             {:skipped, [{1, :failed, "panicked: this hook panics"}, {2, :refused, {:no, "not today"}}],
              {:ok, %{in: %{}, kept: 1, done: true}}}
  end

  test "a dirty scheduler gives the same" do
    for how <- [:continue, :answer, :refuse, :fail, :panic] do
      segment = segment!([{:increment, %{field: :n}}, {:ending, %{how: how}}])
      assert VmHooks.run_segment_dirty(segment, %{}) == VmHooks.run_segment(segment, %{})
    end
  end

  test "a hook serves its own phases only" do
    hook = hook!(:copy_field, %{from: :a, to: :b})
    assert VmHooks.segment(:after, [{hook, :halt}]) == {:error, {:wrong_phase, 0, "copy_field"}}
  end

  test "wrong arguments are refused" do
    hook = hook!(:put, %{field: :a, value: 1})
    segment = segment!([{:put, %{field: :a, value: 1}}])

    junk = [
      nil,
      1,
      1.5,
      "x",
      <<1::3>>,
      [],
      [1 | 2],
      %{},
      {},
      {1, 2},
      self(),
      make_ref(),
      fn -> 1 end,
      :before,
      1 <<< 70
    ]

    for bad <- junk -- [[]] do
      assert_raise ArgumentError, fn -> VmHooks.segment(:before, bad) end
      assert_raise ArgumentError, fn -> VmHooks.segment(:before, [bad]) end
      assert_raise ArgumentError, fn -> VmHooks.segment(:before, [{hook, bad}]) end
      assert_raise ArgumentError, fn -> VmHooks.segment(:before, [{hook, :halt} | bad]) end
      assert_raise ArgumentError, fn -> VmHooks.run_segment_dirty(bad, %{}) end
      assert_raise ArgumentError, fn -> VmHooks.run_segment_dirty(hook, %{}) end
      assert_raise ArgumentError, fn -> VmHooks.segment_stats(bad) end
      assert_raise ArgumentError, fn -> VmHooks.run_segment(bad, %{}) end
      assert_raise ArgumentError, fn -> VmHooks.run_segment(hook, %{}) end
    end

    for bad <- junk -- [:before], do: assert_raise(ArgumentError, fn -> VmHooks.segment(bad, []) end)

    for bad <- [-1 | junk -- [1]],
        do: assert_raise(ArgumentError, fn -> VmHooks.segment(:before, [], bad) end)

    for context <- junk, do: assert(is_tuple(VmHooks.run_segment(segment, context)))

    for name <- ["put", "redact", "require", "json_schema", "template"], config <- junk do
      assert {:error, {:invalid_config, _, message}} = VmHooks.native_hook(name, config)
      assert is_binary(message)
    end
  end

  test "resources outlive their terms only as long as they are held" do
    segment = segment!([{:put, %{field: :a, value: 1}}])
    :erlang.garbage_collect()
    assert VmHooks.run_segment(segment, %{}) == {:ok, %{a: 1}}
  end
end

# Alone, since it counts the atoms of the whole VM.
defmodule AtomTest do
  use VmHooksCase, async: false

  test "strings never become atoms" do
    before = :erlang.system_info(:atom_count)

    for n <- 1..500 do
      VmHooks.native_hook("unknown_#{n}", %{"key_#{n}" => n})
      VmHooks.native_hook("put", %{"field_#{n}" => n})
      run([{"put", %{"field" => "f_#{n}", "value" => "v_#{n}"}}], %{})
      run([{"template", %{"template" => "{{ v_#{n} }}", "into" => "o", "strict" => false}}], %{})
    end

    assert :erlang.system_info(:atom_count) - before < 50
  end
end

defmodule ConfigTest do
  use VmHooksCase, async: true

  test "hooks are listed" do
    listed = Map.new(VmHooks.native_hooks(), &{&1.name, &1})

    shipped =
      ~w(cache count_tokens drop increment json_schema put rate_limit redact rename require retry summarise template)

    of_tests = ~w(conformance conformance_around copy_field ending guard hold pause spin)
    assert Enum.sort(Map.keys(listed)) == Enum.sort(shipped ++ of_tests)
    assert %{cost: :light, phases: [:before, :after], doc: "Replaces" <> _} = listed["redact"]
    assert %{cost: :heavy} = listed["count_tokens"]
    assert %{cost: :light, phases: [:around]} = listed["retry"]
    assert %{cost: :blocking, phases: [:before, :after, :replace]} = listed["hold"]
    assert %{cost: :async} = listed["pause"]
  end

  test "unknown hooks" do
    assert VmHooks.native_hook(:redcat, %{}) == {:error, {:unknown_hook, :redcat, "redact"}}
    assert VmHooks.native_hook("zzz", %{}) == {:error, {:unknown_hook, "zzz", nil}}
  end

  test "mistakes are named with their field" do
    assert refusal(:put, %{feild: :a, value: 1}) ==
             {["feild"], "feild: unknown field feild; did you mean field? (known: field, value, overwrite)"}

    assert refusal(:put, %{field: :a}) == {["value"], "value: missing field value; add it"}
    assert refusal(:put, %{}) |> elem(0) == ["field"]
    assert refusal(:put, %{:field => :a, "field" => :b, :value => 1}) |> elem(0) == ["field"]

    assert refusal(:put, %{field: 1, value: 1}) ==
             {["field"], "field: expected a key (an atom or a string) or a list of keys, found an integer"}

    assert refusal(:redact, %{field: :a, patterns: ["a", 1]}) ==
             {["patterns", 1], "patterns[1]: expected a string, found integer `1`"}

    assert {["patterns", 0], "patterns[0]: regex parse error" <> _} =
             refusal(:redact, %{field: :a, patterns: ["("]})

    assert {["field"], _} = refusal(:redact, %{patterns: ["a"]})
    assert {["schema"], _} = refusal(:json_schema, %{field: :a, schema: %{type: :integr}})
    assert {["template"], _} = refusal(:template, %{template: "{% if %}", into: :a})

    assert {["encoding"], "encoding: unknown name cl100k" <> _} =
             refusal(:count_tokens, %{field: :a, into: :b, encoding: :cl100k})

    assert {["limit"], _} = refusal(:rate_limit, %{limit: 0})
    assert {["sentences"], _} = refusal(:summarise, %{field: :a, into: :b, sentences: 0})
    assert {["to"], _} = refusal(:rename, %{from: :a, to: [:a, :b]})
    assert {[], "expected a map or a keyword list, found a tuple"} = refusal(:put, {1, 2})
    assert {[], "a process identifier cannot be kept" <> _} = refusal(:put, %{field: :a, value: self()})
  end

  test "configurations nested too deep, and keyword lists" do
    deep = Enum.reduce(1..10_000, 1, fn _, inner -> [inner] end)

    assert {[], "the value is nested more than 32 levels deep" <> _} =
             refusal(:put, %{field: :a, value: deep})

    assert run([{:put, [field: :a, value: [b: 1]]}], %{}) == {:ok, %{a: [b: 1]}}
  end
end
