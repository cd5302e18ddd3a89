defmodule Pipeline.Hook.ConformanceTest do
  use Pipeline.InstanceCase, async: true

  alias Pipeline.Conformance.{Cases, Runs}

  for {case, index} <- Enum.with_index(Cases.all()) do
    describe "#{case.name} (case #{index})" do
      @index index

      test "in chains alone" do
        case = Enum.at(Cases.all(), @index)
        {result, calls} = Runs.alone(case)
        assert_expected(result, case)
        assert calls == case.calls
      end

      test "in plugins of an instance", %{instance: instance} do
        case = Enum.at(Cases.all(), @index)
        {result, calls, reported} = Runs.loaded(case, instance)
        assert_expected(result, case)
        assert calls == case.calls
        expected = Runs.reported(case)
        assert length(reported) == length(expected)

        for {failure, expected} <- Enum.zip(reported, expected),
            expected != :any,
            do: assert(failure == expected)
      end
    end
  end

  defp assert_expected(result, case) do
    assert Runs.as_expected?(result, case.expect),
           "expected #{inspect(case.expect)}, got: #{inspect(result)}"
  end
end
