defmodule Pipeline.Plugin.RPCTest do
  use Pipeline.InstanceCase, async: true

  alias Pipeline.Instance.Names
  alias Pipeline.Plugin.RPC.Target

  defmodule Counter do
    use Pipeline.Plugin, id: :counter

    @impl Pipeline.Plugin
    def init(config), do: {:ok, Map.put(config, :count, 0)}

    @impl Pipeline.Plugin
    def handle_rpc(:count, state), do: {:reply, state.count, state}

    def handle_rpc({:add, n}, state) when is_integer(n),
      do: {:reply, :added, %{state | count: state.count + n}}

    def handle_rpc({:add, other}, state), do: {:error, {:not_a_number, other}, state}
    def handle_rpc(:crash, _state), do: raise("no luck")
    def handle_rpc({:exit, reason}, _state), do: exit(reason)
    def handle_rpc({:throw, thrown}, _state), do: throw(thrown)
    def handle_rpc({:inner, n}, _state), do: only_atoms(n)
    def handle_rpc(:hang, state), do: receive(do: (:go_on -> {:reply, :late, state}))
    def handle_rpc(:wrong, _state), do: :wrong
    def handle_rpc({:ask, id}, state), do: {:reply, Pipeline.Plugin.RPC.call(id, :count), state}

    defp only_atoms(name) when is_atom(name), do: name

    @impl Pipeline.Plugin
    def handle_message({:add, n}, state), do: {:ok, %{state | count: state.count + n}}

    def handle_message(other, state) do
      send(state.test, {:message, other})
      {:ok, state}
    end
  end

  setup %{instance: instance} do
    {:ok, :counter} = Manager.load_plugin(Counter, %{test: self()}, instance: instance)
    {:ok, opts: [instance: instance]}
  end

  test "answers what the plugin answers", %{opts: opts} do
    assert RPC.call(:counter, {:add, 2}, 5000, opts) == {:ok, :added}
    assert RPC.call(:counter, :count, 5000, opts) == {:ok, 2}
    assert RPC.call(:counter, {:add, :x}, 5000, opts) == {:error, {:not_a_number, :x}}
    assert RPC.call(:counter, :count, 5000, opts) == {:ok, 2}
  end

  @tag :capture_log
  test "ends with a request that it fails on, if it says so", %{opts: opts} do
    module =
      plugin id: :strict, on_rpc_error: :crash do
        @impl Pipeline.Plugin
        def handle_rpc(:crash, _state), do: raise("no luck")
      end

    {:ok, :strict} = Manager.load_plugin(module, %{}, opts)

    assert {:error, {:crashed, :strict, {%RuntimeError{message: "no luck"}, _}}} =
             RPC.call(:strict, :crash, 5000, opts)
  end

  test "casts, and hands other messages on", %{opts: opts} do
    assert RPC.cast(:counter, {:add, 5}, opts) == :ok
    assert RPC.call(:counter, :count, 5000, opts) == {:ok, 5}
    send(Manager.plugin_info!(:counter, opts).pid, :hello)
    assert_receive {:message, :hello}
  end

  # A tag, so that the compiler does not see that it is no timeout.
  @tag wrong: :soon
  test "is an error, never an exit", %{opts: opts, wrong: wrong} do
    assert RPC.call(:nobody, :count, 5000, opts) == {:error, {:not_loaded, :nobody}}
    assert RPC.cast(:nobody, :count, opts) == {:error, {:not_loaded, :nobody}}

    # Requests that it fails on, or does not know, leave it as it was.
    pid = Manager.plugin_info!(:counter, opts).pid

    assert {:error, {:rpc_failed, :counter, %RuntimeError{message: "no luck"}}} =
             RPC.call(:counter, :crash, 5000, opts)

    assert {:error, {:rpc_failed, :counter, {:bad_return, _, :wrong}}} =
             RPC.call(:counter, :wrong, 5000, opts)

    assert RPC.call(:counter, {:exit, :no_luck}, 5000, opts) == {:error, {:rpc_failed, :counter, :no_luck}}
    assert RPC.call(:counter, {:throw, 1}, 5000, opts) == {:error, {:rpc_failed, :counter, {:nocatch, 1}}}

    for _ <- 1..5,
        do: assert(RPC.call(:counter, :cuont, 5000, opts) == {:error, {:unknown_request, :counter}})

    assert {:error, {:rpc_failed, :counter, %FunctionClauseError{}}} =
             RPC.call(:counter, {:inner, 1}, 5000, opts)

    assert {:ok, %{pid: ^pid, rpc_errors: 10}} = Pipeline.Plugin.Resources.monitor_plugin(:counter, opts)
    assert RPC.call(:counter, :hang, 10, opts) == {:error, {:timeout, :counter}}
    assert RPC.call(:counter, :count, 0, opts) == {:error, {:timeout, :counter}}
    assert RPC.call(:counter, :count, -1, opts) == {:error, {:timeout, :counter}}
    send(Manager.plugin_info!(:counter, opts).pid, :go_on)
    assert RPC.call(:counter, :count, :infinity, opts) == {:ok, 0}
    assert RPC.call(:counter, :count, 0x1_0000_0000, opts) == {:ok, 0}
    assert RPC.call(:counter, :count, 5000, instance: :nowhere) == {:error, {:not_loaded, :counter}}

    assert_raise ArgumentError, ~r/a timeout is a number of milliseconds or :infinity, got: :soon/, fn ->
      RPC.call(:counter, :count, wrong, opts)
    end
  end

  test "leaves no answer that came too late", %{opts: opts} do
    assert RPC.call(:counter, :hang, 1, opts) == {:error, {:timeout, :counter}}
    send(Manager.plugin_info!(:counter, opts).pid, :go_on)
    # It has answered that call before this one.
    assert RPC.call(:counter, :count, 5000, opts) == {:ok, 0}
    refute_received _
  end

  test "is kept for a plugin that is held up, as by an upgrade", %{opts: opts} do
    pid = Manager.plugin_info!(:counter, opts).pid
    :ok = :sys.suspend(pid)
    kept = Task.async(fn -> RPC.call(:counter, {:add, 3}, :infinity, opts) end)
    until(fn -> Enum.any?(messages(pid), &match?({:"$gen_call", _, {:plugin_rpc, {:add, 3}}}, &1)) end)
    assert RPC.call(:counter, :count, 5, opts) == {:error, {:timeout, :counter}}
    :ok = :sys.resume(pid)
    assert Task.await(kept) == {:ok, :added}
    assert RPC.call(:counter, :count, 5000, opts) == {:ok, 3}
    refute_received _
  end

  test "tells the state of a plugin that has no process", %{instance: instance, opts: opts} do
    for state <- [:held, :stopped, :failed] do
      {:ok, _} = Registry.register(Registry.owned(instance), %{id: state, state: state})
      assert RPC.call(state, :count, 5000, opts) == {:error, {state, state}}
      assert RPC.call(state, :count, :infinity, opts) == {:error, {state, state}}
      assert RPC.cast(state, :count, opts) == {:error, {state, state}}
      {:ok, _} = Registry.unregister(Registry.owned(instance), state)
    end
  end

  describe "while a plugin is being restarted" do
    test "waits for it", %{opts: opts} do
      supervisor = kill_and_hold_up(opts)
      assert RPC.cast(:counter, {:add, 1}, opts) == {:error, {:restarting, :counter}}
      task = Task.async(fn -> {RPC.call(:counter, :count, :infinity, opts), messages()} end)
      await_waiter(task.pid)
      # News of others are no answer.
      :ok = Events.emit(:news, 1, opts)
      :sys.resume(supervisor)
      assert Task.await(task) == {{:ok, 0}, []}
    end

    test "waits no longer than it is to", %{opts: opts} do
      supervisor = kill_and_hold_up(opts)
      assert RPC.call(:counter, :count, 20, opts) == {:error, {:restarting, :counter}}
      assert RPC.call(:counter, :count, 0, opts) == {:error, {:restarting, :counter}}
      :sys.resume(supervisor)
      assert RPC.call(:counter, :count, 5000, opts) == {:ok, 0}
      refute_received _
    end

    test "tells that it has failed, or was unloaded", %{instance: instance, opts: opts} do
      moody =
        plugin id: :moody do
          @impl Pipeline.Plugin
          def init(%{mood: mood}), do: {Agent.get(mood, & &1), :moody}
        end

      mood = start_supervised!({Agent, fn -> :ok end})
      {:ok, :moody} = Manager.load_plugin(moody, %{mood: mood}, instance: instance)
      supervisor = kill_and_hold_up(:moody, opts)
      Agent.update(mood, fn :ok -> :error end)
      task = Task.async(fn -> RPC.call(:moody, :count, :infinity, opts) end)
      await_waiter(task.pid)

      ExUnit.CaptureLog.capture_log(fn ->
        :sys.resume(supervisor)
        assert Task.await(task) == {:error, {:failed, :moody}}
      end)

      task = Task.async(fn -> RPC.call(:counter, :count, :infinity, opts) end)
      assert Task.await(task) == {:ok, 0}
      _ = kill_and_hold_up(:counter, opts)
      task = Task.async(fn -> RPC.call(:counter, :count, :infinity, opts) end)
      await_waiter(task.pid)
      unload = Task.async(fn -> Manager.unload_plugin(:counter, opts) end)
      # A supervisor ends also while it is suspended.
      assert Task.await(unload) == :ok
      assert {:error, {state, :counter}} = Task.await(task)
      assert state in [:stopping, :draining, :not_loaded]
    end

    test "ends the waiting with the caller", %{opts: opts} do
      supervisor = kill_and_hold_up(opts)
      caller = spawn(fn -> RPC.call(:counter, :count, :infinity, opts) end)
      waiter = await_waiter(caller)
      monitor = Process.monitor(waiter)
      Process.exit(caller, :kill)
      assert_receive {:DOWN, ^monitor, :process, ^waiter, _}
      :sys.resume(supervisor)
    end
  end

  test "tells that a plugin was stopped before it came to the call", %{opts: opts} do
    pid = Manager.plugin_info!(:counter, opts).pid
    hanging = Task.async(fn -> RPC.call(:counter, :hang, 5000, opts) end)
    until(fn -> match?({:current_function, {Counter, :handle_rpc, 2}}, current_function(pid)) end)
    unload = Task.async(fn -> Manager.unload_plugin(:counter, opts) end)
    until(fn -> Enum.any?(messages(pid), &match?({:EXIT, _, :shutdown}, &1)) end)
    late = Task.async(fn -> RPC.call(:counter, :count, 5000, opts) end)
    until(fn -> Enum.any?(messages(pid), &match?({:"$gen_call", _, {:plugin_rpc, :count}}, &1)) end)
    send(pid, :go_on)
    assert Task.await(hanging) == {:ok, :late}
    assert {:error, {state, :counter}} = Task.await(late)
    assert state in [:stopping, :draining, :not_loaded]
    assert Task.await(unload) == :ok
  end

  test "tells that a plugin takes no calls", %{instance: instance, opts: opts} do
    quiet = plugin([id: :quiet], do: nil)
    {:ok, :quiet} = Manager.load_plugin(quiet, %{}, instance: instance)
    assert RPC.call(:quiet, :count, 5000, opts) == {:error, {:no_rpc, :quiet}}
  end

  test "stays in the instance of the plugin that calls", %{instance: instance, opts: opts} do
    other =
      plugin id: :other do
        @impl Pipeline.Plugin
        def handle_rpc(:count, state), do: {:reply, :mine, state}
      end

    {:ok, :other} = Manager.load_plugin(other, %{}, instance: instance)
    assert RPC.call(:counter, {:ask, :other}, 5000, opts) == {:ok, {:ok, :mine}}
    assert RPC.call(:counter, {:ask, :counter}, 5000, opts) == {:ok, {:error, {:calling_self, :counter}}}
  end

  # Kills a plugin while the plugin supervisor is held up, so that there is no process of it until that is resumed.
  defp kill_and_hold_up(id \\ :counter, opts) do
    supervisor = Names.whereis(opts[:instance], {:tree, id})
    :ok = :sys.suspend(supervisor)
    pid = Manager.plugin_info!(id, opts).pid
    monitor = Process.monitor(pid)
    Process.exit(pid, :kill)
    assert_receive {:DOWN, ^monitor, :process, ^pid, :killed}
    until(fn -> Manager.plugin_info!(id, opts).pid == nil end)
    supervisor
  end

  # The process that waits for a caller, once it waits.
  defp await_waiter(caller) do
    with {:monitors, [process: waiter]} when is_pid(waiter) <- Process.info(caller, :monitors),
         {:current_function, {Target, :look, 3}} <- current_function(waiter) do
      waiter
    else
      _ -> await_waiter(caller)
    end
  end

  defp current_function(pid), do: Process.info(pid, :current_function)
  defp messages(pid \\ self()), do: pid |> Process.info(:messages) |> elem(1)
  defp until(fun), do: fun.() || until(fun)
end
