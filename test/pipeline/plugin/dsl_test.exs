defmodule Pipeline.Plugin.DSLTest do
  use Pipeline.InstanceCase, async: true

  defmodule Points do
    use Pipeline.Hook.Spec
    hookpoint :validate_node, kinds: [:before], context: [:node], doc: "refuses a node"
    hookpoint :execute_node
    hookpoint :route, mode: :first
  end

  describe "hook in all its forms" do
    test "with and without options and block" do
      module =
        plugin id: :x do
          hook :before, :bare
          hook :after, :with_options, priority: 60, on_error: :skip, timeout: 100

          hook :around, :with_block do
            def with_block(context, next), do: {:around, next.(context)}
          end

          hook :replace, :with_both, priority: 1, fun: :named, before: :a, after: ["b", :c] do
            def named(_context, _next), do: :replaced
          end

          hook :before, :native, native: :increment, config: %{field: :n}, cost: :heavy
          hook :before, :library, native: {Some.Library, :own}
          hook(:before, :parens, [])

          hook :before, :elsewhere
          def elsewhere(context, next), do: next.({:elsewhere, context})
        end

      plain = %{
        kind: :before,
        priority: 50,
        before: [],
        after: [],
        on_error: :halt,
        timeout: nil,
        when: nil,
        max_heap: nil,
        circuit: nil,
        native: nil,
        config: %{},
        cost: nil
      }

      assert module.__hooks__() == [
               Map.merge(plain, %{point: :bare, fun: :bare}),
               Map.merge(plain, %{
                 kind: :after,
                 point: :with_options,
                 fun: :with_options,
                 priority: 60,
                 on_error: :skip,
                 timeout: 100
               }),
               Map.merge(plain, %{kind: :around, point: :with_block, fun: :with_block}),
               Map.merge(plain, %{
                 kind: :replace,
                 point: :with_both,
                 fun: :named,
                 priority: 1,
                 before: [:a],
                 after: ["b", :c]
               }),
               Map.merge(plain, %{
                 point: :native,
                 fun: :native,
                 native: {Pipeline.Native, :increment},
                 config: %{field: :n},
                 cost: :heavy
               }),
               Map.merge(plain, %{point: :library, fun: :library, native: {Some.Library, :own}}),
               Map.merge(plain, %{point: :parens, fun: :parens}),
               Map.merge(plain, %{point: :elsewhere, fun: :elsewhere})
             ]

      assert module.bare(1, & &1) == 1
      assert module.with_block(1, & &1) == {:around, 1}
      assert module.named(1, & &1) == :replaced
      assert module.elsewhere(1, & &1) == {:elsewhere, 1}
      refute function_exported?(module, :native, 2)
      refute function_exported?(module, :with_both, 2)
    end

    test "a block may be written with do: on one line, with options" do
      module =
        plugin([id: :x], do: hook(:before, :step, priority: 70, do: def(step(c, next), do: next.({:seen, c}))))

      assert [%{priority: 70, fun: :step}] = module.__hooks__()
      assert module.step(1, & &1) == {:seen, 1}
    end

    test "one function may serve two points" do
      module =
        plugin id: :x do
          hook :before, :one, fun: :both
          hook :before, :two, fun: :both
          def both(context, next), do: next.(context)
        end

      assert [%{point: :one, fun: :both}, %{point: :two, fun: :both}] = module.__hooks__()
    end

    test "a spec lets through what it declares", %{instance: instance} do
      module =
        plugin id: :x, hooks: Points do
          hook :before, :validate_node
          hook :replace, :execute_node
          hook :listen, :route, do: def(route(_), do: :here)
        end

      assert module.__plugin__().spec == Points
      assert {:ok, :x} = Manager.load_plugin(module, %{}, instance: instance)
    end
  end

  # Each mistake, the line it is on, and the whole message.
  @mistakes [
    {"unknown option of use", "use Pipeline.Plugin, id: :x, versoin: \"1.0.0\"", 2,
     "unknown option :versoin of use Pipeline.Plugin. Did you mean :version? " <>
       "Known: :id, :version, :name, :description, :author, :hooks, :limits, :restart, :shutdown, :on_rpc_error"},
    {"bad id", "use Pipeline.Plugin, id: 5", 2, "the id of a plugin is an atom or a string, got: 5"},
    {"nil as id", "use Pipeline.Plugin, id: nil", 2, "the id of a plugin is an atom or a string, got: nil"},
    {"empty id", "use Pipeline.Plugin, id: \"\"", 2, "the id of a plugin is an atom or a string, got: \"\""},
    {"bad version", "use Pipeline.Plugin, version: \"1.0\"", 2,
     "the version of a plugin is a semantic version such as \"1.0.0\", got: \"1.0\""},
    {"version that is no string", "use Pipeline.Plugin, version: 1", 2,
     "the version of a plugin is a semantic version such as \"1.0.0\", got: 1"},
    {"bad description", "use Pipeline.Plugin, description: :x", 2,
     "the description of a plugin is a string, got: :x"},
    {"spec that is none", "use Pipeline.Plugin, hooks: Enum", 2,
     "hooks: takes a module that uses Pipeline.Hook.Spec, got: Enum"},
    {"capability", "use Pipeline.Plugin\ncapability \"x\"", 3,
     "the name of a capability is an atom, got: \"x\""},
    {"requirement", "use Pipeline.Plugin\ndepends_on :y, version: \"1.x\"", 3,
     "depends_on :y \"1.x\", which is not a version requirement"},
    {"dependency on what cannot be", "use Pipeline.Plugin\ndepends_on 5", 3,
     "depends_on 5, where a plugin id or capability: name belongs"},
    {"option of depends_on", "use Pipeline.Plugin\ndepends_on :y, versions: \"~> 1.0\"", 3,
     "unknown option :versions of depends_on :y. Did you mean :version? Known: :version, :optional, :rest_for_one"},
    {"version of a capability", "use Pipeline.Plugin\ndepends_on capability: :llm, version: \"~> 1.0\"", 3,
     "unknown option :version of depends_on {:capability, :llm}. Known: :optional"},
    {"option of provides", "use Pipeline.Plugin\nprovides :provider, M, prio: 1", 3,
     "unknown option :prio of provides :provider. Did you mean :priority? Known: :priority, :default"},
    {"type of provides", "use Pipeline.Plugin\nprovides \"provider\", M", 3,
     "provides takes an atom as the type, got: \"provider\""},
    {"module of provides", "use Pipeline.Plugin\nprovides :provider, \"M\"", 3,
     "provides takes a module, got: \"M\""},
    {"priority of provides", "use Pipeline.Plugin\nprovides :provider, M, priority: :high", 3,
     "the priority of a provider is an integer, got: :high"},
    {"option of hook", "use Pipeline.Plugin\n\nhook :before, :step, priorty: 5", 4,
     "unknown option :priorty of hook :before, :step. Did you mean :priority? " <>
       "Known: :priority, :before, :after, :fun, :on_error, :timeout, :max_heap, :circuit, :when, :native, :config, :cost"},
    {"kind", "use Pipeline.Plugin\nhook :befor, :step", 3,
     "unknown kind of hook :befor. Did you mean :before? Known: :before, :after, :around, :replace, :listen"},
    {"point that is no atom", "use Pipeline.Plugin\nhook :before, \"step\"", 3,
     "the name of a hook point is an atom, got: \"step\""},
    {"priority", "use Pipeline.Plugin\nhook :before, :step, priority: :high", 3,
     "the priority of a hook is an integer of at most 64 bits, got: :high"},
    {"priority nil", "use Pipeline.Plugin\nhook :before, :step, priority: nil", 3,
     "the priority of a hook is an integer of at most 64 bits, got: nil"},
    {"constraint", "use Pipeline.Plugin\nhook :before, :step, after: [:a, 1]", 3,
     "before: and after: take plugin ids, got: [:a, 1]"},
    {"on_error", "use Pipeline.Plugin\nhook :before, :step, on_error: :ignore", 3,
     "on_error: is :halt, :skip or :raise, got: :ignore"},
    {"timeout", "use Pipeline.Plugin\nhook :before, :step, timeout: 0", 3,
     "timeout: is a positive number of milliseconds, got: 0"},
    {"timeout of an around", "use Pipeline.Plugin\nhook :around, :step, native: :retry, timeout: 5", 3,
     "timeout: does not reach into a native :around hook; leave it out"},
    {"timeout of a native hook",
     "use Pipeline.Plugin\nhook :before, :step, native: :put, cost: :light, timeout: 5", 3,
     "timeout: does not reach into a native hook of cost :light, which no scheduler can interrupt; leave it out, or " <>
       "say cost: :blocking"},
    {"config without native", "use Pipeline.Plugin\nhook :before, :step, config: %{}", 3,
     "config: is for native hooks; name one with native:"},
    {"cost", "use Pipeline.Plugin\nhook :before, :step, native: :put, cost: 5", 3,
     "cost: is :light, :heavy or :blocking, got: 5"},
    {"native listener", "use Pipeline.Plugin\nhook :listen, :step, native: :put", 3,
     "native hooks are :before, :replace, :after or :around hooks, not :listen"},
    {"blocking around", "use Pipeline.Plugin\nhook :around, :step, native: :retry, cost: :blocking", 3,
     "cost: :blocking is for :before, :after and :replace hooks, not for :around"},
    {"native that is no name", "use Pipeline.Plugin\nhook :before, :step, native: \"put\"", 3,
     "native: is the name of a native hook or {library, name}, got: \"put\""},
    {"fun of a native hook", "use Pipeline.Plugin\nhook :before, :step, native: :put, fun: :x", 3,
     "a native hook has no function: leave fun: out"},
    {"block of a native hook", "use Pipeline.Plugin\nhook :before, :step, native: :put do\nnil\nend", 3,
     "the native hook on :step takes no function: leave out its do block"},
    {"arity without a spec", "use Pipeline.Plugin\nhook :before, :step do\ndef step(c), do: c\nend", 3,
     "the :before hook on :step is step/2, called as (context, next) or (context, next, plugin), but the module defines step/1"},
    {"block that defines another function",
     "use Pipeline.Plugin\nhook :before, :admit do\ndef admitt(c, n), do: n.(c)\nend", 3,
     "the block of the :before hook on :admit defines no admit/2. Did you mean :admitt? Define it there, or name the " <>
       "function that the hook is: fun: :name"},
    {"block that defines nothing", "use Pipeline.Plugin\nhook :listen, :step, priority: 60 do\nend", 3,
     "the block of the :listen hook on :step defines no step/1. Define it there, or name the function that the hook " <>
       "is: fun: :name"},
    {"arity of a listener", "use Pipeline.Plugin\nhook :listen, :step\ndef step(c, n, _), do: n.(c)", 3,
     "the :listen hook on :step is step/1, called as (context) or (context, plugin), but the module defines step/3"},
    {"private function",
     "use Pipeline.Plugin\nhook :before, :step\ndefp step(c, n), do: n.(c)\ndef x, do: step(1, & &1)", 3,
     "the hook function step/2 is private: define it with def"},
    {"listener without a function", "use Pipeline.Plugin\nhook :listen, :step", 3,
     "the hook on :step has no function: define step/1, called as (context) or (context, plugin)"},
    {"named function that is not there", "use Pipeline.Plugin\nhook :before, :step, fun: :other", 3,
     "the hook on :step has no function: define other/2, called as (context, next) or (context, next, plugin)"},
    {"two hooks that share a function", "use Pipeline.Plugin\nhook :before, :step\nhook :after, :step", 4,
     "two hooks on :step share the function step: give one of them another with fun: :name"},
    {"unknown point with a spec",
     "use Pipeline.Plugin, hooks: Pipeline.Plugin.DSLTest.Points\n\n\nhook :before, :validate_nod", 5,
     "unknown hook point :validate_nod: Pipeline.Plugin.DSLTest.Points does not declare it. " <>
       "Did you mean :validate_node? Declared: :execute_node, :route, :validate_node"},
    {"kind that a point does not take",
     "use Pipeline.Plugin, hooks: Pipeline.Plugin.DSLTest.Points\nhook :around, :validate_node", 3,
     "the hook point :validate_node of Pipeline.Plugin.DSLTest.Points takes no :around hooks, it takes: :before"},
    {"chain hook on a listening point",
     "use Pipeline.Plugin, hooks: Pipeline.Plugin.DSLTest.Points\nhook :before, :route", 3,
     "the hook point :route of Pipeline.Plugin.DSLTest.Points takes no :before hooks, it takes: :listen"},
    {"arity with a spec",
     "use Pipeline.Plugin, hooks: Pipeline.Plugin.DSLTest.Points\nhook :listen, :route do\ndef route(c, n, _), do: n.(c)\nend",
     3,
     "the :listen hook on :route is route/1, called as (context) or (context, plugin), but the module defines route/3"}
  ]

  describe "a compile error with file and line:" do
    for {name, source, line, message} <- @mistakes do
      test name do
        module = "Pipeline.DSLMistake#{System.unique_integer([:positive])}"
        message = compile_error("defmodule #{module} do\n#{unquote(source)}\nend")
        assert message == "plugin.ex:#{unquote(line)}: #{unquote(message)}"
      end
    end
  end

  describe "checked again when the plugin is loaded:" do
    test "a point that the spec no longer declares", %{instance: instance} do
      points = :"Elixir.Pipeline.ChangingPoints#{System.unique_integer([:positive])}"
      declare_points(points, [:old])
      module = plugin([id: :x, hooks: points], do: hook(:before, :old))
      remove(points)
      declare_points(points, [:older])
      on_exit(fn -> remove(points) end)

      assert {:error, %Error{step: :hooks, reason: {:invalid_hook, sentence}} = error} =
               Manager.load_plugin(module, %{}, instance: instance)

      assert sentence ==
               "unknown hook point :old: #{inspect(points)} does not declare it. Did you mean :older? Declared: :older"

      assert Exception.message(error) ==
               "could not load plugin :x (#{inspect(module)}) (step hooks): #{sentence}"
    end

    @tag hooks: Points
    test "the host's spec binds a plugin that names none", %{instance: instance} do
      module = plugin([id: :x], do: hook(:around, :validate_node))

      assert {:error, %Error{step: :hooks, reason: {:invalid_hook, sentence}}} =
               Manager.load_plugin(module, %{}, instance: instance)

      assert sentence =~ "takes no :around hooks"
      mistyped = plugin([id: :y], do: hook(:before, :validate_nod))

      assert {:error, %Error{step: :hooks, reason: {:invalid_hook, sentence}}} =
               Manager.load_plugin(mistyped, %{}, instance: instance)

      assert sentence =~ "unknown hook point :validate_nod"
      assert sentence =~ "Did you mean :validate_node?"
    end

    for {name, hook, config, part} <- [
          {"unknown native hook", :incremnt, %{field: :n}, "Did you mean \"increment\"?"},
          {"field that is missing", :increment, %{}, "is wrong: field: missing field field; add it"},
          {"field that is unknown", :increment, %{feld: :n},
           "is wrong: feld: unknown field feld; did you mean field?"},
          {"field of another type", :increment, %{field: :n, by: "x"},
           "is wrong: by: expected i64, found string \"x\""},
          {"pattern that does not compile", :redact, %{field: :n, patterns: ["fine", "("]},
           "is wrong: patterns[1]: regex parse error"},
          {"schema that is none", :json_schema, %{field: :n, schema: %{"type" => "integr"}},
           "is wrong: schema: "},
          {"template that is none", :template, %{template: "{{ x", into: :y}, "is wrong: template: "},
          {"rate that is none", :rate_limit, %{limit: 0}, "is wrong: limit: expected a nonzero u32"},
          {"rate over a time that is too short", :rate_limit, %{limit: 3_000_000, per_ms: 1},
           "is wrong: per_ms: limit in per_ms is more than one run per nanosecond; give a longer time"},
          {"rate over a time that is too long", :rate_limit, %{limit: 1, per_ms: 31_536_000_001},
           "is wrong: per_ms: no rate is counted over more than a year: expected at most 31536000000, found 31536000001"},
          {"config that is no map", :increment, :n, "is wrong: "}
        ] do
      test name, %{instance: instance} do
        module =
          plugin(
            [id: :x],
            do: hook(:before, :step, native: unquote(hook), config: unquote(Macro.escape(config)))
          )

        assert {:error, %Error{plugin: :x, step: :hooks, reason: {:invalid_hook, sentence}}} =
                 Manager.load_plugin(module, %{}, instance: instance)

        assert sentence =~ unquote(part)
        assert Manager.list_plugins(instance: instance) == []
        assert Hook.chain(:step, instance: instance) == []
      end
    end

    test "a native hook of a kind that it is not for", %{instance: instance} do
      module = plugin([id: :x], do: hook(:after, :step, native: :rate_limit, config: %{limit: 1}))

      assert {:error, %Error{reason: {:invalid_hook, sentence}}} =
               Manager.load_plugin(module, %{}, instance: instance)

      assert sentence == "the native hook :rate_limit is for :before hooks, not :after"
    end

    test "a library that is none", %{instance: instance} do
      module = plugin([id: :x], do: hook(:before, :step, native: {Enum, :map}))

      assert {:error, %Error{reason: {:invalid_hook, sentence}}} =
               Manager.load_plugin(module, %{}, instance: instance)

      assert sentence == "Enum is not a native library: a module that uses Pipeline.Native.Library"
    end
  end

  test "a native rate limit holds for the runs of a loaded plugin", %{instance: instance} do
    module =
      plugin id: :x do
        hook :before, :step, native: :rate_limit, config: %{limit: 2, per_ms: 3_600_000, key: :user}
      end

    {:ok, :x} = Manager.load_plugin(module, %{}, instance: instance)
    run = fn user -> Hook.run(instance, :step, %{user: user}, fn _ -> :ran end) end
    assert [run.("a"), run.("a"), run.("b")] == [{:ok, :ran}, {:ok, :ran}, {:ok, :ran}]
    assert {:error, {:rate_limited, %{retry_after_ms: wait}}} = run.("a")
    assert wait in 1..1_800_000
    assert Hook.run(instance, :step, %{}, & &1) == {:error, {:missing_field, [:user]}}
  end

  defp declare_points(module, points) do
    body =
      quote do
        use Pipeline.Hook.Spec
        unquote_splicing(for point <- points, do: quote(do: hookpoint(unquote(point))))
      end

    Module.create(module, body, __ENV__)
  end
end
