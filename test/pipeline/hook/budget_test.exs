defmodule Pipeline.Hook.BudgetTest do
  use Pipeline.InstanceCase, async: true

  # Where native code runs, the tests of native/pipeline_term/vm_hooks see. Here: that a budget comes to the segments of
  # an instance, and that a run which moves is a run like any other.

  alias Pipeline.Hook.{Budget, Definition, Registration, Segment}

  @patterns %{field: :text, patterns: ["[0-9]{3}-[0-9]{2}-[0-9]{4}"]}

  defp text, do: String.duplicate("call 123-45-6789 or not. ", 200_000)

  defp start(budget) do
    name = :"#{inspect(__MODULE__)} #{System.unique_integer([:positive])}"
    start_supervised!({Manager, name: name, hook_budget: budget}, id: name)
    name
  end

  defp segment(instance, hooks) do
    registrations =
      for {{name, config}, index} <- Enum.with_index(hooks) do
        {:ok, options} = Definition.check(:before, :step, native: name, config: config)
        {:ok, call} = Pipeline.Native.Hook.configure(options)
        %{Registration.new(options, :someone, index, call) | instance: instance}
      end

    Segment.new(registrations)
  end

  defp run(segment, context), do: Segment.fun(segment).(context, & &1)

  test "of an instance is that of its segments" do
    assert %{budget_ns: 7_000} = start(7) |> segment(put: %{field: :a, value: 1}) |> Segment.stats()

    assert %{budget_ns: :infinity} =
             start(:infinity) |> segment(put: %{field: :a, value: 1}) |> Segment.stats()

    assert %{budget_ns: 500_000} = start(nil) |> segment(put: %{field: :a, value: 1}) |> Segment.stats()
  end

  test "ends with its instance" do
    instance = start(7)
    assert Budget.of(instance) == 7
    :ok = stop_supervised(instance)
    assert Budget.of(instance) == Budget.default()
  end

  test "a run that exceeds it goes on, and the next one starts elsewhere" do
    segment = start(1) |> segment(redact: @patterns, increment: %{field: :n}, drop: %{field: :gone})
    context = %{text: text(), n: 1, gone: true}
    expected = %{text: String.replace(text(), "123-45-6789", "[REDACTED]"), n: 2}

    assert run(segment, context) == expected
    assert %{runs: 1, normal: 1, moved: 1, starts: :dirty} = Segment.stats(segment)
    assert run(segment, context) == expected
    assert %{runs: 2, dirty: 1, moved: 1} = Segment.stats(segment)
  end

  test "failures of a run that moved are those of their plugin", %{instance: instance} do
    module =
      plugin id: :moving do
        hook :before, :step,
          native: :redact,
          config: %{field: :text, patterns: ["[0-9]{3}-[0-9]{2}-[0-9]{4}"]}

        hook :before, :step, native: :increment, config: %{field: :text}, on_error: :skip
        hook :before, :step, native: :require, config: %{fields: [:there]}
        hook :before, :step, native: :increment, config: %{field: :gone}
      end

    small = start(1)

    for instance <- [instance, small] do
      {:ok, :moving} = Manager.load_plugin(module, %{}, instance: instance)
      context = %{text: text(), gone: "no number"}

      for _ <- 1..3 do
        assert Hook.run(instance, :step, context, nil) == {:error, {:missing_field, [:there]}}

        assert {:error,
                %Hook.Error{plugin: :moving, reason: %Hook.NativeError{hook: {Pipeline.Native, :increment}}}} =
                 Hook.run(instance, :step, Map.put(context, :there, 1), nil)
      end
    end
  end

  test "anything else is refused" do
    for budget <- [0, -1, 1.5, "500", :none, 1_000_000_000_000] do
      assert_raise ArgumentError, ~r/hook_budget: takes microseconds, an integer from 1 to/, fn ->
        Manager.start_link(name: :never_started, hook_budget: budget)
      end
    end
  end
end
