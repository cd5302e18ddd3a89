defmodule Pipeline.Hook.PropertyTest do
  # Random cases do what a naive interpreter says they do, on every tier. Each run of the suite sees others; a failure
  # prints its seed, which `RandomCase.generate/1` makes again, and the smallest case that still fails, to be put among
  # those of the conformance suite.
  use Pipeline.InstanceCase, async: true

  alias Pipeline.Conformance.{ChainsAlone, CoreAlone, Model, Observed, Plugins, Points}
  alias Pipeline.Conformance.{RandomCase, Shrink, Tiers}

  @moduletag hooks: Points, timeout: 600_000

  @chains 1000
  @loaded 60

  setup_all do
    {:ok, first: ExUnit.configuration()[:seed] * 1000}
  end

  test "chains alone, in Elixir and in a random mixture", %{first: first} do
    for seed <- first..(first + @chains - 1), case = RandomCase.generate(seed), Tiers.alone?(case) do
      for mixture <- [elixir(case), Tiers.any(case), Tiers.any(case)] do
        check({case, mixture}, [:result, :calls], fn {case, mixture} -> ChainsAlone.run(case, mixture) end)
      end
    end
  end

  test "plugins of an instance, with what is reported", %{first: first, instance: instance} do
    for seed <- first..(first + @loaded - 1), case = RandomCase.generate(seed) do
      for mixture <- [elixir(case), Tiers.any(case)] do
        check({case, mixture}, [:result, :calls, :reported], fn {case, mixture} ->
          [{_, seen}] = Plugins.run(case, [mixture], instance)
          seen
        end)
      end
    end
  end

  test "the core alone, with what is skipped", %{first: first} do
    for seed <- first..(first + @chains - 1), case = RandomCase.generate(seed), Tiers.core?(case) do
      check({case, elixir(case)}, [:result, :calls, :skipped], fn {case, _} ->
        seen = CoreAlone.run(case)
        Map.put(seen, :skipped, seen.reported)
      end)
    end
  end

  # A property that says nothing is worth nothing.
  test "the cases are of many sorts", %{first: first} do
    cases = for seed <- first..(first + @chains - 1), do: RandomCase.generate(seed)
    told = Enum.map(cases, &Model.run/1)
    results = Enum.map(told, & &1.result)

    assert Enum.count(cases, &Tiers.alone?/1) > @chains / 3
    assert Enum.count(cases, &Tiers.core?/1) > @chains / 3
    assert Enum.count(cases, &(Tiers.any(&1) != elixir(&1))) > @chains / 3
    assert Enum.count(cases, &(&1.mode != :chain)) > @chains / 20
    assert Enum.count(cases, &(&1.depends != %{})) > @chains / 20
    assert Enum.count(results, &match?({:contradiction, _}, &1)) in 1..div(@chains, 5)
    assert Enum.count(results, &match?({:ok, _}, &1)) > @chains / 10
    assert Enum.count(results, &match?({:error, _}, &1)) > @chains / 50
    assert Enum.count(results, &match?({:failed, _, _, _}, &1)) > @chains / 20
    assert Enum.count(results, &match?({:raised, _, _}, &1)) > @chains / 50
    assert Enum.count(told, &(length(&1.reported) > 1)) > @chains / 20
    assert Enum.count(told, &(length(Enum.uniq(&1.calls)) < length(&1.calls))) > @chains / 20
  end

  test "a case that fails is made as small as it can be" do
    guilty? = fn {case, mixture} ->
      {_, _, opts, program} = List.keyfind(case.hooks, :c, 0, {:c, :before, [], []})
      opts[:priority] == 10 and :next in program and :native in mixture
    end

    case = %{
      RandomCase.generate(1)
      | hooks: [
          {:a, :around, [priority: 5], [{:mark, 1}, :catch]},
          {:b, :before, [], [{:mark, 2}, :next]},
          {:c, :before, [priority: 10, on_error: :skip], [{:mark, 3}, {:add, :n, 1}, :next]}
        ],
        depends: %{a: [:b]},
        core: [{:mark, :core}],
        mode: :chain
    }

    {small, mixture} = Shrink.run({case, [:elixir, :native, :native]}, guilty?)
    assert {small.hooks, mixture} == {[{:c, :before, [priority: 10], [:next]}], [:native]}
    assert {small.core, small.depends} == {nil, %{}}

    source = Shrink.to_source(small, Model.run(small))
    {again, _} = Code.eval_string("import Pipeline.Conformance.Case\n" <> source)
    assert %{again | expect: nil, calls: [], reported: nil} == small
    assert again.expect == {:ok, %{trail: []}}
  end

  defp elixir(case), do: Enum.map(case.hooks, fn _ -> :elixir end)

  defp check(tried, what, run) do
    differences = fn {case, _} = tried ->
      Observed.differences(run.(tried), Map.to_list(Map.take(Model.run(case), what)))
    end

    if differences.(tried) != [] do
      {small, mixture} = Shrink.run(tried, &(differences.(&1) != []))

      flunk("""
      #{elem(tried, 0).name} does not do what the model says. The smallest case that does not, #{inspect(mixture)}:

      #{Shrink.to_source(small, Model.run(small))}

      #{Enum.map_join(differences.({small, mixture}), "\n", fn {what, wanted, got} -> "#{what}: expected #{inspect(wanted)}, got #{inspect(got)}" end)}
      """)
    end
  end
end
