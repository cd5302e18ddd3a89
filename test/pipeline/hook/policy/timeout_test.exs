defmodule Pipeline.Hook.TimeoutTest do
  use Pipeline.InstanceCase, async: true

  alias Pipeline.Hook.Manager, as: Chains

  @long 60_000

  for kind <- [:before, :after, :replace, :around] do
    @kind kind

    test "a #{kind} hook that takes too long is killed and fails with :timeout", %{instance: instance} do
      test = self()

      module =
        plugin id: :slow do
          hook unquote(@kind), :step, fun: :slow, timeout: 20 do
            def slow(%{test: test} = context, _next) do
              send(test, {:task, self()})
              receive do: (:never -> context)
            end
          end
        end

      {:ok, :slow} = Manager.load_plugin(module, %{}, instance: instance)
      :ok = Events.subscribe(self(), :hook_failed, instance: instance)

      assert {:error, %Hook.Error{plugin: :slow, point: :step, kind: @kind, reason: :timeout} = error} =
               Hook.run(instance, :step, %{test: test}, &Function.identity/1)

      assert Exception.message(error) ==
               "the #{@kind} hook on :step of plugin :slow failed: it took longer than its timeout"

      assert_received {:task, task}
      refute task == self()
      refute Process.alive?(task)
      assert_received {:pipeline_event, {:plugin, :hook_failed}, %{error: ^error}}
      refute_received _
    end

    test "a #{kind} hook with a timeout runs in a task, what follows it in the caller" do
      test = self()

      {:ok, value} =
        Chains.new()
        |> Chains.register(:step, &reporting(&1, &2, test, :hook), kind: @kind, timeout: @long)
        |> Chains.register(:step, &reporting(&1, &2, test, :later), kind: @kind, priority: 1)
        |> Chains.run(:step, 1, fn context ->
          send(test, {:core, self()})
          context
        end)

      assert value == 1
      assert_received {:core, ^test}
      assert_received {:hook, task}
      assert_received {:later, ^test}
      refute task == test
    end

    test "on_error: :skip goes on when a #{kind} hook took too long" do
      chains =
        Chains.register(Chains.new(), :step, fn _, _ -> receive(do: (:never -> :ok)) end,
          kind: @kind,
          timeout: 10,
          on_error: :skip
        )

      assert Chains.run(chains, :step, 1, &(&1 + 1)) == {:ok, 2}
    end

    test "on_error: :raise exits with :timeout when a #{kind} hook took too long" do
      chains =
        Chains.register(Chains.new(), :step, fn _, _ -> receive(do: (:never -> :ok)) end,
          kind: @kind,
          timeout: 10,
          on_error: :raise
        )

      assert catch_exit(Chains.run(chains, :step, 1)) == :timeout
    end
  end

  test "the time that next takes does not count" do
    test = self()

    chains = Chains.register(Chains.new(), :step, &pass/2, timeout: 50)

    # The base operation takes longer than the hook may: it waits for a timer of twice that time.
    assert {:ok, :done} =
             Chains.run(chains, :step, 1, fn _ ->
               Process.send_after(test, :time_is_up, 100)
               receive do: (:time_is_up -> :done)
             end)
  end

  test "the time after next counts" do
    chains =
      Chains.register(
        Chains.new(),
        :step,
        fn context, next ->
          next.(context)
          receive do: (:never -> :ok)
        end,
        timeout: 20
      )

    assert {:error, %Hook.Error{reason: :timeout}} = Chains.run(chains, :step, 1)
  end

  test "a hook that took too long after next returned is skipped and nothing runs twice" do
    test = self()

    chains =
      Chains.register(
        Chains.new(),
        :step,
        fn context, next ->
          next.(context)
          receive do: (:never -> :ok)
        end,
        timeout: 20,
        on_error: :skip
      )

    core = fn context ->
      send(test, :core)
      context + 1
    end

    assert Chains.run(chains, :step, 1, core) == {:ok, 2}
    assert_received :core
    refute_received _
  end

  test "the failure of a hook in a task is its own, with its exception and its stacktrace" do
    chains =
      Chains.new()
      |> Chains.register(:step, fn _, _ -> raise "slow and wrong" end, plugin: :x, timeout: @long)
      |> Chains.register(:step, &pass/2, plugin: :y, kind: :around)

    assert {:error,
            %Hook.Error{plugin: :x, kind: :before, reason: %RuntimeError{message: "slow and wrong"}} = error} =
             Chains.run(chains, :step, 1)

    assert {__MODULE__, _, _, _} = hd(error.stacktrace)
  end

  test "a refusal from a task is a refusal" do
    chains = Chains.register(Chains.new(), :step, fn _, _ -> throw({:hook_error, :no}) end, timeout: @long)
    assert Chains.run(chains, :step, 1) == {:error, :no}
  end

  test "what next fails with in a task's hook keeps its owner" do
    chains =
      Chains.new()
      |> Chains.register(:step, &pass/2, plugin: :x, timeout: @long)
      |> Chains.register(:step, fn _, _ -> raise "later" end, plugin: :y)

    assert {:error, %Hook.Error{plugin: :y, reason: %RuntimeError{message: "later"}}} =
             Chains.run(chains, :step, 1)
  end

  test "a hook with a timeout that calls next in a process of its own", %{} do
    test = self()

    chains =
      Chains.register(
        Chains.new(),
        :step,
        fn context, next -> Task.await(Task.async(fn -> next.(context) end)) end,
        timeout: @long
      )

    core = fn context ->
      send(test, {:core, self()})
      context + 1
    end

    assert Chains.run(chains, :step, 1, core) == {:ok, 2}
    assert_received {:core, ^test}
    refute_received _
  end

  test "hooks with timeouts nest: each runs in its task, the base operation in the caller" do
    test = self()

    chains =
      Enum.reduce(1..5, Chains.new(), fn n, chains ->
        Chains.register(chains, :step, &reporting(&1, &2, test, n), timeout: @long)
      end)

    assert {:ok, ^test} = Chains.run(chains, :step, 1, fn _ -> self() end)

    tasks =
      for n <- 1..5 do
        assert_received {^n, task}
        task
      end

    assert length(Enum.uniq([test | tasks])) == 6
  end

  test "a hook that is killed fails with the reason" do
    chains =
      Chains.register(Chains.new(), :step, fn _, _ -> Process.exit(self(), :kill) end,
        plugin: :x,
        timeout: @long
      )

    assert {:error, %Hook.Error{plugin: :x, reason: :killed}} = Chains.run(chains, :step, 1)
  end

  test "the task ends when its caller ends" do
    test = self()

    chains =
      Chains.register(
        Chains.new(),
        :step,
        fn _, _ ->
          send(test, {:task, self()})
          receive do: (:never -> :ok)
        end,
        timeout: @long
      )

    {caller, monitor} = spawn_monitor(fn -> Chains.run(chains, :step, 1) end)
    assert_receive {:task, task}
    task_monitor = Process.monitor(task)
    Process.exit(caller, :kill)
    assert_receive {:DOWN, ^monitor, _, _, :killed}
    assert_receive {:DOWN, ^task_monitor, _, _, :killed}
  end

  test "the messages of the caller are left alone" do
    send(self(), :mine)
    send(self(), {make_ref(), :mine})
    chains = Chains.register(Chains.new(), :step, &pass/2, timeout: @long)
    assert {:ok, 1} = Chains.run(chains, :step, 1)
    assert {:messages, [:mine, {_, :mine}]} = Process.info(self(), :messages)
  end

  defp pass(context, next), do: next.(context)

  defp reporting(context, next, test, name) do
    send(test, {name, self()})
    next.(context)
  end

  defmodule Points do
    use Pipeline.Hook.Spec
    for mode <- [:first, :collect, :notify], do: hookpoint(mode, mode: mode)
  end

  @tag hooks: Points
  test "a listener has one too", %{instance: instance} do
    module =
      plugin id: :listening do
        for mode <- [:first, :collect, :notify] do
          hook :listen, mode, fun: :slow, timeout: 20, on_error: :skip
          hook :listen, mode, fun: :quick, timeout: 60_000
        end

        def slow(_context), do: receive(do: (:never -> :ok))
        def quick(test), do: {self() != test, Process.get(:"$callers")}
      end

    {:ok, :listening} = Manager.load_plugin(module, %{}, instance: instance)
    quick = {true, [self()]}
    assert Hook.run(instance, :first, self(), nil) == {:ok, quick}
    assert Hook.run(instance, :collect, self(), nil) == {:ok, [quick]}
    assert Hook.run(instance, :notify, self(), nil) == :ok
    assert [%{failures: 1, skips: 1}, %{failures: 0}] = Hook.stats(:notify, instance: instance).hooks
    refute_received _
  end
end
