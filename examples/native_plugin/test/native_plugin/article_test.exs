defmodule NativePlugin.ArticleTest do
  use ExUnit.Case, async: true
  use Pipeline.Plugin.Test

  alias NativePlugin.{Article, TextHooks}
  alias Pipeline.Hook
  alias Pipeline.Hook.Manager, as: Hooks

  test_plugin Article do
    test "hooks of three origins work on one article", %{instance: instance} do
      article = %{text: "Native hooks.   They run\n in one call.", author: "Ada"}

      assert run_hook(instance, :publish, article) ==
               {:ok,
                %{
                  text: "Native hooks. They run in one call.",
                  author: "Ada",
                  title: "Native hooks",
                  minutes: 1,
                  state: "published"
                }}
    end

    test "neighbours of one library are one native call", %{instance: instance} do
      chain = Hook.chain(:publish, instance: instance)

      assert Enum.map(chain, &{&1.tier, &1[:native], &1[:segment]}) == [
               {:native, {Pipeline.Native, :require}, 1},
               {:native, {TextHooks, :squeeze}, 2},
               {:native, {TextHooks, :word_limit}, 2},
               {:elixir, nil, nil},
               {:native, {TextHooks, :reading_time}, 3},
               {:native, {Pipeline.Native, :put}, 4}
             ]
    end

    test "a refusal names its reason; the hooks before it have run, those after it not", %{
      instance: instance
    } do
      text = String.duplicate(" word", 21)
      assert run_hook(instance, :publish, %{text: text}) == {:error, {:too_long, 21, 20}}
      assert {:error, {:missing_field, [:text]}} = run_hook(instance, :publish, %{})
    end

    test "that many calls are made", %{instance: instance} do
      libraries = [TextHooks, Pipeline.Native]
      run = Task.async(fn -> receive(do: (:go -> run_hook(instance, :publish, %{text: "a  b"}))) end)

      for library <- libraries, function <- [:run_segment, :run_segment_dirty] do
        1 = :erlang.trace_pattern({library, function, 2}, true, [])
      end

      1 = :erlang.trace(run.pid, true, [:call])
      pid = run.pid
      send(pid, :go)
      assert {:ok, %{text: "a b"}} = Task.await(run)

      for library <- [Pipeline.Native, TextHooks, TextHooks, Pipeline.Native] do
        assert_receive {:trace, ^pid, :call, {^library, _run_segment, [_segment, _context]}}
      end

      refute_received {:trace, ^pid, :call, _}
    end
  end

  describe "the library" do
    test "lists its hooks, and only its own" do
      assert TextHooks.native_hooks() |> Enum.map(& &1.name) |> Enum.sort() ==
               ["reading_time", "squeeze", "word_limit"]

      assert %{phases: [:before], cost: :light, doc: "Refuses a text of more words than the limit."} =
               Enum.find(TextHooks.native_hooks(), &(&1.name == "word_limit"))
    end

    test "exports what runs segments" do
      assert {:ok, squeeze} = TextHooks.native_hook("squeeze", %{field: :text})
      assert {:ok, time} = TextHooks.native_hook("reading_time", %{field: :text, put: [:meta, :minutes]})
      segment = TextHooks.segment(:before, [{squeeze, :halt}, {time, :halt}])
      result = {:ok, %{text: "a b", meta: %{minutes: 1}}}

      assert TextHooks.run_segment(segment, %{text: "a  b"}) == result
      assert TextHooks.run_segment_dirty(segment, %{text: "a  b"}) == result
    end

    test "runs its hooks after the result too" do
      hooks =
        Hooks.new()
        |> Hooks.register(:note, {:native, {TextHooks, :squeeze}, %{field: :text}}, kind: :after)

      assert Hooks.run(hooks, :note, " a  b", &%{text: &1}) == {:ok, %{text: "a b"}}
    end

    test "fails with the name of its hook and of the plugin" do
      squeeze = {:native, {TextHooks, :squeeze}, %{field: :text}}
      hooks = Hooks.register(Hooks.new(), :note, squeeze, plugin: :notes)

      assert {:error, %Hook.Error{plugin: :notes, point: :note, kind: :before} = error} =
               Hooks.run(hooks, :note, %{text: 7})

      assert %Hook.NativeError{hook: {TextHooks, :squeeze}} = error.reason
      assert Exception.message(error) =~ ":text is an integer; expected a string"
    end

    test "refuses a configuration, a phase and a name, by messages" do
      assert refusal({TextHooks, :word_limit}, %{field: :text, words: 0}) =~
               "a limit below one word refuses everything"

      assert refusal({TextHooks, :word_limit}, %{field: :text, wrods: 9}) =~ "words"
      assert refusal({TextHooks, :word_limt}, %{}) =~ ~s(Did you mean "word_limit"?)

      assert refusal({TextHooks, :word_limit}, %{field: :text, words: 9}, :after) =~
               "is for :before hooks, not :after"
    end
  end

  defp refusal(native, config, kind \\ :before) do
    error =
      assert_raise ArgumentError, fn ->
        Hooks.register(Hooks.new(), :note, {:native, native, config}, kind: kind)
      end

    error.message
  end
end
