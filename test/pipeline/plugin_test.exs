defmodule Pipeline.PluginTest do
  use Pipeline.InstanceCase, async: true

  defmodule Full do
    use Pipeline.Plugin,
      id: :full,
      name: "Full",
      version: "1.2.3-rc.1+build.5",
      description: "Has everything.",
      author: "Ada"

    @moduledoc "Not the description."

    capability :one
    capability :two, %{any: {:term, [1.5, "x"]}}
    depends_on :needed, version: "~> 1.0"
    depends_on "text id", optional: true
    depends_on capability: :llm
    depends_on {:capability, :llm}, optional: true
    provides :node_handler, Some.Handler
    provides :provider, Some.Provider, priority: 60, default: true
    hook :before, :step
    hook :after, :step, fun: :after_step
    hook :around, :other, native: nil

    def after_step(result, next), do: next.(result)
  end

  defmodule Plain do
    use Pipeline.Plugin
  end

  defmodule DocAtTheEnd do
    use Pipeline.Plugin, id: "doc"
    capability :x

    @moduledoc """
    Says what it is,
    in two lines.
    """
  end

  defmodule DocFirst do
    @moduledoc "First."
    use Pipeline.Plugin, id: :doc_first
  end

  defmodule NoDoc do
    @moduledoc false
    use Pipeline.Plugin, id: :no_doc
  end

  test "the manifest is what was declared, in that order" do
    assert Full.__plugin__() == %{
             id: :full,
             name: "Full",
             version: "1.2.3-rc.1+build.5",
             description: "Has everything.",
             author: "Ada",
             capabilities: [
               one: [],
               two: %{any: {:term, [1.5, "x"]}},
               node_handler: [module: Some.Handler],
               provider: [module: Some.Provider, priority: 60, default: true]
             ],
             dependencies: [
               {:needed, [version: "~> 1.0"]},
               {"text id", [optional: true]},
               {{:capability, :llm}, []},
               {{:capability, :llm}, [optional: true]}
             ],
             hooks: %{before: [:step], after: [:step], around: [:other]},
             spec: nil
           }
  end

  test "without options: the module is the id, version 1.0.0, no description" do
    assert Plain.__plugin__() == %{
             id: Plain,
             name: "Pipeline.PluginTest.Plain",
             version: "1.0.0",
             description: "",
             author: "Unknown",
             capabilities: [],
             dependencies: [],
             hooks: %{},
             spec: nil
           }
  end

  test "the description is the moduledoc, wherever it stands" do
    assert DocAtTheEnd.__plugin__().description == "Says what it is,\nin two lines."
    assert DocFirst.__plugin__().description == "First."
    assert NoDoc.__plugin__().description == ""
  end

  test "an id may be a string" do
    assert %{id: "doc", name: "doc"} = DocAtTheEnd.__plugin__()
  end

  test "the manifest is written into the BEAM file" do
    [{module, beam}] =
      Code.compile_string("""
      defmodule Pipeline.PluginTest.Persisted do
        use Pipeline.Plugin, id: "persisted", version: "3.0.0"
        @moduledoc "On disk."
        capability :x, y: 1
        hook :before, :step
      end
      """)

    on_exit(fn -> remove(module) end)
    assert {:ok, {^module, [attributes: attributes]}} = :beam_lib.chunks(beam, [:attributes])
    assert [manifest] = List.wrap(attributes[:pipeline_plugin])
    assert manifest == module.__plugin__()
  end

  test "init/1 keeps the configuration unless it is written, and can be overridden" do
    assert Plain.init(%{a: 1}) == {:ok, %{a: 1}}
    refute function_exported?(Plain, :start, 1)
  end

  test "a hook that is declared and not written hands the context on" do
    assert Full.step(1, &(&1 + 1)) == 2
    assert Full.other(1, &(&1 + 1)) == 2
  end

  test "a plugin can stand under a supervisor" do
    assert %{id: Plain, start: {Pipeline.Plugin.Wrapper, :start_link, [{Plain, []}]}, restart: :permanent} =
             Plain.child_spec([])
  end

  describe "Manifest.check/1" do
    doctest Pipeline.Plugin.Manifest

    @good %{id: :x, version: "1.0.0", capabilities: [], dependencies: []}

    test "takes what the macro makes" do
      for module <- [Full, Plain, DocAtTheEnd],
          do: assert(Pipeline.Plugin.Manifest.check(module.__plugin__()) == :ok)
    end

    for {field, value, sentence} <- [
          {:id, nil, "its id is nil, where an atom or a string belongs"},
          {:id, "", "its id is \"\", where an atom or a string belongs"},
          {:id, 5, "its id is 5, where an atom or a string belongs"},
          {:version, :x, "its version is :x, which is not a semantic version such as \"1.0.0\""},
          {:capabilities, [:x], "its capabilities are [:x], where a list of {name, value} belongs"},
          {:dependencies, :x, "its dependencies are :x, where a list of {id, options} belongs"},
          {:dependencies, [:x], "its dependency :x is not a pair of id and options"},
          {:dependencies, [{5, []}], "it depends on 5, where a plugin id or capability: name belongs"},
          {:dependencies, [{:x, :y}], "its dependency {:x, :y} has options that are no keyword list"},
          {:dependencies, [{:x, [version: "1.x"]}],
           "it depends on :x \"1.x\", which is not a version requirement"}
        ] do
      test "#{field} #{inspect(value)}" do
        manifest = Map.put(@good, unquote(field), unquote(Macro.escape(value)))
        assert Pipeline.Plugin.Manifest.check(manifest) == {:error, unquote(sentence)}
      end
    end

    test "versions are those that Version takes, with numbers of 14 digits at most" do
      nines = String.duplicate("9", 14)

      for number <- ["0", "1", "10", "01", "", "-1", "x", "1 ", nines, "1" <> nines],
          form <- [
            "~s.0.0",
            "1.~s.0",
            "1.2.~s",
            "~s",
            "1.~s",
            "1.2.3.~s",
            "1.2.3-~s",
            "1.2.3-rc.~s",
            "1.2.3+~s"
          ] do
        version = form |> :io_lib.format([number]) |> IO.iodata_to_binary()

        valid? =
          match?({:ok, _}, Version.parse(version)) and not (number == "1" <> nines and not (form =~ "+"))

        assert {version, Pipeline.Plugin.Manifest.check(%{@good | version: version}) == :ok} ==
                 {version, valid?}
      end
    end

    test "what is missing, and what is no map" do
      assert Pipeline.Plugin.Manifest.check(%{id: :x}) == {:error, "its manifest has no :version"}
      assert Pipeline.Plugin.Manifest.check(:x) == {:error, "its manifest is not a map but :x"}
    end

    # A proper list is one thing to ask of terms from outside, a list at all another.
    test "improper lists" do
      for field <- [:capabilities, :dependencies] do
        manifest = Map.put(@good, field, [{:x, []} | :y])
        assert {:error, sentence} = Pipeline.Plugin.Manifest.check(manifest)
        assert sentence =~ "its #{field} are [{:x, []} | :y]"
      end
    end
  end
end
