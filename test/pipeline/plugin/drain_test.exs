defmodule Pipeline.Plugin.DrainTest do
  # What becomes of runs that are under way when their plugin goes.
  use Pipeline.InstanceCase, async: true

  alias Pipeline.Hook.{ChainStore, Drain}

  # Its hook tells the test that it is called, and goes on when told to.
  defp waiting(id, kind \\ :before, point \\ :step) do
    plugin id: id do
      @impl Pipeline.Plugin
      def stop(%{test: test}) do
        send(test, {:stopped, __plugin__().id})
        :ok
      end
    end
    |> with_hook(id, kind, point)
  end

  defp with_hook(module, id, kind, point) do
    name = :"#{module}.Waiting"

    Module.create(
      name,
      quote do
        use Pipeline.Plugin, id: unquote(id)
        defdelegate stop(state), to: unquote(module)
        hook unquote(kind), unquote(point), fun: :wait

        def wait(%{test: test} = context, next),
          do: next.(unquote(__MODULE__).wait(context, test, unquote(id)))

        def wait(context), do: unquote(__MODULE__).wait(context, context.test, unquote(id))
      end,
      __ENV__
    )

    on_exit(fn -> Pipeline.InstanceCase.remove(name) end)
    name
  end

  @doc false
  def wait(context, test, id) do
    send(test, {:in, id, self()})
    monitor = Process.monitor(test)

    receive do
      :go -> Map.update(context, :seen, [id], &[id | &1])
      {:DOWN, ^monitor, :process, ^test, _} -> exit(:test_is_over)
    end
  end

  defp passing(id) do
    plugin id: id do
      hook :before, :step do
        def step(context, next),
          do: next.(Map.update(context, :seen, [__plugin__().id], &[__plugin__().id | &1]))
      end
    end
  end

  defp load(module, instance) do
    {:ok, id} = Manager.load_plugin(module, %{test: self()}, instance: instance)
    id
  end

  defp begin_run(instance, point \\ :step) do
    context = %{test: self()}
    Task.async(fn -> Hook.run(instance, point, context, nil) end)
  end

  defp unload(id, instance, opts \\ []) do
    test = self()
    :ok = Events.subscribe(self(), :plugin_state, instance: instance)

    task =
      Task.async(fn -> send(test, {:unloaded, Manager.unload_plugin(id, [instance: instance] ++ opts)}) end)

    assert_receive {:pipeline_event, {:plugin, :plugin_state}, %{id: ^id, to: :draining}}
    task
  end

  test "unloading waits for runs that began with its hooks; those after are without", %{instance: instance} do
    load(waiting(:slow), instance)
    load(passing(:quick), instance)
    run = begin_run(instance)
    assert_receive {:in, :slow, pid}

    unload(:slow, instance)
    assert {:ok, %{seen: [:quick]}} = Hook.run(instance, :step, %{}, nil)
    refute_received {:stopped, :slow}
    refute_received {:unloaded, _}

    send(pid, :go)
    assert {:ok, %{seen: [:quick, :slow]}} = Task.await(run)
    assert_receive {:stopped, :slow}
    assert_receive {:unloaded, :ok}
  end

  test "a run that is past the plugin's hook, which left no frame, is waited for", %{instance: instance} do
    load(passing(:quick), instance)
    load(waiting(:slow), instance)
    run = begin_run(instance)
    assert_receive {:in, :slow, pid}

    unload(:quick, instance)
    refute_received {:unloaded, _}
    send(pid, :go)
    assert {:ok, %{seen: [:slow, :quick]}} = Task.await(run)
    assert_receive {:unloaded, :ok}
  end

  test "a run of listeners is waited for", %{instance: instance} do
    defmodule Points do
      use Pipeline.Hook.Spec
      hookpoint(:ask, mode: :collect)
    end

    name = :"#{instance} with points"
    start_supervised!({Manager, name: name, hooks: Points})
    load(waiting(:slow, :listen, :ask), name)
    run = begin_run(name, :ask)
    assert_receive {:in, :slow, pid}
    unload(:slow, name)
    refute_received {:unloaded, _}
    send(pid, :go)
    assert {:ok, [%{seen: [:slow]}]} = Task.await(run)
    assert_receive {:unloaded, :ok}
  end

  test "a run that takes too long keeps the plugin, as it was", %{instance: instance} do
    load(waiting(:slow), instance)
    load(passing(:quick), instance)
    before = Manager.plugin_info!(:slow, instance: instance)
    run = begin_run(instance)
    assert_receive {:in, :slow, pid}

    assert {:error, %Error{reason: {:still_running, [^pid]}} = error} =
             Manager.unload_plugin(:slow, instance: instance, drain_timeout: 20)

    assert Exception.message(error) =~ "1 processes are still in runs with its hooks"
    assert %{state: :started, pid: process} = Manager.plugin_info!(:slow, instance: instance)
    assert process == before.pid
    assert for(hook <- Hook.chain(:step, instance: instance), do: hook.plugin) == [:slow, :quick]

    send(pid, :go)
    assert {:ok, %{seen: [:quick, :slow]}} = Task.await(run)
    assert :ok = Manager.unload_plugin(:slow, instance: instance)
  end

  test "force ends the runs that take too long, and no others", %{instance: instance} do
    load(waiting(:slow), instance)
    load(waiting(:other, :before, :elsewhere), instance)
    Process.flag(:trap_exit, true)
    begin_run(instance)
    elsewhere = begin_run(instance, :elsewhere)
    assert_receive {:in, :slow, pid}
    assert_receive {:in, :other, other}
    monitor = Process.monitor(pid)

    assert :ok = Manager.unload_plugin(:slow, instance: instance, drain_timeout: 0, force: true)
    assert_receive {:DOWN, ^monitor, :process, ^pid, :killed}
    send(other, :go)
    assert {:ok, %{seen: [:other]}} = Task.await(elsewhere)
  end

  test "runs of other points and of other instances are not waited for", %{instance: instance} do
    name = :"#{instance} beside"
    start_supervised!({Manager, name: name})
    load(waiting(:slow), name)
    load(waiting(:other, :before, :elsewhere), instance)
    load(passing(:quick), instance)
    beside = begin_run(name)
    elsewhere = begin_run(instance, :elsewhere)
    assert_receive {:in, :slow, slow}
    assert_receive {:in, :other, other}

    for _ <- 1..3 do
      assert :ok = Manager.unload_plugin(:quick, instance: instance, drain_timeout: 0)
      load(passing(:quick), instance)
    end

    for pid <- [slow, other], do: send(pid, :go)
    assert [{:ok, %{seen: [:slow]}}, {:ok, %{seen: [:other]}}] = Task.await_many([beside, elsewhere])
  end

  test "a run that began before another plugin came is waited for", %{instance: instance} do
    load(waiting(:slow), instance)
    run = begin_run(instance)
    assert_receive {:in, :slow, pid}
    load(passing(:quick), instance)
    {:ok, trace} = Hook.trace(:step, instance: instance)

    assert {:error, %Error{reason: {:still_running, [^pid]}}} =
             Manager.unload_plugin(:slow, instance: instance, drain_timeout: 0)

    # It began without the other one.
    assert :ok = Manager.unload_plugin(:quick, instance: instance, drain_timeout: 0)
    unload(:slow, instance)
    refute_received {:unloaded, _}
    send(pid, :go)
    assert {:ok, %{seen: [:slow]}} = Task.await(run)
    assert_receive {:unloaded, :ok}
    Hook.untrace(trace)
  end

  test "a run that was killed is not waited for", %{instance: instance} do
    load(waiting(:slow), instance)
    Process.flag(:trap_exit, true)

    for _ <- 1..3 do
      run = begin_run(instance)
      assert_receive {:in, :slow, pid}
      Process.exit(pid, :kill)
      assert {:exit, :killed} = Task.yield(run, :infinity)
    end

    assert :ok = Manager.unload_plugin(:slow, instance: instance, drain_timeout: 60_000)
  end

  test "a run that is killed while it is waited for is not waited for any longer", %{instance: instance} do
    load(waiting(:slow), instance)
    Process.flag(:trap_exit, true)
    begin_run(instance)
    assert_receive {:in, :slow, pid}
    unload(:slow, instance, drain_timeout: 60_000)
    refute_received {:unloaded, _}
    Process.exit(pid, :kill)
    assert_receive {:unloaded, :ok}, 5_000
  end

  test "many versions of a chain with killed runs are not kept", %{instance: instance} do
    load(waiting(:slow), instance)
    Process.flag(:trap_exit, true)

    for _ <- 1..40 do
      run = begin_run(instance)
      assert_receive {:in, :slow, pid}
      Process.exit(pid, :kill)
      assert {:exit, :killed} = Task.yield(run, :infinity)
      load(passing(:quick), instance)
      assert :ok = Manager.unload_plugin(:quick, instance: instance)
    end

    assert length(ChainStore.chain(instance, :step).earlier) < 35
    assert %{runs: 40} = Hook.stats(:step, instance: instance)
  end

  describe "a run that fails" do
    setup %{instance: instance} do
      load(
        plugin id: :failing do
          hook :before, :step, on_error: :raise
          def step(%{fail: fail}, _next), do: fail.()
          def step(context, next), do: next.(context)
        end,
        instance
      )

      :ok
    end

    for {kind, fail} <- [
          error: quote(do: raise("failed")),
          throw: quote(do: throw(:failed)),
          exit: quote(do: exit(:failed)),
          refusal: quote(do: throw({:hook_error, :no}))
        ],
        place <- [:hook, :core],
        times <- [1, 3_000] do
      test "in its #{place} with #{kind} has ended, after #{times} of them", %{instance: instance} do
        fail = fn -> unquote(fail) end
        %{drain: drain} = ChainStore.chain(instance, :step)

        for _ <- 1..unquote(times) do
          try do
            case unquote(place) do
              :hook -> Hook.run(instance, :step, %{fail: fail}, nil)
              :core -> Hook.run(instance, :step, %{}, fn _ -> fail.() end)
            end
          catch
            _, _ -> :failed
          end
        end

        assert :ok = Manager.unload_plugin(:failing, instance: instance)
        # No process had to be looked at.
        assert Drain.over?(drain)
        assert Drain.begun(drain) == unquote(times)
      end
    end
  end

  describe "a run that unloads a plugin of its own chain" do
    setup %{instance: instance} do
      load(waiting(:slow), instance)

      load(
        plugin id: :once do
          hook :before, :step

          def step(%{again: n} = context, next) when n > 0 do
            {:ok, _} = Pipeline.Hook.run(context.instance, :step, %{context | again: n - 1}, nil)
            next.(context)
          end

          def step(%{instance: instance} = context, next) do
            send(context.test, :unloads)
            result = Pipeline.Plugin.Manager.unload_plugin(:once, instance: instance, drain_timeout: 60_000)
            next.(Map.put(context, :unloaded, result))
          end

          def step(context, next), do: next.(context)
        end,
        instance
      )

      :ok
    end

    for {again, what} <- [{0, "once"}, {3, "within runs of itself"}] do
      test "#{what} waits for the runs of others", %{instance: instance} do
        other = begin_run(instance)
        assert_receive {:in, :slow, pid}
        context = %{test: self(), instance: instance, again: unquote(again)}
        own = Task.async(fn -> Hook.run(instance, :step, context, nil) end)

        for _ <- 0..unquote(again) do
          assert_receive {:in, :slow, own}
          send(own, :go)
        end

        assert_receive :unloads
        assert Task.yield(own, 50) == nil
        send(pid, :go)
        assert {:ok, _} = Task.await(other)
        assert {:ok, _} = Task.await(own)
        assert Manager.plugin_info(:once, instance: instance) == :error
      end
    end
  end

  test "a run that began while another is under way elsewhere is found too", %{instance: instance} do
    load(waiting(:first, :before, :elsewhere), instance)
    load(waiting(:slow), instance)
    load(passing(:quick), instance)
    first = begin_run(instance, :elsewhere)
    assert_receive {:in, :first, one}
    assert :ok = Manager.unload_plugin(:quick, instance: instance)

    second = begin_run(instance)
    assert_receive {:in, :slow, two}

    assert {:error, %Error{reason: {:still_running, [^two]}}} =
             Manager.unload_plugin(:slow, instance: instance, drain_timeout: 0)

    for pid <- [one, two], do: send(pid, :go)
    assert [{:ok, _}, {:ok, _}] = Task.await_many([first, second])
  end

  describe "a run whose frame is deep down a stack" do
    setup %{instance: instance} do
      load(
        plugin id: :deep do
          hook :before, :step do
            def step(%{test: test} = context, next) do
              down = &Pipeline.Plugin.DrainTest.down/2
              next.(down.(100, fn -> Pipeline.Plugin.DrainTest.wait(context, test, :deep) end))
            end
          end
        end,
        instance
      )

      :ok
    end

    test "is waited for", %{instance: instance} do
      assert_waited_for(instance)
    end

    test "is waited for beside stacks that are too large to be read", %{instance: instance} do
      for _ <- 1..3, do: start_supervised!({Task, &large/0}, id: make_ref())
      assert_waited_for(instance)
    end
  end

  defp assert_waited_for(instance) do
    run = begin_run(instance)
    assert_receive {:in, :deep, pid}

    assert {:error, %Error{reason: {:still_running, [^pid]}}} =
             Manager.unload_plugin(:deep, instance: instance, drain_timeout: 0)

    send(pid, :go)
    assert {:ok, %{seen: [:deep]}} = Task.await(run)
    assert :ok = Manager.unload_plugin(:deep, instance: instance)
  end

  @doc false
  def down(0, fun), do: fun.()
  def down(frames, fun), do: Function.identity(up(frames, fun))

  defp up(frames, fun) do
    result = down(frames - 1, fun)
    Function.identity(result)
  end

  defp large do
    words = Enum.to_list(1..100_000)
    down(100, fn -> receive do: (:never -> :ok) end)
    length(words)
  end

  test "a run may unload a plugin of its own chain", %{instance: instance} do
    load(
      plugin id: :once do
        hook :before, :step do
          def step(%{instance: instance} = context, next) do
            :ok = Pipeline.Plugin.Manager.unload_plugin(:once, instance: instance)
            next.(Map.put(context, :seen, :once))
          end
        end
      end,
      instance
    )

    assert {:ok, %{seen: :once}} = Hook.run(instance, :step, %{instance: instance}, nil)
    assert {:ok, %{n: 1}} = Hook.run(instance, :step, %{n: 1}, nil)
  end

  test "a plugin that is disabled waits for its runs too", %{instance: instance} do
    load(waiting(:slow), instance)
    run = begin_run(instance)
    assert_receive {:in, :slow, pid}

    assert {:error, %Error{reason: {:still_running, [^pid]}}} =
             Manager.disable_plugin(:slow, instance: instance, drain_timeout: 0)

    assert %{state: :started} = Manager.plugin_info!(:slow, instance: instance)
    send(pid, :go)
    Task.await(run)
    assert :ok = Manager.disable_plugin(:slow, instance: instance)
  end

  describe "purge" do
    test "takes the module out of the VM", %{instance: instance} do
      module = passing(:quick)
      load(module, instance)
      assert :ok = Manager.unload_plugin(:quick, instance: instance, purge: true)
      refute :erlang.module_loaded(module)
      refute :erlang.check_old_code(module)
    end

    test "leaves native code, since the VM may not live without it" do
      assert {:module, :crypto} = Code.ensure_loaded(:crypto)
      reason = {:native_code, :crypto}
      assert Pipeline.Plugin.Manager.Upgrade.Code.purge(:crypto) == {:error, reason}
      assert :erlang.module_loaded(:crypto)
      error = %Error{operation: :unload, plugin: :hooks, reason: reason}
      assert Exception.message(error) =~ ":crypto has native functions, which stay in the VM until it ends"
    end

    test "ends nobody that runs the code", %{instance: instance} do
      module =
        plugin id: :busy do
          def wait(test) do
            send(test, :waiting)
            receive(do: (:go -> :gone))
          end
        end

      load(module, instance)
      task = Task.async(module, :wait, [self()])
      assert_receive :waiting

      assert {:error, %Error{reason: {:code_in_use, [pid]}} = error} =
               Manager.unload_plugin(:busy, instance: instance, purge: true)

      assert pid == task.pid
      assert Exception.message(error) =~ "still run its old code"
      assert Manager.plugin_info(:busy, instance: instance) == :error
      send(pid, :go)
      assert Task.await(task) == :gone
    end
  end
end
