defmodule Pipeline.Hook.ConformanceTest do
  # One suite for every tier: each case runs with its hooks in Elixir, native, and mixed in every alternation, on chains
  # alone and in plugins that are loaded; and in the core alone.
  use Pipeline.InstanceCase, async: true

  alias Pipeline.Conformance.{Case, Cases, ChainsAlone, CoreAlone, Observed, Plugins, Points, Tiers}

  @moduletag hooks: Points

  setup_all do
    {:ok, seed: ExUnit.configuration()[:seed]}
  end

  for {case, index} <- Enum.with_index(Cases.all()) do
    describe "#{case.name} (case #{index})" do
      @describetag index: index

      if Tiers.alone?(case) do
        test "in chains alone, in every mixture", %{index: index, seed: seed} do
          case = Enum.at(Cases.all(), index)

          for mixture <- Tiers.mixtures(case, seed) do
            seen = ChainsAlone.run(case, mixture)
            check(seen, [result: case.expect, calls: case.calls], mixture, seed)
          end
        end
      end

      test "in plugins of an instance, in every mixture", %{index: index, seed: seed, instance: instance} do
        case = Enum.at(Cases.all(), index)
        expected = [result: case.expect, calls: case.calls, reported: Case.reported(case)]

        for {mixture, seen} <- Plugins.run(case, Tiers.mixtures(case, seed), instance),
            do: check(seen, expected, mixture, seed)
      end

      if Tiers.core?(case) do
        test "in the core alone", %{index: index, seed: seed} do
          case = Enum.at(Cases.all(), index)
          expected = [result: case.expect, calls: case.calls, reported: Case.skipped(case)]
          check(CoreAlone.run(case), expected, :core, seed)
        end
      end
    end
  end

  # A suite that leaves tiers out says little.
  test "the cases run on every tier, and in many mixtures" do
    cases = Cases.all()
    mixtures = Enum.map(cases, &length(Tiers.mixtures(&1, 0)))
    assert Enum.count(cases, &Tiers.core?/1) > 100
    assert Enum.count(mixtures, &(&1 > 1)) > 60
    assert Enum.sum(mixtures) > 500
    assert length(Enum.uniq_by(cases, & &1.name)) == length(cases)
  end

  defp check(seen, expected, tiers, seed) do
    assert Observed.differences(seen, expected) == [], "on #{inspect(tiers)}, seed #{seed}:\n#{inspect(seen)}"
  end
end
