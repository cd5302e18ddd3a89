defmodule Pipeline.Hook.Policy.CheckTest do
  # The schemas of points: who hands on what does not fit is named, with the path of the field.
  use Pipeline.InstanceCase, async: true

  defmodule Hooks do
    use Pipeline.Hook.Spec

    hookpoint :chat,
      context: [prompt: [type: :string, required: true], options: [keys: [tokens: [type: :pos_integer]]]],
      result: [answer: [type: :string, required: true]]

    hookpoint :count, context: :integer, result: {:or, [:integer, nil]}
    hookpoint :told, mode: :notify, context: [name: [type: :string]]
    hookpoint :keys, context: [:prompt]
  end

  setup context do
    name = {context.test, make_ref()}
    check = Map.get(context, :check)
    start_supervised!({Manager, name: name, hooks: Hooks, check: check}, id: name)
    {:ok, name: name}
  end

  defp load(name, module), do: {:ok, _} = Manager.load_plugin(module, %{}, instance: name)

  # Each is in the place of others that do what is right.
  defp well_behaved do
    plugin id: :good, hooks: Hooks do
      hook :before, :chat, priority: 60 do
        def chat(context, next), do: next.(Map.put(context, :more, 1))
      end

      hook :after, :chat, fun: :after_chat, priority: 60 do
        def after_chat(result, next), do: next.(Map.put(result, :more, 1))
      end

      hook :around, :chat, fun: :around_chat, priority: 60 do
        def around_chat(context, next), do: next.(context)
      end
    end
  end

  defp answer(_context), do: %{answer: "yes"}

  test "what fits passes, with further fields", %{name: name} do
    load(name, well_behaved())
    assert Hook.run(name, :chat, %{prompt: "hi"}, &answer/1) == {:ok, %{answer: "yes", more: 1}}
    assert Hook.run(name, :count, 1, nil) == {:ok, 1}
    assert Hook.run(name, :told, %{name: "x"}, nil) == :ok
    assert Hook.run(name, :keys, %{}, nil) == {:ok, %{}}
  end

  for {kind, body, reason, part} <- [
        {:before, quote(do: next.(%{context | prompt: 5})), :invalid_context,
         "prompt: expected a string, got: 5"},
        {:before, quote(do: next.(Map.put(context, :options, %{tokens: 0}))), :invalid_context,
         "options.tokens: expected a positive integer, got: 0"},
        {:before, quote(do: next.(Map.delete(context, :prompt))), :invalid_context, "prompt: is required"},
        {:before, quote(do: next.(:nothing)), :invalid_context, "value: expected a map, got: :nothing"},
        {:before, quote(do: %{text: "early"}), :invalid_result, "answer: is required"},
        {:replace, quote(do: %{answer: :no}), :invalid_result, "answer: expected a string, got: :no"},
        {:after, quote(do: next.(Map.delete(context, :answer))), :invalid_result, "answer: is required"},
        {:around, quote(do: next.(%{})), :invalid_context, "prompt: is required"},
        {:around, quote(do: Map.delete(next.(context), :answer)), :invalid_result, "answer: is required"}
      ] do
    @kind kind
    @body body
    test "the #{kind} hook with #{Macro.to_string(body)} is named", %{name: name} do
      module =
        plugin id: :bad, hooks: Hooks do
          hook unquote(@kind), :chat do
            def chat(var!(context), var!(next)) do
              _ = {var!(context), var!(next)}

              unquote(
                Macro.postwalk(@body, fn
                  {name, meta, ctx} when name in [:context, :next] and is_atom(ctx) ->
                    {:var!, [], [{name, meta, nil}]}

                  other ->
                    other
                end)
              )
            end
          end
        end

      load(name, well_behaved())
      load(name, module)

      assert {:error,
              %Hook.Error{plugin: :bad, point: :chat, kind: @kind, reason: {unquote(reason), [sentence]}} =
                error} = Hook.run(name, :chat, %{prompt: "hi"}, &answer/1)

      assert sentence == unquote(part)
      assert Exception.message(error) =~ unquote(part)
    end
  end

  test "a native hook is named too, and runs without its neighbours", %{name: name} do
    module =
      plugin id: :native, hooks: Hooks do
        hook :before, :chat, native: :put, config: %{field: :more, value: 1}, priority: 60
        hook :before, :chat, native: :put, config: %{field: :prompt, value: 1}
      end

    load(name, module)

    assert {:error, %Hook.Error{plugin: :native, reason: {:invalid_context, [sentence]}}} =
             Hook.run(name, :chat, %{prompt: "hi"}, &answer/1)

    assert sentence == "prompt: expected a string, got: 1"
  end

  test "on_error: :skip leaves a hook out that hands on what does not fit", %{name: name} do
    module =
      plugin id: :bad, hooks: Hooks do
        hook :before, :count, on_error: :skip do
          def count(_context, next), do: next.("many")
        end
      end

    load(name, module)
    assert Hook.run(name, :count, 1, &(&1 + 1)) == {:ok, 2}
  end

  test "a run whose context does not fit raises, measured or not", %{name: name} do
    load(name, well_behaved())

    for _ <- 1..1_100 do
      error = assert_raise ArgumentError, fn -> Hook.run(name, :chat, %{prompt: 1}, &answer/1) end

      assert error.message =~
               "the context of this run of :chat does not fit its spec: prompt: expected a string, got: 1"
    end

    assert_raise ArgumentError, fn -> Hook.run(name, :count, "many", nil) end
    assert_raise ArgumentError, fn -> Hook.run(name, :told, %{name: 1}, nil) end
  end

  @tag check: false
  test "nothing is checked where the instance says so", %{name: name} do
    load(name, well_behaved())
    assert Hook.run(name, :chat, %{prompt: 1}, &answer/1) == {:ok, %{answer: "yes", more: 1}}
  end
end
