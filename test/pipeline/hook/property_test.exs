defmodule Pipeline.Hook.PropertyTest do
  # Random chains do what a naive interpreter says they do.
  use Pipeline.InstanceCase, async: true

  alias Pipeline.Conformance.{Cases, Model, RandomChain, Runs}

  @chains 500
  @loaded 40

  setup_all do
    # Each run of the suite sees other chains; a failure prints the seed of its chain, which `RandomChain.generate/1`
    # makes again.
    {:ok, first: ExUnit.configuration()[:seed] * 1000}
  end

  test "chains alone", %{first: first} do
    for seed <- first..(first + @chains - 1) do
      {hooks, core} = RandomChain.generate(seed)
      case = to_case(hooks, core)

      if RandomChain.contradictory?(hooks) do
        assert_raise ArgumentError, ~r/^the \w+ hooks cannot be put in order: /, fn -> Runs.alone(case) end
      else
        {expected, calls, _reported} = Model.run(hooks, [], core)
        {result, seen} = Runs.alone(case)
        check(seed, hooks, core, {result, seen}, {expected, calls})
      end
    end
  end

  test "plugins of an instance, with what is reported", %{first: first} do
    for seed <- first..(first + @loaded - 1),
        {hooks, core} = RandomChain.generate(seed),
        not RandomChain.contradictory?(hooks) do
      instance = :"property #{seed}"
      start_supervised!({Manager, name: instance}, id: instance)
      {expected, calls, reported} = Model.run(hooks, [], core)
      {result, seen, failures} = Runs.loaded(to_case(hooks, core), instance)
      check(seed, hooks, core, {result, seen}, {expected, calls})
      assert failures == reported, about(seed, hooks, core, failures, reported)
      stop_supervised!(instance)
    end
  end

  # A property that says nothing is worth nothing.
  test "the chains are of many sorts", %{first: first} do
    chains = for seed <- first..(first + @chains - 1), do: RandomChain.generate(seed)

    sorted =
      for {hooks, core} <- chains, not RandomChain.contradictory?(hooks), do: Model.run(hooks, [], core)

    results = Enum.map(sorted, &elem(&1, 0))
    assert Enum.count(chains, fn {hooks, _} -> RandomChain.contradictory?(hooks) end) < @chains / 5
    assert Enum.count(results, &match?({:ok, _}, &1)) > @chains / 10
    assert Enum.count(results, &match?({:error, _}, &1)) > @chains / 50
    assert Enum.count(results, &match?({:failed, _, _, _}, &1)) > @chains / 20
    assert Enum.count(results, &match?({:raised, _, _}, &1)) > @chains / 20
    assert Enum.count(sorted, &(length(elem(&1, 2)) > 1)) > @chains / 20
  end

  defp to_case(hooks, core) do
    %Cases{
      name: "random",
      hooks: Enum.map(hooks, &RandomChain.to_case_hook/1),
      core: RandomChain.to_core(core),
      context: [],
      expect: nil,
      calls: []
    }
  end

  defp check(seed, hooks, core, {result, seen}, {expected, calls}) do
    assert Runs.as_expected?(result, expected), about(seed, hooks, core, result, expected)
    assert seen == calls, about(seed, hooks, core, seen, calls)
  end

  defp about(seed, hooks, core, got, expected) do
    "seed #{seed}: expected #{inspect(expected)}, got #{inspect(got)}, for\n" <>
      "core #{inspect(core)}\n" <> Enum.map_join(hooks, "\n", &inspect/1)
  end
end
