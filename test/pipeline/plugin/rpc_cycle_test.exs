# Hands a request on along a list of plugins, and returns what it got.
defmodule Pipeline.Plugin.RPCCycleTest.Relay do
  defmacro relay(id) do
    quote do
      use Pipeline.Plugin, id: unquote(id)

      @impl true
      def handle_rpc({[], _opts}, state), do: {:reply, :arrived, state}

      def handle_rpc({[next | rest], opts}, state) do
        {:reply, Pipeline.Plugin.RPC.call(next, {rest, opts}, :infinity, opts), state}
      end

      def handle_rpc({:meet, test, other, opts}, state) do
        send(test, {:ready, self()})
        receive do: (:go -> :ok)
        {:reply, Pipeline.Plugin.RPC.call(other, {[], opts}, :infinity, opts), state}
      end

      @impl true
      def handle_message({:ask, test, way, opts}, state) do
        send(test, {:got, Pipeline.Plugin.RPC.call(hd(way), {tl(way), opts}, :infinity, opts)})
        {:ok, state}
      end
    end
  end
end

defmodule Pipeline.Plugin.RPCCycleTest do
  use Pipeline.InstanceCase, async: true

  require Pipeline.Plugin.RPCCycleTest.Relay, as: Relay

  defmodule Module.concat(__MODULE__, :a), do: Relay.relay(:a)
  defmodule Module.concat(__MODULE__, :b), do: Relay.relay(:b)
  defmodule Module.concat(__MODULE__, :c), do: Relay.relay(:c)

  setup %{instance: instance} do
    modules = for id <- [:a, :b, :c], do: Module.concat(__MODULE__, id)
    {:ok, _} = Manager.load_plugins(modules, instance: instance)
    {:ok, opts: [instance: instance]}
  end

  # Each plugin adds an {:ok, _} around the answer of the next.
  defp ask(first, way, opts), do: RPC.call(first, {way, opts}, :infinity, opts)

  test "a call that would wait for its own caller is an error at once", %{opts: opts} do
    assert ask(:a, [:b, :a], opts) == {:ok, {:ok, {:error, {:cycle, [:b, :a, :b]}}}}
    assert ask(:a, [:b, :c, :a], opts) == {:ok, {:ok, {:ok, {:error, {:cycle, [:c, :a, :b, :c]}}}}}
    assert ask(:a, [:b, :c, :b], opts) == {:ok, {:ok, {:ok, {:error, {:cycle, [:c, :b, :c]}}}}}
    assert ask(:a, [:a], opts) == {:ok, {:error, {:calling_self, :a}}}
    # Nothing of it stays.
    assert ask(:a, [:b, :c], opts) == {:ok, {:ok, {:ok, :arrived}}}
    assert ask(:c, [:b, :a], opts) == {:ok, {:ok, {:ok, :arrived}}}
  end

  test "also from a callback that is no call", %{opts: opts} do
    :ok = RPC.cast(:a, {:ask, self(), [:b, :a], opts}, opts)
    assert_receive {:got, {:ok, {:error, {:cycle, [:b, :a, :b]}}}}, 10_000
  end

  test "of two that call each other at the same time one at least is told", %{opts: opts} do
    test = self()

    for _ <- 1..200 do
      tasks =
        for {id, other} <- [a: :b, b: :a] do
          Task.async(fn -> RPC.call(id, {:meet, test, other, opts}, :infinity, opts) end)
        end

      pids = for _ <- 1..2, do: receive(do: ({:ready, pid} -> pid))
      for pid <- pids, do: send(pid, :go)
      answers = Task.await_many(tasks, 60_000)
      assert Enum.any?(answers, &match?({:ok, {:error, {:cycle, _}}}, &1))
    end
  end

  test "one that was killed while it waited is waited for no more", %{opts: opts} do
    test = self()
    spawn(fn -> RPC.call(:b, {:meet, test, :c, opts}, :infinity, opts) end)
    assert_receive {:ready, b}
    # Meanwhile :a waits for :b.
    spawn(fn -> ask(:a, [:b], opts) end)
    a = Manager.plugin_info!(:a, opts).pid
    wait_until(fn -> match?({:current_function, {:gen, :do_call, _}}, Process.info(a, :current_function)) end)
    monitor = Process.monitor(a)
    Process.exit(a, :kill)
    assert_receive {:DOWN, ^monitor, :process, _, _}
    send(b, :go)
    assert ask(:b, [:a], opts) == {:ok, {:ok, :arrived}}
  end

  defp wait_until(done?), do: done?.() || (Process.sleep(1) && wait_until(done?))
end
