defmodule Pipeline.Hook.TraceTest do
  use Pipeline.InstanceCase, async: true

  import ExUnit.CaptureLog

  alias Pipeline.Hook.Trace
  alias Pipeline.Hook.Trace.{Call, Run}

  defmodule Points do
    use Pipeline.Hook.Spec, open: true

    hookpoint :route, mode: :first
    hookpoint :tell, mode: :notify
  end

  setup %{instance: instance} do
    # Does what its context says.
    deciding =
      plugin id: :deciding do
        hook :before, :step, fun: :decide

        def decide(:answer, _next), do: :answered
        def decide(:refuse, _next), do: throw({:hook_error, :no})
        def decide(:fail, _next), do: raise("failed")
        def decide(context, next), do: next.(context)
      end

    passing =
      plugin id: :passing do
        hook :around, :step
      end

    load(deciding, instance)
    load(passing, instance)
    :ok
  end

  test "tells of each run who was called and how it ended", %{instance: instance} do
    {:ok, %Trace{reference: reference}} = Hook.trace(:step, instance: instance)

    for {context, core, result, calls} <- [
          {:go, nil, {:ok, :go}, passing: :passed, deciding: :passed},
          {:go, fn _ -> :core end, {:ok, :core}, passing: :passed, deciding: :passed, core: :answered},
          {:answer, & &1, {:ok, :answered}, passing: :passed, deciding: :answered},
          {:refuse, & &1, {:error, :no}, passing: :left, deciding: :refused},
          {:go, fn _ -> throw({:hook_error, :no}) end, {:error, :no},
           passing: :left, deciding: :left, core: :refused}
        ] do
      assert Hook.run(instance, :step, context, core) == result
      assert_received {:pipeline_trace, ^reference, %Run{point: :step, result: ^result} = run}
      assert run.instance == instance
      assert run.pid == self()
      assert for(call <- run.calls, do: {call.plugin || call.kind, call.outcome}) == calls
      assert run.nanoseconds >= run.calls |> Enum.map(& &1.nanoseconds) |> Enum.sum()
    end

    assert {:error, %Hook.Error{} = error} = Hook.run(instance, :step, :fail, nil)
    assert_received {:pipeline_trace, ^reference, %Run{result: {:error, ^error}, calls: [_, failed]}}

    assert %Call{
             plugin: :deciding,
             kind: :before,
             tier: :elixir,
             fun: :decide,
             outcome: :failed,
             reason: %RuntimeError{message: "failed"}
           } = failed

    assert_raise RuntimeError, "core", fn -> Hook.run(instance, :step, :go, fn _ -> raise "core" end) end
    assert_received {:pipeline_trace, ^reference, %Run{result: {:raised, :error, %RuntimeError{}}}}
    refute_received _
  end

  test "a hook that is skipped is told as such, each time it is called", %{instance: instance} do
    module =
      plugin id: :bad do
        hook :before, :step, fun: :bad, on_error: :skip
        def bad(_context, _next), do: raise("bad")
        hook :around, :step, fun: :twice
        def twice(context, next), do: {next.(context), next.(context)}
      end

    load(module, instance)
    {:ok, _trace} = Hook.trace(:step, instance: instance)
    assert Hook.run(instance, :step, :go, nil) == {:ok, {:go, :go}}
    assert_received {:pipeline_trace, _, run}

    assert for(call <- run.calls, do: {call.fun, call.outcome}) == [
             {:step, :passed},
             {:twice, :passed},
             {:decide, :passed},
             {:bad, :skipped},
             {:decide, :passed},
             {:bad, :skipped}
           ]

    assert %RuntimeError{message: "bad"} = List.last(run.calls).reason
  end

  test "native hooks are told one by one", %{instance: instance} do
    module =
      plugin id: :native do
        hook :before, :step, native: :put, config: %{field: :n, value: 1}
        hook :before, :step, native: :increment, config: %{field: :m}, on_error: :skip
        hook :before, :step, native: :increment, config: %{field: :n}
      end

    load(module, instance)
    {:ok, trace} = Hook.trace(:step, instance: instance)
    assert Hook.run(instance, :step, %{m: "text"}, nil) == {:ok, %{m: "text", n: 2}}
    assert_received {:pipeline_trace, _, run}

    assert [{:put, :passed}, {:increment, :skipped}, {:increment, :passed}] =
             for(%{native: {Pipeline.Native, name}} = call <- run.calls, do: {name, call.outcome})

    # Without the trace they are one call again, and the same.
    :ok = Hook.untrace(trace)
    assert Hook.run(instance, :step, %{m: "text"}, nil) == {:ok, %{m: "text", n: 2}}
    assert [1, 1, 1] = for(%{segment: segment} <- Hook.chain(:step, instance: instance), do: segment)
  end

  test "hooks with a timeout, and next in another process", %{instance: instance} do
    module =
      plugin id: :tasks do
        hook :before, :step, fun: :limited, timeout: 60_000
        hook :around, :step, fun: :in_a_task
        def limited(context, next), do: next.(context)
        def in_a_task(context, next), do: Task.await(Task.async(fn -> next.(context) end))
      end

    load(module, instance)
    {:ok, _trace} = Hook.trace(:step, instance: instance)
    assert Hook.run(instance, :step, :go, & &1) == {:ok, :go}
    assert_received {:pipeline_trace, _, run}

    assert for(call <- run.calls, do: {call.fun, call.outcome}) == [
             step: :passed,
             in_a_task: :passed,
             decide: :passed,
             limited: :passed,
             nil: :answered
           ]
  end

  @tag hooks: Points
  test "listeners", %{instance: instance} do
    module =
      plugin id: :listens do
        hook :listen, :route, fun: :nothing
        hook :listen, :route, fun: :skipped, on_error: :skip
        hook :listen, :route, fun: :any
        hook :listen, :tell, fun: :fails
        def nothing(_), do: nil
        def skipped(_), do: raise("skipped")
        def any(_), do: :any
        def fails(_), do: raise("failed")
      end

    load(module, instance)
    {:ok, _} = Hook.trace(:route, instance: instance)
    {:ok, _} = Hook.trace(:tell, instance: instance)
    assert Hook.run(instance, :route, 1, nil) == {:ok, :any}
    assert_received {:pipeline_trace, _, %Run{result: {:ok, :any}, calls: calls}}
    assert [nothing: :passed, skipped: :skipped, any: :answered] = for(c <- calls, do: {c.fun, c.outcome})
    assert Hook.run(instance, :tell, 1, nil) == :ok
    assert_received {:pipeline_trace, _, %Run{result: :ok, calls: [%{fun: :fails, outcome: :failed}]}}
  end

  test "a function is called with each run, in its order", %{instance: instance} do
    test = self()
    {:ok, trace} = Hook.trace(:step, &send(test, {:told, self(), &1.result}), instance: instance)
    tracer = trace.pid
    for n <- 1..5, do: Hook.run(instance, :step, n, nil)
    :ok = Hook.untrace(trace)
    assert for(n <- 1..5, do: assert_received({:told, ^tracer, {:ok, ^n}})) |> length() == 5
    Hook.run(instance, :step, 6, nil)
    refute_received _
  end

  test "a function that fails ends the trace and harms no run", %{instance: instance} do
    log =
      capture_log(fn ->
        {:ok, trace} = Hook.trace(:step, fn _run -> raise "told wrong" end, instance: instance)
        assert Hook.run(instance, :step, 1, nil) == {:ok, 1}
        assert_over(trace)
        assert Hook.run(instance, :step, 2, nil) == {:ok, 2}
      end)

    assert log =~ "the trace of :step ends, its function failed: ** (RuntimeError) told wrong"
  end

  test "a trace is of one process", %{instance: instance} do
    {:ok, trace} = Hook.trace(:step, instance: instance)
    Task.await(Task.async(fn -> Hook.run(instance, :step, :other, nil) end))
    refute_received {:pipeline_trace, _, _}
    Hook.run(instance, :step, :own, nil)
    assert_received {:pipeline_trace, _, %Run{result: {:ok, :own}}}
    :ok = Hook.untrace(trace)
  end

  test "or of another, and ends with that", %{instance: instance} do
    other =
      spawn(fn ->
        receive do: (:run -> Hook.run(instance, :step, :other, nil))
      end)

    {:ok, trace} = Hook.trace(:step, instance: instance, pid: other)
    Hook.run(instance, :step, :own, nil)
    send(other, :run)
    assert_receive {:pipeline_trace, _, %Run{pid: ^other, result: {:ok, :other}}}
    assert_over(trace)
    refute_received {:pipeline_trace, _, _}
  end

  test "or of all; runs of its function are not told", %{instance: instance} do
    test = self()

    fun = fn run ->
      Hook.run(instance, :step, :within, nil)
      send(test, {:told, run.result})
    end

    {:ok, trace} = Hook.trace(:step, fun, instance: instance, pid: :all)
    Task.await(Task.async(fn -> Hook.run(instance, :step, :other, nil) end))
    Hook.run(instance, :step, :own, nil)
    :ok = Hook.untrace(trace)
    assert_received {:told, {:ok, :other}}
    assert_received {:told, {:ok, :own}}
    refute_received _
  end

  test "ends after so many runs", %{instance: instance} do
    {:ok, trace} = Hook.trace(:step, instance: instance, limit: 3)
    for n <- 1..5, do: Hook.run(instance, :step, n, nil)
    for n <- 1..3, do: assert_received({:pipeline_trace, _, %Run{result: {:ok, ^n}}})
    refute_received _
    assert_over(trace)
  end

  test "ends after so many milliseconds", %{instance: instance} do
    {:ok, trace} = Hook.trace(:step, instance: instance, for: 1)
    assert_over(trace)
    Hook.run(instance, :step, 1, nil)
    refute_received _
  end

  test "ends with the process that gets the runs", %{instance: instance} do
    {receiver, monitor} = spawn_monitor(fn -> receive do: (:never -> :ok) end)
    {:ok, trace} = Hook.trace(:step, instance: instance, to: receiver)
    assert Hook.run(instance, :step, 1, nil) == {:ok, 1}
    Process.exit(receiver, :kill)
    assert_receive {:DOWN, ^monitor, _, _, :killed}
    assert_over(trace)
    assert Hook.run(instance, :step, 1, nil) == {:ok, 1}
  end

  test "stays while plugins come and go, on a point without hooks too", %{instance: instance} do
    {:ok, trace} = Hook.trace(:other, instance: instance)
    assert Hook.run(instance, :other, 1, nil) == {:ok, 1}
    assert_received {:pipeline_trace, _, %Run{calls: []}}
    refute :other in Hook.points(instance: instance)
    late = plugin([id: :late], do: hook(:before, :other))

    for _ <- 1..3 do
      load(late, instance)
      assert Hook.run(instance, :other, 1, & &1) == {:ok, 1}
      assert_received {:pipeline_trace, _, %Run{calls: [%{plugin: :late}, %{kind: :core}]}}
      :ok = Manager.unload_plugin(:late, instance: instance)
      assert Hook.run(instance, :other, 1, nil) == {:ok, 1}
      assert_received {:pipeline_trace, _, %Run{calls: []}}
    end

    :ok = Hook.untrace(trace)
    assert Hook.run(instance, :other, 1, nil) == {:ok, 1}
    refute_received _
    assert Hook.stats(:other, instance: instance) == nil
  end

  test "several traces of one point", %{instance: instance} do
    {:ok, %{reference: one} = first} = Hook.trace(:step, instance: instance)
    {:ok, %{reference: two}} = Hook.trace(:step, instance: instance, limit: 2)
    Hook.run(instance, :step, 1, nil)
    assert_received {:pipeline_trace, ^one, run}
    assert_received {:pipeline_trace, ^two, ^run}
    :ok = Hook.untrace(first)
    Hook.run(instance, :step, 2, nil)
    refute_received {:pipeline_trace, ^one, _}
    assert_received {:pipeline_trace, ^two, %Run{}}
  end

  test "a manager that was killed finds the traces, also those that ended meanwhile", %{instance: instance} do
    {:ok, stays} = Hook.trace(:step, instance: instance)
    {:ok, ends} = Hook.trace(:step, instance: instance)
    manager = Pipeline.Instance.Names.whereis(instance, :manager)
    monitor = Process.monitor(manager)
    Process.exit(manager, :kill)
    assert_receive {:DOWN, ^monitor, _, _, :killed}
    send(ends.pid, :stop)
    await_manager(instance, manager)
    assert_over(ends)
    Hook.run(instance, :step, 1, nil)
    reference = stays.reference
    assert_received {:pipeline_trace, ^reference, %Run{}}
    :ok = Hook.untrace(stays)
    assert_over(stays)
  end

  test "runs that are traced count like others", %{instance: instance} do
    Hook.run(instance, :step, :go, nil)
    {:ok, trace} = Hook.trace(:step, instance: instance, limit: 3)
    for context <- [:go, :fail, :answer, :go], do: Hook.run(instance, :step, context, nil)
    assert_over(trace)
    Hook.run(instance, :step, :go, nil)

    assert %{runs: 6, failures: 1, answers: 1, measured: 6, hooks: [%{runs: 6}, %{runs: 6}]} =
             Hook.stats(:step, instance: instance)
  end

  test "ending a trace again changes nothing", %{instance: instance} do
    {:ok, trace} = Hook.trace(:step, instance: instance)
    assert :ok = Hook.untrace(trace)
    assert :ok = Hook.untrace(trace)
    assert inspect(trace) == "#Pipeline.Hook.Trace<:step>"
  end

  test "is refused in a callback that the manager waits for", %{instance: instance} do
    module =
      plugin id: :traces do
        def start(state) do
          {:error, {:called_from_callback, :start}} =
            Pipeline.Hook.trace(:step, instance: Process.get(:"$pipeline_plugin_instance"))

          {:ok, state}
        end
      end

    load(module, instance)
  end

  for {opts, message} <- [
        {[limt: 1],
         "unknown option :limt of Pipeline.Hook.trace/3. Did you mean :limit? " <>
           "Known: :instance, :to, :pid, :limit, :for, :show"},
        {[limit: 0], "limit: is a positive number of runs, got: 0"},
        {[for: 1.5], "for: is a positive number of milliseconds, got: 1.5"},
        {[pid: :any], "pid: is a pid or :all, got: :any"},
        {[to: :me], "to: is a pid or a function of one argument, got: :me"}
      ] do
    test "refuses #{inspect(opts)}", %{instance: instance} do
      assert_raise ArgumentError, unquote(message), fn ->
        Hook.trace(:step, [instance: instance] ++ unquote(opts))
      end
    end
  end

  test "a run reads as a table" do
    run = %Run{
      point: :execute_node,
      result: {:error, %Hook.Error{plugin: :guard, point: :execute_node, kind: :before, reason: :timeout}},
      nanoseconds: 12_345_678,
      calls: [
        %Call{plugin: :timer, kind: :around, fun: :measure, outcome: :left, nanoseconds: 812},
        %Call{
          plugin: "x",
          kind: :before,
          native: {Pipeline.Native, :redact},
          outcome: :passed,
          nanoseconds: 1300
        },
        %Call{
          plugin: :guard,
          kind: :before,
          fun: :guard,
          outcome: :failed,
          reason: :timeout,
          nanoseconds: 2_000_000_000
        }
      ]
    }

    assert to_string(run) == """
           :execute_node in 12.3 ms: error, the before hook on :execute_node of plugin :guard failed: it took longer than its timeout
             around   :timer (measure)             812 ns  left
             before   "x" (redact)                 1.3 µs
             before   :guard (guard)                2.0 s  failed: :timeout\
           """
  end

  defp load(module, instance), do: {:ok, _} = Manager.load_plugin(module, %{}, instance: instance)

  # The supervisor answers between two restarts.
  defp await_manager(instance, old) do
    Supervisor.which_children(Pipeline.Instance.Names.via(instance, :instance))
    if Pipeline.Instance.Names.whereis(instance, :manager) in [nil, old], do: await_manager(instance, old)
  end

  # Its process has ended, and its manager has taken it off: it has done what it was asked for before this call.
  defp assert_over(%Trace{pid: pid, instance: instance} = trace) do
    monitor = Process.monitor(pid)
    assert_receive {:DOWN, ^monitor, _, _, _}, 5000
    :ok = Hook.untrace(trace)
    assert Pipeline.Hook.ChainStore.traces(instance) |> Enum.all?(&(&1.reference != trace.reference))
  end
end
