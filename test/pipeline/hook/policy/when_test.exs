defmodule Pipeline.Hook.Policy.WhenTest do
  use Pipeline.InstanceCase, async: true

  defmodule Points do
    use Pipeline.Hook.Spec
    hookpoint :step
    hookpoint :native
    hookpoint :gather, mode: :collect
    hookpoint :broken
  end

  @moduletag hooks: Points

  setup %{instance: instance} do
    module =
      plugin id: :choosy do
        hook :around, :step, fun: :around, when: fn context -> context.around end
        hook :before, :step, fun: :before, when: & &1.before
        hook :before, :step, fun: :skipped, when: :skipped?, on_error: :skip, timeout: 5_000
        hook :replace, :step, fun: :stand_in, when: %{replace: true}
        hook :after, :step, fun: :later, when: &Enum.member?(&1.seen, :before)
        hook :listen, :gather, when: %{wanted: true, also: 1}
        hook :listen, :gather, fun: :always

        hook :before, :native, native: :increment, config: %{field: :n}
        hook :before, :native, native: :increment, config: %{field: :n}, when: %{type: :llm}
        hook :before, :native, native: :increment, config: %{field: :n}
        hook :before, :native, native: :increment, config: %{field: :m}, when: %{type: :llm}, on_error: :skip
        hook :before, :broken, fun: :before, when: &raise(&1)
        hook :before, :broken, fun: :skipped, when: &raise(&1), on_error: :skip

        def skipped?(context), do: context.skipped
        def around(context, next), do: next.(see(context, :around))
        def before(context, next), do: next.(see(context, :before))
        def skipped(context, next), do: next.(see(context, :skipped))
        def stand_in(context, _next), do: see(context, :replace)
        def later(context, next), do: next.(see(context, :after))
        def gather(_context), do: :wanted
        def always(_context), do: :always

        defp see(context, who), do: Map.update(context, :seen, [who], &(&1 ++ [who]))
      end

    {:ok, :choosy} = Manager.load_plugin(module, %{}, instance: instance)
    :ok
  end

  @all %{around: true, before: true, skipped: true, replace: true, seen: []}

  test "a hook is called in the runs that meet its condition", %{instance: instance} do
    for core <- [nil, & &1] do
      seen = fn context ->
        {:ok, %{seen: seen}} = Hook.run(instance, :step, context, core)
        seen
      end

      assert seen.(@all) == [:around, :before, :skipped, :replace, :after]
      assert seen.(%{@all | around: false, skipped: nil}) == [:before, :replace, :after]
      assert seen.(%{@all | before: false}) == [:around, :skipped, :replace]
      assert seen.(%{@all | replace: 1}) == [:around, :before, :skipped, :after]
      assert seen.(%{around: false, before: false, skipped: false, replace: false, seen: []}) == []
    end
  end

  test "a listener too", %{instance: instance} do
    assert Hook.run(instance, :gather, %{wanted: true, also: 1}, nil) == {:ok, [:wanted, :always]}

    for context <- [%{wanted: true}, %{wanted: true, also: 2}, :no_map],
        do: assert(Hook.run(instance, :gather, context, nil) == {:ok, [:always]})
  end

  test "and a native hook, which keeps its place", %{instance: instance} do
    assert Hook.run(instance, :native, %{n: 0, type: :other}, nil) == {:ok, %{n: 2, type: :other}}
    assert Hook.run(instance, :native, %{n: 0, m: 0, type: :llm}, nil) == {:ok, %{n: 3, m: 1, type: :llm}}
    # The last one fails, and is skipped.
    assert Hook.run(instance, :native, %{n: 0, m: "no", type: :llm}, nil) ==
             {:ok, %{n: 3, m: "no", type: :llm}}

    assert [1, 2, 3, 4] = for(hook <- Hook.chain(:native, instance: instance), do: hook.segment)
    assert [3, 2, 3, 2] = for(hook <- Hook.stats(:native, instance: instance).hooks, do: hook.runs)
  end

  test "a run that is left out is no call, and shows in no trace", %{instance: instance} do
    {:ok, trace} = Hook.trace(:step, instance: instance)
    Hook.run(instance, :step, %{@all | before: false, skipped: false}, nil)
    assert_receive {:pipeline_trace, reference, run} when reference == trace.reference
    assert [%{fun: :around}, %{fun: :stand_in}] = run.calls
    assert %{hooks: [%{runs: 1}, %{runs: 0}, %{runs: 0} | _]} = Hook.stats(:step, instance: instance)
  end

  test "a condition that fails is a failure of its hook", %{instance: instance} do
    assert {:error, %Hook.Error{plugin: :choosy, kind: :before, reason: %RuntimeError{message: "no"}}} =
             Hook.run(instance, :broken, "no", nil)

    assert %{failures: 1, hooks: [_, %{failures: 0}]} = Hook.stats(:broken, instance: instance)
  end

  for {what, code, message} <- [
        {"something else", "hook :before, :step, when: 1",
         "when: takes a function of the context or a map of fields with their values, got: 1"},
        {"a name without a function", "hook :before, :step, when: :gone?",
         "when: of the hook on :step names a function: define gone?/1, called as (context)"}
      ] do
    test "#{what} is a compile error" do
      code = "defmodule Pipeline.TestNever do\nuse Pipeline.Plugin\n#{unquote(code)}\nend"
      error = assert_raise(CompileError, fn -> Code.compile_string(code, "never.ex") end)
      assert Exception.message(error) == "never.ex:3: " <> unquote(message)
    end
  end
end
