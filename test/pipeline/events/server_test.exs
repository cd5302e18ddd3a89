defmodule Pipeline.Events.ServerTest do
  # Not async: all instances share the server that is killed here.
  use Pipeline.InstanceCase, async: false

  alias Pipeline.Events.{Server, Subscribers, Subscriptions}

  defp kill_server do
    pid = Process.whereis(Server)
    monitor = Process.monitor(pid)
    Process.exit(pid, :kill)
    assert_receive {:DOWN, ^monitor, :process, ^pid, :killed}
    await_server(pid)
  end

  defp await_server(old) do
    case Process.whereis(Server) do
      pid when is_pid(pid) and pid != old -> :sys.get_state(pid)
      _ -> await_server(old)
    end
  end

  defp subscriber(event, opts) do
    test = self()

    pid =
      spawn(fn ->
        :ok = Pipeline.Events.subscribe(event, opts)
        send(test, {:subscribed, self()})
        receive do: (:never -> :ok)
      end)

    assert_receive {:subscribed, ^pid}
    pid
  end

  defp until(fun), do: fun.() || until(fun)

  test "subscriptions outlive the server", %{instance: instance} do
    :ok = Pipeline.Events.subscribe(:tick, max_queue: 4, instance: instance)
    :ok = Pipeline.Events.subscribe({:a}, match: :prefix, instance: instance)
    gone = subscriber(:tick, instance: instance)
    kill_server()
    :ok = Pipeline.Events.emit(:tick, 1, instance: instance)
    :ok = Pipeline.Events.emit({:a, 1}, 2, instance: instance)
    assert_received {:pipeline_event, :tick, 1}
    assert_received {:pipeline_event, {:a, 1}, 2}

    # It knows whose end it has to wait for, and what there is.
    Process.exit(gone, :kill)
    until(fn -> :ets.lookup(Subscribers, gone) == [] end)
    assert [{_, {pid, _, _, _, _}}] = :ets.lookup(Subscriptions, {instance, :tick})
    assert pid == self()
    :ok = Pipeline.Events.subscribe(:tick, instance: instance)
    :ok = Pipeline.Events.emit(:tick, 3, instance: instance)
    assert_received {:pipeline_event, :tick, 3}
    refute_received {:pipeline_event, :tick, 3}
    :ok = Pipeline.Events.unsubscribe(:tick, instance: instance)
    :ok = Pipeline.Events.unsubscribe({:a}, match: :prefix, instance: instance)
    assert :ets.lookup(Subscribers, self()) == []
  end

  test "a subscriber that is behind is told although the server, or who looks at it, ends", %{
    instance: instance
  } do
    :ok = Pipeline.Events.subscribe(:tick, max_queue: 4, instance: instance)
    for n <- 1..10, do: :ok = Pipeline.Events.emit(:tick, n, instance: instance)
    kill_server()

    watcher = fn -> :sys.get_state(Server).watchers[self()] end
    first = watcher.()
    Process.exit(first, :kill)
    until(fn -> watcher.() not in [nil, first] end)

    for n <- 1..4, do: assert_received({:pipeline_event, :tick, ^n})
    assert_receive {:pipeline_events_dropped, 6}
    :ok = Pipeline.Events.emit(:tick, 11, instance: instance)
    assert_receive {:pipeline_event, :tick, 11}
  end
end
