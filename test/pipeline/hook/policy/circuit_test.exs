defmodule Pipeline.Hook.Policy.CircuitTest do
  use Pipeline.InstanceCase, async: true

  import Pipeline.FlakyPlugin

  alias Pipeline.Hook.Manager, as: Chains

  @hour 3_600_000

  # A plugin whose hook fails as the context says.
  defp load(instance, kind, opts) do
    body =
      quote do
        hook unquote(kind), :step, unquote(opts) do
          def step(%{fail: :refuse}, _next), do: throw({:hook_error, :refused})
          def step(%{fail: :throw}, _next), do: throw(:ball)
          def step(%{fail: true}, _next), do: raise("down")
          def step(context, next), do: next.(Map.put(context, :seen, true))
          def step(%{fail: true}), do: raise("down")
          def step(_context), do: :heard
        end
      end

    load_flaky(instance, body, __ENV__)
  end

  defp run(instance, fail \\ true), do: Hook.run(instance, :step, %{fail: fail}, nil)

  defp circuit(instance) do
    %{hooks: [%{circuit: circuit}]} = Hook.stats(:step, instance: instance)
    circuit
  end

  defp open(instance, failures) do
    for _ <- 1..failures, do: assert({:error, %Hook.Error{reason: %RuntimeError{}}} = run(instance))
    assert %{state: :open} = circuit(instance)
  end

  for kind <- [:before, :after, :replace, :around] do
    @kind kind

    test "a #{kind} hook that fails often is called no more, then on trial, then again", %{instance: instance} do
      load(instance, @kind, circuit: [failures: 3, window: @hour, cool_down: 5])
      open(instance, 3)
      assert_moved(:closed, :open, :failures, 1)
      for _ <- 1..3, do: assert_received({:pipeline_event, {:plugin, :hook_failed}, _})

      assert {:error, %Hook.Error{reason: %RuntimeError{}}} = trial(fn -> run(instance, true) end)
      assert_moved(:open, :half_open, :cool_down, 1)
      assert_moved(:half_open, :open, :trial_failed, 2)

      assert {:ok, %{seen: true}} = trial(fn -> run(instance, false) end)
      assert_moved(:open, :half_open, :cool_down, 2)
      assert_moved(:half_open, :closed, :trials_passed, 2)
      assert %{state: :closed, failures: 0, opened: 2} = circuit(instance)

      assert_received {:pipeline_event, {:plugin, :hook_failed}, _}
      refute_received _
    end
  end

  test "on_error: :halt returns an error that says why, and counts no failure", %{instance: instance} do
    load(instance, :before, circuit: [failures: 1, cool_down: @hour])
    open(instance, 1)

    assert {:error, %Hook.Error{plugin: :flaky, point: :step, kind: :before, reason: :circuit_open} = error} =
             run(instance, false)

    assert Exception.message(error) ==
             "the before hook on :step of plugin :flaky was not called: it has failed too often and its circuit is " <>
               "open; it is tried again after its cool_down, or close it by Pipeline.Hook.reset_circuit/3"

    assert %{failures: 1, hooks: [%{failures: 1, circuit: %{refused: 1, failures: 1}}]} =
             Hook.stats(:step, instance: instance)

    assert Hook.run(instance, :step, %{}, fn _ -> flunk("it went on") end) == {:error, error}
  end

  test "on_error: :skip goes on as if it were not there", %{instance: instance} do
    load(instance, :before, circuit: [failures: 2, cool_down: @hour], on_error: :skip)
    for _ <- 1..2, do: assert({:ok, %{fail: true}} = run(instance))
    assert_moved(:closed, :open, :failures, 1)
    assert run(instance, false) == {:ok, %{fail: false}}
    assert Hook.run(instance, :step, %{n: 1}, & &1.n) == {:ok, 1}
    assert %{skips: 2, hooks: [%{circuit: %{refused: 2}}]} = Hook.stats(:step, instance: instance)
  end

  test "on_error: :raise raises", %{instance: instance} do
    load(instance, :around, circuit: [failures: 1, cool_down: @hour], on_error: :raise)
    assert_raise RuntimeError, fn -> run(instance) end
    assert %Hook.Error{reason: :circuit_open} = catch_error(run(instance, false))
    assert %Hook.Error{reason: :circuit_open} = catch_error(Hook.run(instance, :step, %{}, & &1))
  end

  test "an outer hook that retries sees the error", %{instance: instance} do
    load(instance, :before, circuit: [failures: 1, cool_down: @hour])
    test = self()

    outer =
      plugin id: :outer do
        hook :around, :step do
          def step(context, next) do
            next.(context)
          rescue
            error -> send(context.test, {:rescued, error}) && :rescued
          end
        end
      end

    {:ok, :outer} = Manager.load_plugin(outer, %{}, instance: instance)
    assert {:ok, :rescued} = Hook.run(instance, :step, %{fail: true, test: test}, nil)
    assert_received {:rescued, %RuntimeError{}}
    assert {:ok, :rescued} = Hook.run(instance, :step, %{fail: true, test: test}, nil)
    assert_received {:rescued, %Hook.Error{reason: :circuit_open, plugin: :flaky}}
  end

  test "refusals and what fails behind next are no failures of it", %{instance: instance} do
    load(instance, :around, circuit: [failures: 1, cool_down: @hour])
    assert {:error, :refused} = run(instance, :refuse)
    assert_raise RuntimeError, fn -> Hook.run(instance, :step, %{}, fn _ -> raise "core" end) end

    inner =
      plugin id: :inner do
        hook :before, :step do
          def step(%{inner: true}, _next), do: exit(:inner)
          def step(context, next), do: next.(context)
        end
      end

    {:ok, :inner} = Manager.load_plugin(inner, %{}, instance: instance)
    assert {:error, %Hook.Error{plugin: :inner}} = Hook.run(instance, :step, %{inner: true}, nil)
    %{hooks: [flaky, inner]} = Hook.stats(:step, instance: instance)
    assert flaky.circuit == %{state: :closed, failures: 0, opened: 0, refused: 0}
    refute Map.has_key?(inner, :circuit)

    assert {:error, %Hook.Error{reason: :ball}} = run(instance, :throw)
    assert_moved(:closed, :open, :failures, 1)
  end

  test "a trial that refuses has passed", %{instance: instance} do
    load(instance, :before, circuit: [failures: 1, cool_down: 1])
    open(instance, 1)
    assert {:error, :refused} = trial(fn -> run(instance, :refuse) end)
    assert %{state: :closed} = circuit(instance)
  end

  test "a timeout is a failure" do
    never = fn _context, _next -> receive do: (:never -> :ok) end
    chains = Chains.register(Chains.new(), :step, never, timeout: 1, circuit: [failures: 1, cool_down: @hour])
    assert {:error, %Hook.Error{reason: :timeout}} = Chains.run(chains, :step, 1)
    assert {:error, %Hook.Error{reason: :circuit_open}} = Chains.run(chains, :step, 1)
  end

  test "it closes after as many trials as it was told", %{instance: instance} do
    load(instance, :before, circuit: [failures: 1, cool_down: 1, trials: 2])
    open(instance, 1)
    assert {:ok, _} = trial(fn -> run(instance, false) end)
    assert %{state: :half_open} = circuit(instance)
    assert {:ok, _} = trial(fn -> run(instance, false) end)
    assert %{state: :closed} = circuit(instance)
  end

  test "of many that come at once, one is on trial", %{instance: instance} do
    gate = :atomics.new(2, [])

    module =
      plugin id: :gated do
        hook :before, :step, circuit: [failures: 1, window: 3_600_000, cool_down: 1] do
          def step(%{gate: gate} = context, next) do
            :atomics.add(gate, 1, 1)
            if :atomics.get(gate, 2) == 0, do: raise("down"), else: next.(context)
          end
        end
      end

    {:ok, :gated} = Manager.load_plugin(module, %{}, instance: instance)
    :ok = Events.subscribe(self(), :hook_circuit, instance: instance)
    assert {:error, _} = Hook.run(instance, :step, %{gate: gate}, nil)

    until_open_again = fn again ->
      case Hook.run(instance, :step, %{gate: gate}, nil) do
        {:error, %Hook.Error{reason: :circuit_open}} -> again.(again)
        {:error, %Hook.Error{reason: %RuntimeError{}}} -> :trial
      end
    end

    # Each finds its own trial at last; those are as many as there were openings.
    1..4
    |> Enum.map(fn _ -> Task.async(fn -> until_open_again.(until_open_again) end) end)
    |> Task.await_many()

    assert :atomics.get(gate, 1) == 5
    assert %{hooks: [%{circuit: %{opened: 5}}]} = Hook.stats(:step, instance: instance)
  end

  test "it stays when other hooks come and go, and goes with its plugin", %{instance: instance} do
    load(instance, :before, circuit: [failures: 1, cool_down: @hour])
    open(instance, 1)

    other =
      plugin id: :other do
        hook :before, :step
      end

    {:ok, :other} = Manager.load_plugin(other, %{}, instance: instance)
    assert {:error, %Hook.Error{reason: :circuit_open}} = run(instance, false)
    :ok = Manager.unload_plugin(:other, instance: instance)
    assert {:error, %Hook.Error{reason: :circuit_open}} = run(instance, false)

    %{module: module} = Manager.plugin_info!(:flaky, instance: instance)
    :ok = Manager.unload_plugin(:flaky, instance: instance)
    {:ok, :flaky} = Manager.load_plugin(module, %{}, instance: instance)
    assert {:ok, %{seen: true}} = run(instance, false)
  end

  test "an operator closes it", %{instance: instance} do
    load(instance, :before, circuit: [failures: 1, cool_down: @hour])
    open(instance, 1)
    assert_moved(:closed, :open, :failures, 1)
    assert Hook.reset_circuit(:step, :flaky, instance: instance) == :ok
    assert_moved(:open, :closed, :reset, 1)
    assert {:ok, %{seen: true}} = run(instance, false)

    assert Hook.reset_circuit(:step, :flaky, instance: instance) == :ok
    refute_received {:pipeline_event, {:plugin, :hook_circuit}, _}
    assert Hook.reset_circuit(:step, :nobody, instance: instance) == {:error, :no_circuit}
    assert Hook.reset_circuit(:nowhere, :flaky, instance: instance) == {:error, :no_circuit}
  end

  test "chain/2 shows it, and only where there is one", %{instance: instance} do
    load(instance, :before, circuit: [failures: 7, trials: 2])

    assert [%{circuit: %{failures: 7, window: 10_000, cool_down: 5_000, trials: 2}}] =
             Hook.chain(:step, instance: instance)
  end

  test "a trace tells who was not called", %{instance: instance} do
    load(instance, :before, circuit: [failures: 1, cool_down: @hour], on_error: :skip)
    assert {:ok, _} = run(instance)
    {:ok, trace} = Hook.trace(:step, instance: instance)
    assert {:ok, _} = run(instance, false)
    assert_received {:pipeline_trace, _, %{calls: [%{outcome: :not_called, reason: :circuit_open}]}}
    :ok = Hook.untrace(trace)
  end

  test "a trace tells so of one that ends the run", %{instance: instance} do
    load(instance, :before, circuit: [failures: 1, cool_down: @hour])
    open(instance, 1)
    {:ok, trace} = Hook.trace(:step, instance: instance)
    assert {:error, _} = run(instance, false)
    assert_received {:pipeline_trace, _, %{calls: [%{outcome: :not_called, reason: :circuit_open}]}}
    :ok = Hook.untrace(trace)
  end

  defmodule Points do
    use Pipeline.Hook.Spec
    hookpoint(:first, mode: :first)
    hookpoint(:collect, mode: :collect)
    hookpoint(:notify, mode: :notify)
  end

  for {point, on_error, called, refused} <- [
        {:first, :skip, {:ok, :heard}, {:ok, nil}},
        {:collect, :skip, {:ok, [:heard]}, {:ok, []}},
        {:collect, :halt, {:ok, [:heard]}, :circuit_open},
        {:notify, :skip, :ok, :ok}
      ] do
    @point point
    @on_error on_error
    @called called
    @refused refused

    @tag hooks: Points
    test "a listener on a point of mode #{point} with on_error: #{on_error}", %{instance: instance} do
      module =
        plugin id: :flaky do
          hook :listen, unquote(@point),
            circuit: [failures: 2, cool_down: 3_600_000],
            on_error: unquote(@on_error),
            fun: :hear do
            def hear(%{fail: true}), do: raise("down")
            def hear(_context), do: :heard
          end
        end

      {:ok, :flaky} = Manager.load_plugin(module, %{}, instance: instance)
      :ok = Events.subscribe(self(), :hook_circuit, instance: instance)
      assert Hook.run(instance, @point, %{}, nil) == @called
      for _ <- 1..2, do: Hook.run(instance, @point, %{fail: true}, nil)
      assert_received {:pipeline_event, {:plugin, :hook_circuit}, %{kind: :listen, to: :open}}

      case Hook.run(instance, @point, %{}, nil) do
        {:error, %Hook.Error{reason: reason}} -> assert reason == @refused
        result -> assert result == @refused
      end

      assert %{hooks: [%{circuit: %{refused: 1}}]} = Hook.stats(@point, instance: instance)
      :ok = Hook.reset_circuit(@point, :flaky, instance: instance)
      assert Hook.run(instance, @point, %{}, nil) == @called
    end
  end

  test "settings that do not fit are told" do
    register = fn circuit ->
      catch_error(Chains.register(Chains.new(), :step, fn c, next -> next.(c) end, circuit: circuit)).message
    end

    assert register.(true) ==
             "circuit: takes a list of options, such as [failures: 5, cool_down: 5_000], got: true"

    assert register.(failures: 0) == "circuit: takes a number from 1 to 1024 for :failures, got: 0"

    assert register.(cool_down: 0.5) ==
             "circuit: takes a number of milliseconds from 1 to 604800000 for :cool_down, got: 0.5"

    assert register.(failure: 1) =~ "Did you mean :failures?"
  end
end
