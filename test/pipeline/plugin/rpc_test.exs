defmodule Pipeline.Plugin.RPCTest do
  use Pipeline.InstanceCase, async: true

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
    def handle_rpc(:hang, state), do: receive(do: (:go_on -> {:reply, :late, state}))
    def handle_rpc(:wrong, _state), do: :wrong
    def handle_rpc({:ask, id}, state), do: {:reply, Pipeline.Plugin.RPC.call(id, :count), state}

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

  test "casts, and hands other messages on", %{opts: opts} do
    assert RPC.cast(:counter, {:add, 5}, opts) == :ok
    assert RPC.call(:counter, :count, 5000, opts) == {:ok, 5}
    send(Manager.plugin_info(:counter, opts).pid, :hello)
    assert_receive {:message, :hello}
  end

  test "is an error, never an exit", %{opts: opts} do
    assert RPC.call(:nobody, :count, 5000, opts) == {:error, {:not_loaded, :nobody}}
    assert RPC.cast(:nobody, :count, opts) == {:error, {:not_loaded, :nobody}}

    assert {:error, {:crashed, :counter, {%RuntimeError{message: "no luck"}, _}}} =
             RPC.call(:counter, :crash, 5000, opts)

    assert {:error, {:crashed, :counter, {:bad_return, _, :wrong}}} =
             eventually(fn -> RPC.call(:counter, :wrong, 5000, opts) end)

    assert eventually(fn -> RPC.call(:counter, :hang, 10, opts) end) == {:error, {:timeout, :counter}}
    send(Manager.plugin_info(:counter, opts).pid, :go_on)
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

  # After a crash there is no process for a moment.
  defp eventually(fun) do
    case fun.() do
      {:error, {:not_loaded, :counter}} -> eventually(fun)
      answer -> answer
    end
  end
end
