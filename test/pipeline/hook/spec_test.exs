defmodule Pipeline.Hook.SpecTest do
  use Pipeline.InstanceCase, async: true

  alias Pipeline.Hook.Spec

  defmodule Points do
    use Pipeline.Hook.Spec

    hookpoint :plain
    hookpoint :narrow, kinds: [:before, :after], context: [:node], doc: "for some"
    hookpoint :first, mode: :first
    hookpoint :collect, mode: :collect, kinds: [:listen]
    hookpoint :notify, mode: :notify
  end

  defmodule Empty do
    use Pipeline.Hook.Spec
  end

  test "what is declared is data" do
    one_by_one = %{tagged: false, concurrency: 1}
    assert Enum.all?(Points.__hookpoints__(), fn {_point, declared} -> declared.listening == one_by_one end)

    assert Map.new(Points.__hookpoints__(), fn {point, declared} ->
             assert {:open, false} = {declared.fail, declared.required}
             {point, Map.drop(declared, [:listening, :fail, :required, :schemas])}
           end) == %{
             plain: %{mode: :chain, kinds: [:before, :after, :around, :replace], context: [], doc: ""},
             narrow: %{mode: :chain, kinds: [:before, :after], context: [:node], doc: "for some"},
             first: %{mode: :first, kinds: [:listen], context: [], doc: ""},
             collect: %{mode: :collect, kinds: [:listen], context: [], doc: ""},
             notify: %{mode: :notify, kinds: [:listen], context: [], doc: ""}
           }

    assert Empty.__hookpoints__() == %{}
  end

  test "check/3 and mode/2" do
    assert Spec.check(Points, :plain, :around) == :ok
    assert Spec.check(Points, :first, :listen) == :ok

    assert Spec.check(Points, :narrow, :around) ==
             {:error,
              "the hook point :narrow of #{inspect(Points)} takes no :around hooks, it takes: :before, :after"}

    assert Spec.check(Points, :plian, :before) ==
             {:error,
              "unknown hook point :plian: #{inspect(Points)} does not declare it. Did you mean :plain? " <>
                "Declared: :collect, :first, :narrow, :notify, :plain"}

    assert Spec.mode(Points, :notify) == :notify
    assert Spec.mode(Points, :plian) == nil
  end

  for {name, source, message} <- [
        {"option", "hookpoint :a, kind: [:before]",
         "unknown option :kind of hookpoint :a. Did you mean :kinds? Known: :mode, :kinds, :tagged, :concurrency, :fail, :required, :context, :result, :doc"},
        {"mode", "hookpoint :a, mode: :frist",
         "unknown mode :frist of the hook point :a. Did you mean :first? Known: :chain, :first, :collect, :notify"},
        {"kinds of a chain", "hookpoint :a, kinds: [:listen]",
         "the hook point :a runs as :chain, which has the kinds :before, :after, :around, :replace; got: [:listen]"},
        {"no kinds", "hookpoint :a, kinds: []",
         "the hook point :a runs as :chain, which has the kinds :before, :after, :around, :replace; got: []"},
        {"kinds of a listening point", "hookpoint :a, mode: :first, kinds: [:before]",
         "the hook point :a runs as :first, which has the kinds :listen; got: [:before]"},
        {"name", "hookpoint \"a\"", "the name of a hook point is an atom, got: \"a\""},
        {"the same point twice", "hookpoint :b\nhookpoint :b", "the hook point :b is declared twice"}
      ] do
    test "a compile error with file and line: #{name}" do
      source = unquote(source)
      line = 2 + length(String.split(source, "\n"))
      module = "Pipeline.SpecMistake#{System.unique_integer([:positive])}"
      message = compile_error("defmodule #{module} do\nuse Pipeline.Hook.Spec\n#{source}\nend")
      assert message == "plugin.ex:#{line}: #{unquote(message)}"
    end
  end

  @tag hooks: Points
  test "declared points run in their mode without a plugin", %{instance: instance} do
    run = &Hook.run(instance, &1, 1, nil)
    assert Enum.map([:plain, :first, :collect, :notify], run) == [{:ok, 1}, {:ok, nil}, {:ok, []}, :ok]
  end

  test "a plugin brings the mode of its spec to an instance without one", %{instance: instance} do
    module = plugin([id: :x, hooks: Points], do: hook(:listen, :collect, do: def(collect(n), do: n)))
    {:ok, :x} = Manager.load_plugin(module, %{}, instance: instance)
    assert Hook.run(instance, :collect, 1, nil) == {:ok, [1]}
    :ok = Manager.unload_plugin(:x, instance: instance)
    assert Hook.run(instance, :collect, 1, nil) == {:ok, 1}
  end

  test "two plugins whose specs declare a point with different modes cannot both be loaded", %{
    instance: instance
  } do
    other = :"Elixir.Pipeline.OtherPoints#{System.unique_integer([:positive])}"

    Module.create(
      other,
      quote do
        use Pipeline.Hook.Spec
        hookpoint :collect, mode: :notify
      end,
      __ENV__
    )

    on_exit(fn -> remove(other) end)
    one = plugin([id: :one, hooks: Points], do: hook(:listen, :collect, do: def(collect(n), do: n)))
    two = plugin([id: :two, hooks: other], do: hook(:listen, :collect, do: def(collect(n), do: n)))
    {:ok, :one} = Manager.load_plugin(one, %{}, instance: instance)

    assert {:error, %Error{reason: {:invalid_hook, sentence}}} =
             Manager.load_plugin(two, %{}, instance: instance)

    assert sentence ==
             "the hook point :collect runs as :collect here and the plugin's spec declares it as :notify: " <>
               "agree on one spec"
  end
end
