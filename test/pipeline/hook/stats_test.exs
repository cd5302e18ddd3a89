defmodule Pipeline.Hook.StatsTest do
  use Pipeline.InstanceCase, async: true

  alias Pipeline.Hook.Histogram

  # More than are measured each.
  @many 20_000

  defmodule Points do
    use Pipeline.Hook.Spec

    hookpoint :route, mode: :first
    hookpoint :tell, mode: :notify
  end

  test "there are none where nothing stands", %{instance: instance} do
    assert Hook.stats(:step, instance: instance) == nil
    assert Hook.stats(instance: instance) == %{}
    Hook.run(instance, :step, 1, nil)
    assert Hook.stats(:step, instance: instance) == nil
  end

  test "runs, answers, refusals and failures, of the point and of each hook", %{instance: instance} do
    load(deciding(:first), instance)
    last = plugin([id: :last], do: hook(:after, :step))
    load(last, instance)

    for context <- [:go, :go, :answer, :refuse, :fail, :fail, :fail],
        do: Hook.run(instance, :step, context, nil)

    Hook.run(instance, :step, :go, fn _ -> :core end)

    assert %{
             point: :step,
             mode: :chain,
             runs: 8,
             answers: 1,
             refusals: 1,
             failures: 3,
             skips: 0,
             measured: 8,
             hooks: [first, last]
           } = Hook.stats(:step, instance: instance)

    assert %{plugin: :first, kind: :before, fun: :decide, runs: 8, answers: 1, refusals: 1, failures: 3} =
             first

    # After hooks see an early answer, and do not run when the chain failed.
    assert %{plugin: :last, kind: :after, fun: :step, runs: 4, answers: 0, refusals: 0, failures: 0} = last
    for counted <- [first, last], do: assert(counted.p50_ns <= counted.p99_ns)
  end

  test "the maps have the keys of their types", %{instance: instance} do
    load(plugin([id: :plain], do: hook(:before, :step, priority: 60)), instance)
    load(plugin([id: :breaking], do: hook(:after, :step, circuit: [failures: 2])), instance)

    native =
      plugin([id: :native],
        do: hook(:before, :step, native: :put, config: %{field: :a, value: 1}, priority: 40)
      )

    load(native, instance)
    Hook.run(instance, :step, %{}, nil)

    described = [:kind, :on_error, :plugin, :point, :priority, :tier]
    counted = [:answers, :failures, :measured, :p50_ns, :p99_ns, :refusals, :runs, :skips]

    assert [plain, native, breaking] = Hook.chain(:step, instance: instance)
    assert keys(plain) == described
    assert keys(native) == Enum.sort([:cost, :native, :segment | described])
    assert keys(breaking) == Enum.sort([:circuit | described])

    stats = Hook.stats(:step, instance: instance)
    assert keys(stats) == Enum.sort([:hooks, :mode, :point | counted])
    assert [plain, native, breaking] = stats.hooks
    assert keys(plain) == Enum.sort([:fun | described] ++ counted)
    assert keys(native) == Enum.sort([:cost, :fun, :native, :scheduler | described] ++ counted)
    assert keys(native.scheduler) == [:dirty, :moved, :normal]
    assert keys(breaking) == Enum.sort([:circuit, :fun | described] ++ counted)
    assert keys(breaking.circuit) == [:failures, :opened, :refused, :state]
  end

  test "skips are failures too; both are exact, however many runs there are", %{instance: instance} do
    load(deciding(:skipping, on_error: :skip), instance)
    load(deciding(:halting, priority: 40), instance)
    for _ <- 1..div(@many, 2), context <- [:go, :fail], do: Hook.run(instance, :step, context, nil)
    half = div(@many, 2)

    assert %{runs: @many, failures: @many, skips: ^half, hooks: hooks} = Hook.stats(:step, instance: instance)
    assert [%{failures: ^half, skips: ^half}, %{failures: ^half, skips: 0}] = hooks
  end

  test "a failure that an outer hook catches is counted", %{instance: instance} do
    load(deciding(:inner), instance)

    outer =
      plugin id: :outer do
        hook :around, :step, fun: :catches

        def catches(context, next) do
          next.(context)
        rescue
          RuntimeError -> :caught
        end
      end

    load(outer, instance)
    assert Hook.run(instance, :step, :fail, nil) == {:ok, :caught}
    assert %{failures: 1, hooks: [%{failures: 0}, %{failures: 1}]} = Hook.stats(:step, instance: instance)
  end

  test "no run is lost among many processes, and a hook that all of them reach has as many", %{
    instance: instance
  } do
    load(deciding(:all), instance)
    load(deciding(:more), instance)

    1..8
    |> Enum.map(fn _ ->
      Task.async(fn -> for _ <- 1..@many, do: Hook.run(instance, :step, :go, & &1) end)
    end)
    |> Task.await_many(:infinity)

    runs = 8 * @many
    assert %{runs: ^runs, measured: measured, hooks: hooks} = Hook.stats(:step, instance: instance)
    assert [%{runs: ^runs}, %{runs: ^runs}] = hooks
    # So this was not by measuring all.
    assert measured < runs / 4
  end

  test "the runs that reach a hook are derived, also when what is answered goes by twos", %{
    instance: instance
  } do
    load(deciding(:answers), instance)
    load(deciding(:later), instance)
    runs = 10 * @many

    for n <- 1..runs do
      Hook.run(instance, :step, if(rem(n, 2) == 0, do: :answer, else: :go), nil)
    end

    assert %{runs: ^runs, answers: answers, hooks: [%{runs: ^runs, answers: answers}, later]} =
             Hook.stats(:step, instance: instance)

    assert_in_delta answers, runs / 2, runs / 10
    assert_in_delta later.runs, runs / 2, runs / 10
  end

  test "what an around calls again is called again", %{instance: instance} do
    twice =
      plugin id: :twice do
        hook :around, :step, fun: :twice
        def twice(context, next), do: {next.(context), next.(context)}
      end

    load(twice, instance)
    load(deciding(:inner), instance)
    assert Hook.run(instance, :step, :go, nil) == {:ok, {:go, :go}}
    assert %{runs: 1, hooks: [%{runs: 1}, %{runs: 2}]} = Hook.stats(:step, instance: instance)
  end

  test "the time of a hook is its own, whatever process calls next", %{instance: instance} do
    outer =
      plugin id: :outer do
        hook :around, :step, fun: :in_a_task
        def in_a_task(context, next), do: Task.await(Task.async(fn -> next.(context) end))
      end

    inner =
      plugin id: :inner do
        hook :before, :step, fun: :waits, timeout: 60_000
        def waits(context, next), do: next.(context)
      end

    load(outer, instance)
    load(inner, instance)

    # Waits for a timer, so that the time behind both hooks is known to be long.
    core = fn context ->
      Process.send_after(self(), :time_is_up, 200)
      receive do: (:time_is_up -> context)
    end

    assert Hook.run(instance, :step, :go, core) == {:ok, :go}
    assert %{p50_ns: whole, hooks: hooks} = Hook.stats(:step, instance: instance)
    assert whole > 150_000_000
    for hook <- hooks, do: assert(hook.p50_ns < whole)
  end

  test "hooks that stay keep their counts when others come and go, those that come begin with none", %{
    instance: instance
  } do
    load(deciding(:stays), instance)
    for _ <- 1..@many, do: Hook.run(instance, :step, :go, nil)
    load(deciding(:comes), instance)
    for _ <- 1..10, do: Hook.run(instance, :step, :fail, nil)
    for _ <- 1..10, do: Hook.run(instance, :step, :go, nil)
    runs = @many + 20

    assert %{runs: ^runs, failures: 10, hooks: [%{plugin: :stays, runs: ^runs, failures: 10}, comes]} =
             Hook.stats(:step, instance: instance)

    # The first runs of a hook that has come are measured again.
    assert %{plugin: :comes, runs: 10, failures: 0, measured: 10} = comes
    :ok = Manager.unload_plugin(:comes, instance: instance)
    assert %{runs: ^runs, hooks: [%{runs: ^runs}]} = Hook.stats(:step, instance: instance)
    load(deciding(:comes), instance)
    assert %{hooks: [_, %{plugin: :comes, runs: 0}]} = Hook.stats(:step, instance: instance)

    for id <- [:stays, :comes], do: :ok = Manager.unload_plugin(id, instance: instance)
    assert Hook.stats(:step, instance: instance) == nil
    load(deciding(:stays), instance)
    assert %{runs: 0, failures: 0} = Hook.stats(:step, instance: instance)
  end

  test "counts survive the manager", %{instance: instance} do
    load(deciding(:stays), instance)
    for _ <- 1..3, do: Hook.run(instance, :step, :fail, nil)
    manager = Pipeline.Instance.Names.whereis(instance, :manager)
    monitor = Process.monitor(manager)
    Process.exit(manager, :kill)
    assert_receive {:DOWN, ^monitor, _, _, :killed}
    assert %{runs: 3, failures: 3} = Hook.stats(:step, instance: instance)
  end

  test "loading and unloading leaves no memory behind", %{instance: instance} do
    stays = deciding(:stays)
    comes = deciding(:comes)
    load(stays, instance)

    cycle = fn ->
      load(comes, instance)
      for _ <- 1..5, do: Hook.run(instance, :step, :go, & &1)
      :ok = Manager.unload_plugin(:comes, instance: instance)
    end

    for _ <- 1..20, do: cycle.()
    before = held(instance)
    for _ <- 1..200, do: cycle.()
    assert held(instance) == before
  end

  test "native hooks have their failures by themselves", %{instance: instance} do
    module =
      plugin id: :native do
        hook :before, :step, native: :increment, config: %{field: :n}, on_error: :skip
        hook :before, :step, native: :increment, config: %{field: :m}
      end

    load(module, instance)
    assert Hook.run(instance, :step, %{n: 1, m: 1}, nil) == {:ok, %{n: 2, m: 2}}
    assert Hook.run(instance, :step, %{n: "x", m: 1}, nil) == {:ok, %{n: "x", m: 2}}
    assert {:error, %Hook.Error{}} = Hook.run(instance, :step, %{n: 1, m: "x"}, nil)

    assert %{runs: 3, failures: 2, skips: 1, hooks: [n, m]} = Hook.stats(:step, instance: instance)
    assert %{native: {Pipeline.Native, :increment}, runs: 3, failures: 1, skips: 1} = n
    assert %{runs: 3, failures: 1, skips: 0} = m
    assert n.p50_ns > 0
  end

  @tag hooks: Points
  test "points of other modes", %{instance: instance} do
    module =
      plugin id: :listens do
        hook :listen, :route, fun: :even
        hook :listen, :route, fun: :any
        hook :listen, :tell, fun: :fails
        def even(n), do: if(rem(n, 2) == 0, do: :even)
        def any(_), do: :any
        def fails(_), do: raise("failed")
      end

    load(module, instance)
    for n <- 1..10, do: Hook.run(instance, :route, n, nil)
    for n <- 1..10, do: Hook.run(instance, :tell, n, nil)

    assert %{
             route: %{mode: :first, runs: 10, answers: 10, hooks: [even, any]},
             tell: %{mode: :notify, runs: 10, failures: 10, skips: 0, hooks: [%{runs: 10, failures: 10}]}
           } = Hook.stats(instance: instance)

    assert %{fun: :even, runs: 10, answers: 5} = even
    assert %{fun: :any, runs: 5, answers: 5} = any
  end

  test "quantiles are at most an eighth off, whatever the time" do
    for exponent <- 0..39, time <- [2 ** exponent, trunc(2 ** exponent * 1.4)] do
      words = :atomics.new(Histogram.words() + 3, [])
      for _ <- 1..98, do: Histogram.record(words, 3, time)
      for _ <- 1..2, do: Histogram.record(words, 3, time * 2)
      buckets = Histogram.read(words, 3)
      assert_in_delta Histogram.quantile(buckets, 0.5), time, time / 8
      assert_in_delta Histogram.quantile(buckets, 0.98), time, time / 8

      if exponent < 38,
        do: assert_in_delta(Histogram.quantile(buckets, 0.99), time * 2, time / 4)

      assert Histogram.count(buckets) == 100
    end

    assert Histogram.quantile([], 0.5) == nil
  end

  test "refuses unknown options", %{instance: instance} do
    assert_raise ArgumentError, ~r/^unknown option :instnace of Pipeline.Hook.stats\/2. Did you mean/, fn ->
      Hook.stats(:step, instnace: instance)
    end

    assert_raise ArgumentError, ~r/^there is no plugin instance :nowhere/, fn ->
      Hook.stats(instance: :nowhere)
    end
  end

  defp keys(map), do: map |> Map.keys() |> Enum.sort()

  # Does what its context says.
  defp deciding(id, opts \\ []) do
    name = :"Elixir.Pipeline.DecidingPlugin#{System.unique_integer([:positive])}"

    block =
      quote do
        hook :before, :step, unquote([fun: :decide] ++ opts)

        def decide(:answer, _next), do: :answered
        def decide(:refuse, _next), do: throw({:hook_error, :no})
        def decide(:fail, _next), do: raise("failed")
        def decide(context, next), do: next.(context)
      end

    define(name, [id: id], block, __ENV__)
    on_exit(fn -> remove(name) end)
    name
  end

  defp load(module, instance), do: {:ok, _} = Manager.load_plugin(module, %{}, instance: instance)

  # The words of what is published for the instance's points, by point.
  defp held(instance) do
    for {[^instance | point], published} <- :persistent_term.get(), into: %{} do
      {point, :erts_debug.flat_size(published)}
    end
  end
end
