defmodule Pipeline.Plugin.ConfigSchemaTest do
  use Pipeline.InstanceCase, async: true

  alias Pipeline.Plugin.ConfigSchema
  alias Pipeline.Plugin.ConfigSchema.Problem

  doctest Pipeline.Plugin.ConfigSchema

  defp messages(config, schema) do
    assert {:error, {:invalid_config, problems}} = ConfigSchema.validate(config, schema)
    Enum.map(problems, &to_string/1)
  end

  defp schema_messages(schema) do
    assert {:error, {:invalid_schema, problems}} = ConfigSchema.check(schema)
    Enum.map(problems, &to_string/1)
  end

  describe "a type takes what is of it, and says what it expected" do
    for {type, right, wrong, message} <- [
          {:atom, [:x, nil], "x", "an atom, got: \"x\""},
          {:boolean, [true, false], nil, "true or false, got: nil"},
          {:integer, [0, -1], 1.0, "an integer, got: 1.0"},
          {:non_neg_integer, [0, 1], -1, "a non-negative integer, got: -1"},
          {:pos_integer, [1], 0, "a positive integer, got: 0"},
          {:float, [1.5], 1, "a float, got: 1"},
          {:number, [1.5, 1], "1", "a number, got: \"1\""},
          {:string, ["", "é"], <<255>>, "a string, got: <<255>>"},
          {:map, [%{}, %{a: 1}], [], "a map, got: []"},
          {:keyword_list, [[], [a: 1]], [1], "a keyword list, got: [1]"},
          {:module, [Enum], No.Such.Module, "a module that can be loaded, got: No.Such.Module"},
          {:timeout, [0, :infinity], :never, "a non-negative integer or :infinity, got: :never"},
          {:mfa, [{Enum, :map, []}], {Enum, :map, 2},
           "a tuple {module, function, args}, got: {Enum, :map, 2}"},
          {nil, [nil], false, "nil, got: false"},
          {{:in, [:a, "b", 3]}, [:a, "b", 3], :c, "one of :a, \"b\", 3, got: :c"},
          {{:in, 1..3}, [1, 3], 4, "an integer from 1 to 3, got: 4"},
          {{:list, :atom}, [[], [:a, :b]], :a, "a list, each element an atom, got: :a"},
          {{:list, :atom}, [], [:a | :b], "a list, each element an atom, got: [:a | :b]"},
          {{:tuple, [:atom, :integer]}, [{:a, 1}], {:a}, "a tuple of an atom, an integer, got: {:a}"},
          {{:map, :string, :integer}, [%{}, %{"a" => 1}], 1,
           "a map, each key a string, each value an integer, got: 1"},
          {{:struct, Range}, [1..2], %{}, "a struct %Range{}, got: %{}"},
          {{:or, [:integer, nil]}, [1, nil], :a, "an integer or nil, got: :a"}
        ] do
      test "#{inspect(type)} #{inspect(wrong)}" do
        schema = [field: [type: unquote(Macro.escape(type))]]

        for value <- unquote(Macro.escape(right)) do
          assert ConfigSchema.validate(%{field: value}, schema) == {:ok, %{field: value}}
        end

        assert messages(%{field: unquote(Macro.escape(wrong))}, schema) == [
                 "field: expected " <> unquote(message)
               ]
      end
    end

    test "any, and none" do
      for value <- [1, nil, "x"], schema <- [[field: [type: :any]], [field: []]] do
        assert ConfigSchema.validate(%{field: value}, schema) == {:ok, %{field: value}}
      end
    end

    test "a function, by its number of arguments, and a pid" do
      schema = [fun: [type: {:fun, 1}], pid: [type: :pid]]
      assert {:ok, _} = ConfigSchema.validate(%{fun: &(&1 + 1), pid: self()}, schema)

      assert ["fun: expected a function of 1 argument, got: " <> _, "pid: expected a pid, got: :x"] =
               messages(%{fun: &(&1 + &2), pid: :x}, schema)
    end

    test "a custom check says it in its own words and may put another value in place" do
      even = fn n -> if rem(n, 2) == 0, do: {:ok, div(n, 2)}, else: {:error, "is odd"} end
      schema = [n: [type: {:custom, even}], m: [type: {:custom, __MODULE__, :at_most, [3]}]]
      assert ConfigSchema.validate(%{n: 4, m: 3}, schema) == {:ok, %{n: 2, m: 3}}
      assert messages(%{n: 3, m: 4}, schema) == ["n: is odd, got: 3", "m: was refused: :too_large, got: 4"]
      assert messages(%{n: :x}, schema) == ["n: its check raised ArithmeticError"]
    end
  end

  def at_most(n, limit) when n <= limit, do: {:ok, n}
  def at_most(_n, _limit), do: {:error, :too_large}

  @nested [
    llm: [
      required: true,
      keys: [
        retries: [type: :pos_integer, default: 3],
        models: [type: {:list, {:map, [name: [type: :string, required: true]]}}],
        prices: [type: {:map, :string, :number}]
      ]
    ],
    paths: [type: :keyword_list, keys: [tmp: [type: :string]], default: []]
  ]

  test "all mistakes are told, each with its path" do
    config = %{
      llm: %{retries: -1, models: [%{name: "a"}, %{nam: "b"}, 3], prices: %{"x y" => :free, 1 => 2}},
      paths: [tmp: :none, tpm: ""],
      lmm: %{}
    }

    assert messages(config, @nested) |> Enum.sort() ==
             Enum.sort([
               "lmm: unknown field. Did you mean :llm? Known: :llm, :paths",
               "llm.retries: expected a positive integer, got: -1",
               "llm.models[1].nam: unknown field. Did you mean :name? Known: :name",
               "llm.models[1].name: is required",
               "llm.models[2]: expected a map, got: 3",
               "llm.prices[1]: expected a string, got: 1",
               "llm.prices[\"x y\"]: expected a number, got: :free",
               "paths.tpm: unknown field. Did you mean :tmp? Known: :tmp",
               "paths.tmp: expected a string, got: :none"
             ])
  end

  test "problems can be matched" do
    assert {:error, {:invalid_config, [problem]}} = ConfigSchema.validate(%{llm: %{retries: 0}}, @nested)
    assert %Problem{path: [:llm, :retries], reason: :type, got: {:ok, 0}} = problem

    assert {:error, {:invalid_config, [%Problem{path: [:llm], reason: :required}]}} =
             ConfigSchema.validate(%{}, @nested)
  end

  test "defaults are filled in, of nested fields where the nested field is there" do
    assert ConfigSchema.validate(%{llm: %{}}, @nested) == {:ok, %{llm: %{retries: 3}, paths: []}}
    schema = [llm: [keys: [retries: [default: 3]]], other: [default: %{}, keys: [a: [default: 1]]]]
    assert ConfigSchema.validate(%{}, schema) == {:ok, %{other: %{a: 1}}}
  end

  test "false and nil are values, not fields that are missing" do
    schema = [on: [type: :boolean, default: true], name: [type: {:or, [:string, nil]}, default: "x"]]
    assert ConfigSchema.validate(%{on: false, name: nil}, schema) == {:ok, %{on: false, name: nil}}
  end

  test "a nested map may be a keyword list, and the other way round" do
    assert ConfigSchema.validate(%{llm: [retries: 1], paths: %{tmp: "/"}}, @nested) ==
             {:ok, %{llm: %{retries: 1}, paths: [tmp: "/"]}}
  end

  describe "from outside" do
    test "strings stand for declared fields and choices, at any depth, and become no atoms" do
      schema = @nested ++ [tone: [type: {:in, [:plain, :formal]}]]
      unknown = "field_#{System.unique_integer([:positive])}_that_nobody_has_declared"

      assert ConfigSchema.validate(%{"llm" => %{"retries" => 1}, "tone" => "formal"}, schema) ==
               {:ok, %{llm: %{retries: 1}, paths: [], tone: :formal}}

      assert [message] = messages(%{"llm" => %{unknown => 1}}, schema)
      assert message == "llm[#{inspect(unknown)}]: unknown field. Known: :retries, :models, :prices"
      assert_raise ArgumentError, fn -> String.to_existing_atom(unknown) end
      assert [message] = messages(%{"llm" => %{}, "tone" => unknown}, schema)
      assert message =~ "tone: expected one of :plain, :formal"
      assert_raise ArgumentError, fn -> String.to_existing_atom(unknown) end
    end

    test "a misspelled string is met with a suggestion" do
      assert messages(%{"llm" => %{}, "lmm" => 1}, @nested) == [
               "lmm: unknown field. Did you mean :llm? Known: :llm, :paths"
             ]
    end

    test "a string that is not UTF-8, or too long to compare whole, is an unknown field" do
      schema = [times: [type: :integer]]
      long = String.duplicate("ä", 50)

      for key <- [<<255>>, long, "x" <> long, "timez" <> <<255>>] do
        assert [message] = messages(%{key => 1}, schema)
        assert message =~ "unknown field. Known: :times"
      end
    end

    test "a field that is given under its atom and its string is given twice" do
      assert messages(%{"a" => 1, a: 1}, a: []) == ["a: is given twice"]
      assert messages(%{nested: [a: 1, a: 2]}, nested: [keys: [a: []]]) == ["nested.a: is given twice"]
    end

    test "a configuration that is no map, and a struct" do
      assert messages(:nonsense, a: []) == ["expected a map, got: :nonsense"]
      assert messages(1..2, a: []) == ["expected a map, got: 1..2"]
      assert messages(%{nested: 1..2}, nested: [keys: []]) == ["nested: expected a map, got: 1..2"]
    end

    test "a large value is shown in part" do
      assert [message] = messages(%{a: Enum.to_list(1..1000)}, a: [type: :atom])
      assert message == "a: expected an atom, got: [1, 2, 3, 4, 5, ...]"
    end
  end

  test "a secret is in no problem, at any depth" do
    refuse = fn value -> {:error, "bad: #{value}"} end

    schema = [
      key: [type: :pos_integer, secret: true],
      keys: [type: {:map, :atom, :integer}, secret: true],
      nested: [secret: true, keys: [a: [type: :integer]]],
      custom: [type: {:custom, refuse}, secret: true]
    ]

    config = %{key: "s3cr3t", keys: %{"s3cr3t" => 1}, nested: %{"s3cr3t" => 1, a: "s3cr3t"}, custom: "s3cr3t"}
    assert {:error, {:invalid_config, problems} = error} = ConfigSchema.validate(config, schema)
    refute inspect(error) =~ "s3cr3t"

    assert Enum.map(problems, &to_string/1) == [
             "key: expected a positive integer",
             "keys: expected an atom",
             "nested: is wrong",
             "nested: expected an integer",
             "custom: is wrong"
           ]

    wrong_default = [key: [type: :integer, secret: true, default: "s3cr3t"]]
    refute inspect(ConfigSchema.check(wrong_default)) =~ "s3cr3t"
  end

  test "any value against any schema is a result, of which a second check makes nothing else" do
    seed = :rand.uniform(1_000_000)
    :rand.seed(:exsss, seed)

    for _ <- 1..2_000 do
      schema = [field: [type: random_type(3)], other: [default: %{}, keys: [inner: [type: random_type(2)]]]]
      config = %{"field" => random_value(3), other: random_value(2)}

      case ConfigSchema.validate(config, schema) do
        {:ok, config} ->
          assert ConfigSchema.validate(config, schema) == {:ok, config},
                 "seed #{seed}: #{inspect({config, schema})}"

        {:error, {:invalid_config, problems}} ->
          for problem <- problems, do: assert(String.valid?(to_string(problem)), "seed #{seed}")
      end

      assert is_binary(ConfigSchema.docs(schema))
    end

    for _ <- 1..2_000, wrong = random_value(4) do
      case ConfigSchema.check(wrong) do
        :ok ->
          assert Keyword.keyword?(wrong)

        {:error, {:invalid_schema, problems}} ->
          for problem <- problems, do: assert(is_binary(to_string(problem)))
      end
    end
  end

  @leaves [
            :any,
            :atom,
            :boolean,
            :integer,
            :pos_integer,
            :number,
            :string,
            :map,
            :keyword_list,
            :timeout,
            :mfa,
            nil
          ] ++
            [{:in, [:a, "b", 1]}, {:in, 1..3}, {:fun, 1}, {:struct, Range}]

  defp random_type(0), do: Enum.random(@leaves)

  defp random_type(depth) do
    inner = fn -> random_type(depth - 1) end

    case :rand.uniform(7) do
      1 -> {:list, inner.()}
      2 -> {:tuple, [inner.(), inner.()]}
      3 -> {:map, inner.(), inner.()}
      4 -> {:or, [inner.(), inner.()]}
      5 -> {:map, [a: [type: inner.()], b: [type: inner.(), required: true]]}
      6 -> {:keyword_list, [a: [type: inner.(), secret: true]]}
      7 -> random_type(0)
    end
  end

  @values [nil, true, :a, :b, :infinity, 0, 1, -1, 2.5, "", "a", "b", <<255>>, 1..2, [], %{}, {}] ++
            [{Enum, :map, []}, &Function.identity/1, [1 | 2], :type, :keys]

  defp random_value(0), do: Enum.random(@values)

  defp random_value(depth) do
    inner = fn -> random_value(depth - 1) end

    case :rand.uniform(7) do
      1 -> [inner.(), inner.()]
      2 -> {inner.(), inner.()}
      3 -> %{inner.() => inner.(), b: inner.()}
      4 -> %{"a" => inner.(), "b" => inner.()}
      5 -> [a: inner.()]
      6 -> [{Enum.random([:a, :type, :keys, :default]), inner.()} | [b: [type: inner.()]]]
      7 -> random_value(0)
    end
  end

  describe "a schema that is wrong" do
    for {name, schema, message} <- [
          {"no list", :nonsense, "a schema is a keyword list of fields, got: :nonsense"},
          {"unknown type", [a: [keys: [b: [type: :strnig]]]],
           "a.b: unknown type :strnig. Did you mean :string?"},
          {"unknown type within", [a: [type: {:list, {:or, [:atom, {:lst, 1}]}}]],
           "a: unknown type {:lst, 1}"},
          {"unknown option", [a: [requird: true]],
           "a: unknown option :requird of a field. Did you mean :required? Known: :type, :required, :default, :keys, :secret, :doc"},
          {"no options", [a: :string], "a: options of a field are a keyword list, got: :string"},
          {"required", [a: [required: 1]], "a: required: takes true or false, got: 1"},
          {"doc", [a: [doc: 1]], "a: doc: takes a string or false"},
          {"default", [a: [keys: [b: [type: :integer, default: "1"]]]],
           "a.b: its default does not fit: expected an integer, got: \"1\""},
          {"default of nested", [a: [default: %{}, keys: [b: [required: true]]]],
           "a.b: its default does not fit: is required"},
          {"default of what is required", [a: [required: true, default: 1]],
           "a: has a default, so it is not required: leave out required: or default:"},
          {"keys of a list", [a: [type: :string, keys: []]],
           "a: keys: is for the types :map and :keyword_list, not for :string"},
          {"twice", [a: [], a: []], "a: is declared twice"},
          {"function that is not there", [a: [type: {:custom, Enum, :no_such, [1]}]],
           "a: its check Enum.no_such/2 is not defined"},
          {"improper", [a: [type: {:or, [:atom | :string]}]], "a: unknown type {:or, [:atom | :string]}"}
        ] do
      test "says where: #{name}" do
        assert schema_messages(unquote(Macro.escape(schema))) == [unquote(message)]
      end
    end

    test "is told of, rather than the configuration" do
      assert {:error, {:invalid_schema, [_]} = error} = ConfigSchema.validate(%{}, a: [type: :x])

      assert ConfigSchema.format(error) ==
               "its config_schema/0 is invalid, not the configuration: a: unknown type :x."

      assert_raise ArgumentError, ~r/unknown type :x/, fn -> ConfigSchema.docs(a: [type: :x]) end
    end
  end

  test "docs show types, defaults, what is required and what is nested, and no secret" do
    schema = [
      model: [type: {:in, [:small, :large]}, required: true, doc: "Which model\nanswers."],
      llm: [default: %{}, keys: [retries: [type: :pos_integer, default: 3, doc: "How often."]]],
      servers: [type: {:list, {:map, [host: [type: :string]]}}],
      key: [type: :string, default: "s3cr3t", secret: true],
      hidden: [doc: false]
    ]

    assert ConfigSchema.docs(schema) == """
           * `:model` - one of :small, :large, required. Which model
             answers.
           * `:llm` - a map, by default `%{}`. Its fields:
             * `:retries` - a positive integer, by default `3`. How often.
           * `:servers` - a list, each element a map. Its fields:
             * `:host` - a string.
           * `:key` - a string, with a default.\
           """
  end

  describe "loading a plugin" do
    defp chat do
      plugin id: :chat do
        @impl Pipeline.Plugin
        def config_schema do
          [
            model: [type: :string, required: true],
            llm: [default: %{}, keys: [retries: [default: 3, type: :pos_integer]]]
          ]
        end

        @impl Pipeline.Plugin
        def handle_rpc(:config, config), do: {:reply, config, config}
      end
    end

    test "gives init/1 the configuration with its defaults", %{instance: instance} do
      assert {:ok, :chat} = Manager.load_plugin(chat(), %{"model" => "large"}, instance: instance)
      full = %{model: "large", llm: %{retries: 3}}
      assert RPC.call(:chat, :config, 5000, instance: instance) == {:ok, full}
      assert %{config: ^full} = Manager.plugin_info!(:chat, instance: instance)
    end

    test "refuses one that does not fit, before anything is started", %{instance: instance} do
      module = chat()

      assert {:error, %Error{plugin: :chat, step: :config, reason: {:invalid_config, [_, _]}} = error} =
               Manager.load_plugin(module, %{llm: %{retries: -1}}, instance: instance)

      assert Exception.message(error) ==
               "could not load plugin :chat (#{inspect(module)}) (step config): its configuration is invalid: " <>
                 "model: is required; llm.retries: expected a positive integer, got: -1"

      assert Manager.list_plugins(instance: instance) == []
    end

    test "with others refuses all of them", %{instance: instance} do
      other = plugin([id: :other], do: nil)

      assert {:error, %Error{plugin: :chat, step: :config}} =
               Manager.load_plugins([other, {chat(), %{}}], instance: instance)

      assert Manager.list_plugins(instance: instance) == []
    end

    test "tells of a schema that is wrong, raises or hangs", %{instance: instance} do
      wrong =
        plugin id: :wrong do
          @impl Pipeline.Plugin
          def config_schema, do: [a: [type: :strng]]
        end

      raising =
        plugin id: :raising do
          @impl Pipeline.Plugin
          def config_schema, do: raise("no luck")
        end

      hanging =
        plugin id: :hanging do
          @impl Pipeline.Plugin
          def config_schema, do: receive(do: (:never -> []))
        end

      assert {:error, %Error{step: :config, reason: {:invalid_schema, _}} = error} =
               Manager.load_plugin(wrong, %{}, instance: instance)

      assert Exception.message(error) =~
               "its config_schema/0 is invalid, not the configuration: a: unknown type :strng. Did you mean :string?"

      assert {:error, %Error{step: :config, reason: {:schema_failed, {:raised, _, _}}} = error} =
               Manager.load_plugin(raising, %{}, instance: instance)

      assert Exception.message(error) =~
               "its configuration could not be validated, its config_schema/0 failed: it raised ** (RuntimeError) no luck"

      assert {:error, %Error{reason: {:schema_failed, :timeout}}} =
               Manager.load_plugin(hanging, %{}, instance: instance, timeout: 20)
    end
  end
end
