defmodule Pipeline.Hook.Policy.Circuit.NativeTest do
  use Pipeline.InstanceCase, async: true

  import Pipeline.FlakyPlugin

  alias Pipeline.Hook.Manager, as: Chains

  @hour 3_600_000

  # `put` writes into a map, and fails on anything else.
  defp load(instance, kind, opts) do
    opts = [native: :put, config: quote(do: %{field: :seen, value: true})] ++ opts
    body = quote do: hook(unquote(kind), :step, unquote(opts))
    load_flaky(instance, body, __ENV__)
  end

  defp run(instance, context), do: Hook.run(instance, :step, context, nil)

  defp stats(instance) do
    %{hooks: [stats]} = Hook.stats(:step, instance: instance)
    stats
  end

  for kind <- [:before, :after, :replace] do
    @kind kind

    test "a #{kind} hook that fails often is called no more, then on trial, then again", %{instance: instance} do
      load(instance, @kind, circuit: [failures: 2, window: @hour, cool_down: 5])
      assert run(instance, %{}) == {:ok, %{seen: true}}
      for _ <- 1..2, do: assert({:error, %Hook.Error{reason: %Hook.NativeError{}}} = run(instance, :no_map))
      assert %{circuit: %{state: :open, opened: 1}} = stats(instance)
      assert_moved(:closed, :open, :failures, 1)
      for _ <- 1..2, do: assert_received({:pipeline_event, {:plugin, :hook_failed}, _})

      assert {:error, %Hook.Error{reason: %Hook.NativeError{}}} = trial(fn -> run(instance, :no_map) end)
      assert_moved(:open, :half_open, :cool_down, 1)
      assert_moved(:half_open, :open, :trial_failed, 2)

      assert trial(fn -> run(instance, %{}) end) == {:ok, %{seen: true}}
      assert_moved(:open, :half_open, :cool_down, 2)
      assert_moved(:half_open, :closed, :trials_passed, 2)
      assert %{circuit: %{state: :closed, failures: 0, opened: 2}, failures: 3} = stats(instance)

      assert_received {:pipeline_event, {:plugin, :hook_failed}, _}
      refute_received _
    end

    test "a #{kind} hook that is skipped is left out while its circuit is open", %{instance: instance} do
      load(instance, @kind, circuit: [failures: 1, cool_down: @hour], on_error: :skip)
      core = fn context -> {:core, context} end
      assert run(instance, :no_map) == {:ok, :no_map}
      assert run(instance, %{}) == {:ok, %{}}
      assert Hook.run(instance, :step, :no_map, core) == {:ok, {:core, :no_map}}
      assert %{skips: 1, failures: 1, circuit: %{state: :open, refused: 2}} = stats(instance)
      assert :ok = Hook.reset_circuit(:step, :flaky, instance: instance)
      assert_moved(:closed, :open, :failures, 1)
      assert_moved(:open, :closed, :reset, 1)
      assert run(instance, %{}) == {:ok, %{seen: true}}
    end
  end

  test "on_error: :raise raises, and an outer hook sees that it was not called", %{instance: instance} do
    load(instance, :before, circuit: [failures: 1, cool_down: @hour], on_error: :raise)
    assert_raise Hook.NativeError, fn -> run(instance, :no_map) end
    assert %Hook.Error{reason: :circuit_open, plugin: :flaky} = catch_error(run(instance, %{}))
  end

  test "it is fused with its neighbours, which run as ever", %{instance: instance} do
    module =
      plugin id: :native do
        hook :before, :step, native: :increment, config: %{field: :n}, priority: 60

        hook :before, :step,
          native: :require,
          config: %{fields: [:ok]},
          circuit: [failures: 1, cool_down: 3_600_000]

        hook :before, :step,
          native: :increment,
          config: %{field: :flaky},
          circuit: [failures: 2, cool_down: 3_600_000],
          on_error: :skip,
          priority: 45

        hook :before, :step, native: :increment, config: %{field: :n}, priority: 40
      end

    {:ok, :native} = Manager.load_plugin(module, %{}, instance: instance)
    :ok = Events.subscribe(self(), :hook_circuit, instance: instance)
    assert run(instance, %{ok: true, n: 0}) == {:ok, %{ok: true, n: 2, flaky: 1}}

    assert [%{segment: 1}, %{segment: 1, circuit: %{}}, %{segment: 1, circuit: %{}}, %{segment: 1}] =
             Hook.chain(:step, instance: instance)

    # A refusal opens nothing.
    assert {:error, _refused} = run(instance, %{n: 0})
    refute_received {:pipeline_event, {:plugin, :hook_circuit}, _}

    # What is left out has written nothing.
    for _ <- 1..2 do
      assert run(instance, %{ok: true, n: 0, flaky: "text"}) == {:ok, %{ok: true, n: 2, flaky: "text"}}
    end

    assert_received {:pipeline_event, {:plugin, :hook_circuit}, %{kind: :before, from: :closed, to: :open}}
    assert run(instance, %{ok: true, n: 0, flaky: 1}) == {:ok, %{ok: true, n: 2, flaky: 1}}

    # 1 run was refused by the second hook.
    assert %{hooks: [first, second, third, last]} = Hook.stats(:step, instance: instance)
    assert %{runs: 5, scheduler: %{normal: 5, dirty: 0, moved: 0}} = first
    assert %{refusals: 1, circuit: %{state: :closed, failures: 0}, scheduler: %{}} = second
    assert %{runs: 4, skips: 2, circuit: %{state: :open, refused: 1}} = third
    assert %{runs: 4} = last
  end

  test "a run that an open circuit ends does not reach what is behind", %{instance: instance} do
    module =
      plugin id: :native do
        hook :before, :step,
          native: :increment,
          config: %{field: :n},
          circuit: [failures: 1, cool_down: 3_600_000],
          priority: 60

        hook :before, :step, native: :increment, config: %{field: :m}
      end

    {:ok, :native} = Manager.load_plugin(module, %{}, instance: instance)
    assert {:error, %Hook.Error{reason: %Hook.NativeError{}}} = run(instance, %{n: "text"})
    for _ <- 1..3, do: assert({:error, %Hook.Error{reason: :circuit_open}} = run(instance, %{}))
    assert %{hooks: [%{runs: 4, circuit: %{refused: 3}}, %{runs: 0}]} = Hook.stats(:step, instance: instance)
  end

  test "a trace tells who was not called", %{instance: instance} do
    load(instance, :before, circuit: [failures: 1, cool_down: @hour], on_error: :skip)
    assert run(instance, :no_map) == {:ok, :no_map}
    {:ok, trace} = Hook.trace(:step, instance: instance)
    assert run(instance, %{}) == {:ok, %{}}
    assert_received {:pipeline_trace, _, %{calls: [%{outcome: :not_called, reason: :circuit_open}]}}
    :ok = Hook.untrace(trace)
  end

  test "it stays when its neighbours change, and the segment is made anew", %{instance: instance} do
    load(instance, :before, circuit: [failures: 1, cool_down: @hour])
    assert {:error, _} = run(instance, :no_map)

    other =
      plugin id: :other do
        hook :before, :step, native: :increment, config: %{field: :n}
      end

    {:ok, :other} = Manager.load_plugin(other, %{}, instance: instance)
    assert {:error, %Hook.Error{reason: :circuit_open, plugin: :flaky}} = run(instance, %{})
  end

  test "an around with a circuit is asked for as an Elixir hook is" do
    chains =
      Chains.new()
      |> Chains.register(:step, {:native, :retry, %{times: 1}},
        kind: :around,
        circuit: [failures: 1, cool_down: @hour]
      )

    assert Chains.run(chains, :step, 1, &(&1 + 1)) == {:ok, 2}
  end

  test "of many runs at once that fail, as many as it takes open it, and it is told once", %{
    instance: instance
  } do
    load(instance, :before, circuit: [failures: 10, window: @hour, cool_down: @hour])

    outcomes =
      1..8
      |> Enum.map(fn _ -> Task.async(fn -> for _ <- 1..200, do: run(instance, :no_map) end) end)
      |> Task.await_many()
      |> List.flatten()

    {refused, failed} = Enum.split_with(outcomes, &match?({:error, %Hook.Error{reason: :circuit_open}}, &1))
    assert length(failed) >= 10
    assert %{circuit: %{state: :open, opened: 1, refused: count}} = stats(instance)
    assert count == length(refused)
    assert_moved(:closed, :open, :failures, 1)
    refute_received {:pipeline_event, {:plugin, :hook_circuit}, _}
  end
end
