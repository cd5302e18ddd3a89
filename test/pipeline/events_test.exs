defmodule Pipeline.EventsTest do
  use Pipeline.InstanceCase, async: true

  defmodule Listener do
    use Pipeline.Plugin, id: :listener

    alias Pipeline.Plugin.Events

    @impl Pipeline.Plugin
    def init(config) do
      :ok = Events.subscribe(:listener, :from_init)
      {:ok, config}
    end

    @impl Pipeline.Plugin
    def start(config) do
      :ok = Events.subscribe(:listener, :from_start)
      {:ok, config}
    end

    @impl Pipeline.Plugin
    def handle_message(:tell, state) do
      :ok = Events.emit(:from_init, :told)
      {:ok, state}
    end

    @impl Pipeline.Plugin
    def handle_event(type, payload, %{test: pid} = state) do
      send(pid, {:heard, type, payload})
      {:ok, state}
    end
  end

  test "reach the processes that have subscribed, once each", %{instance: instance} do
    :ok = Pipeline.Events.subscribe({:any, "term"}, instance: instance)
    :ok = Pipeline.Events.subscribe({:any, "term"}, instance: instance)
    :ok = Pipeline.Events.emit({:any, "term"}, %{n: 1}, instance: instance)
    assert_received {:pipeline_event, {:any, "term"}, %{n: 1}}
    refute_received {:pipeline_event, _, _}

    :ok = Pipeline.Events.unsubscribe({:any, "term"}, instance: instance)
    :ok = Pipeline.Events.emit({:any, "term"}, %{n: 2}, instance: instance)
    refute_received {:pipeline_event, _, _}
  end

  test "stay in their instance, also where its name looks like an event of another", %{instance: instance} do
    start_supervised!({Manager, name: {instance, 7}})
    :ok = Pipeline.Events.subscribe(:_, instance: {instance, 7})
    :ok = Pipeline.Events.emit(7, nil, instance: instance)
    refute_received {:pipeline_event, _, _}
    :ok = Pipeline.Events.emit(8, nil, instance: {instance, 7})
    assert_received {:pipeline_event, 8, nil}
  end

  test "reach a plugin that subscribes itself, in its own instance", %{instance: instance} do
    {:ok, :listener} = Manager.load_plugin(Listener, %{test: self()}, instance: instance)
    :ok = Events.emit(:from_init, 1, instance: instance)
    :ok = Events.emit(:from_start, 2, instance: instance)
    assert_receive {:heard, :from_init, 1}
    assert_receive {:heard, :from_start, 2}
  end

  test "reach a plugin that the host subscribes, until it unsubscribes it", %{instance: instance} do
    {:ok, :listener} = Manager.load_plugin(Listener, %{test: self()}, instance: instance)
    :ok = Events.subscribe(:listener, :news, instance: instance)
    :ok = Events.emit(:news, 1, instance: instance)
    assert_receive {:heard, :news, 1}

    :ok = Events.unsubscribe(:listener, :news, instance: instance)
    :ok = Events.emit(:news, 2, instance: instance)
    :ok = Events.emit(:from_init, :last, instance: instance)
    assert_receive {:heard, :from_init, :last}
    refute_received {:heard, :news, 2}
  end

  test "that a plugin emits stay in its own instance", %{instance: instance} do
    {:ok, :listener} = Manager.load_plugin(Listener, %{test: self()}, instance: instance)
    :ok = RPC.cast(:listener, :tell, instance: instance)
    assert_receive {:heard, :from_init, :told}
  end

  test "tell of plugins that come and go", %{instance: instance} do
    for type <- [:plugin_loaded, :plugin_unloaded],
        do: :ok = Events.subscribe(self(), type, instance: instance)

    {:ok, :listener} = Manager.load_plugin(Listener, %{test: self()}, instance: instance)
    assert_receive {:pipeline_event, {:plugin, :plugin_loaded}, %{id: :listener}}
    :ok = Manager.unload_plugin(:listener, instance: instance)
    assert_receive {:pipeline_event, {:plugin, :plugin_unloaded}, %{id: :listener}}
  end

  test "cannot be subscribed for a plugin that is not there", %{instance: instance} do
    assert Events.subscribe(:nobody, :news, instance: instance) == {:error, {:not_loaded, :nobody}}
    assert Events.unsubscribe(:nobody, :news, instance: instance) == {:error, {:not_loaded, :nobody}}
  end

  test "have at most 1,000 subscriptions of one process", %{instance: instance} do
    for n <- 1..1_000, do: :ok = Pipeline.Events.subscribe({:many, n}, instance: instance)
    :ok = Pipeline.Events.subscribe({:many, 1}, instance: instance)
    refused = {:error, :too_many_subscriptions}
    assert Pipeline.Events.subscribe({:many, 0}, instance: instance) == refused
    assert Pipeline.Events.subscribe(:_, match: :pattern, instance: instance) == refused
    assert Events.subscribe(self(), :many, instance: instance) == refused
    :ok = Pipeline.Events.emit({:many, 0}, 0, instance: instance)
    refute_received {:pipeline_event, _, _}
    :ok = Pipeline.Events.unsubscribe({:many, 1}, instance: instance)
    assert Pipeline.Events.subscribe({:many, 0}, instance: instance) == :ok
    assert Pipeline.Events.subscribe({:many, 1}, instance: instance) == refused
  end

  describe "of a pattern" do
    test "are all, or begin alike, or match", %{instance: instance} do
      seen = fn subscription, opts, events ->
        :ok = Pipeline.Events.subscribe(subscription, [instance: instance] ++ opts)
        for event <- events, do: :ok = Pipeline.Events.emit(event, nil, instance: instance)
        :ok = Pipeline.Events.unsubscribe(subscription, [instance: instance] ++ opts)
        :ok = Pipeline.Events.emit(hd(events), nil, instance: instance)
        mailbox()
      end

      events = [
        :a,
        [],
        [:a],
        [:a, :b],
        [:a | :b],
        [1.0],
        {},
        {:a},
        {:a, %{k: 1, l: 2}},
        {:b, :a},
        "a",
        %{k: %{l: 1}}
      ]

      assert seen.(:_, [], events) == events
      assert seen.(:_, [match: :pattern], events) == events
      assert seen.([:a], [], events) == [[:a]]
      assert seen.([:a], [match: :prefix], events) == [[:a], [:a, :b], [:a | :b]]
      assert seen.([1], [match: :prefix], events) == []
      assert seen.([], [match: :prefix], events) == [[], [:a], [:a, :b], [:a | :b], [1.0]]
      assert seen.({:a}, [match: :prefix], events) == [{:a}, {:a, %{k: 1, l: 2}}]
      assert seen.({}, [match: :prefix], events) == [{}, {:a}, {:a, %{k: 1, l: 2}}, {:b, :a}]
      assert seen.({:_, :_}, [match: :pattern], events) == [{:a, %{k: 1, l: 2}}, {:b, :a}]
      assert seen.({:a, %{k: 1}}, [match: :pattern], events) == [{:a, %{k: 1, l: 2}}]
      assert seen.({:a, %{m: :_}}, [match: :pattern], events) == []
      assert seen.(%{k: %{l: 1}}, [match: :pattern], events) == [%{k: %{l: 1}}]
      assert seen.([:a | :_], [match: :pattern], events) == [[:a], [:a, :b], [:a | :b]]
      assert seen.("a", [match: :pattern], events) == ["a"]
    end

    test "come once to who has subscribed to them more than once", %{instance: instance} do
      for {event, match} <- [{{:a, :b}, :exact}, {{:a}, :prefix}, {:_, :exact}] do
        :ok = Pipeline.Events.subscribe(event, match: match, instance: instance)
      end

      :ok = Pipeline.Events.emit({:a, :b}, 1, instance: instance)
      assert mailbox() == [{:a, :b}]
      :ok = Pipeline.Events.unsubscribe({:a, :b}, instance: instance)
      :ok = Pipeline.Events.unsubscribe(:_, instance: instance)
      :ok = Pipeline.Events.emit({:a, :b}, 1, instance: instance)
      :ok = Pipeline.Events.emit(:a, 1, instance: instance)
      assert mailbox() == [{:a, :b}]
    end

    test "of plugins are matched by their type", %{instance: instance} do
      :ok = Events.subscribe(self(), [:order], match: :prefix, instance: instance)
      for type <- [[:order, :paid], [:orders], :order], do: :ok = Events.emit(type, 1, instance: instance)
      :ok = Pipeline.Events.emit([:order, :host], 1, instance: instance)
      assert mailbox() == [{:plugin, [:order, :paid]}]

      {:ok, :listener} = Manager.load_plugin(Listener, %{test: self()}, instance: instance)
      :ok = Events.subscribe(:listener, {:stock, :_}, match: :pattern, instance: instance)
      :ok = Events.emit({:stock, 3}, :low, instance: instance)
      assert_receive {:heard, {:stock, 3}, :low}
      :ok = Events.unsubscribe(:listener, {:stock, :_}, match: :pattern, instance: instance)
      :ok = Events.emit({:stock, 4}, :low, instance: instance)
      :ok = Events.emit(:from_init, :last, instance: instance)
      assert_receive {:heard, :from_init, :last}
      refute_received {:heard, {:stock, 4}, :low}
    end

    test "are refused where they are none" do
      assert_raise ArgumentError,
                   ~r/match: :prefix takes a list or a tuple of the first elements, got: :a/,
                   fn ->
                     Pipeline.Events.subscribe(:a, match: :prefix)
                   end

      assert_raise ArgumentError, ~r/match: takes :exact, :prefix or :pattern, got: :glob/, fn ->
        Events.subscribe(self(), :a, match: :glob)
      end
    end
  end

  describe "of a slow subscriber" do
    test "are dropped beyond its limit and counted, and it is told once", %{instance: instance} do
      :ok = Pipeline.Events.subscribe(:tick, max_queue: 10, instance: instance)
      for n <- 1..100, do: :ok = Pipeline.Events.emit(:tick, n, instance: instance)
      assert {:message_queue_len, 10} = Process.info(self(), :message_queue_len)
      assert Pipeline.Events.dropped() == 90

      for n <- 1..10, do: assert_received({:pipeline_event, :tick, ^n})
      assert_receive {:pipeline_events_dropped, 90}
      :ok = Pipeline.Events.emit(:tick, 101, instance: instance)
      assert_receive {:pipeline_event, :tick, 101}
      refute_received {:pipeline_events_dropped, _}
      assert Pipeline.Events.dropped(self()) == 90
    end

    test "cost others none, whatever else it has in its mailbox", %{instance: instance} do
      for n <- 1..50, do: send(self(), {:other, n})
      :ok = Pipeline.Events.subscribe(:tick, max_queue: 20, instance: instance)
      other = counting(:tick, instance: instance)
      for n <- 1..1000, do: :ok = Pipeline.Events.emit(:tick, n, instance: instance)
      assert counted(other) == Enum.to_list(1..1000)
      assert Pipeline.Events.dropped(other) == 0
      assert Pipeline.Events.dropped() >= 980
    end

    test "that cannot even be looked at wait for nobody", %{instance: instance} do
      slow = counting(:tick, max_queue: 4, instance: instance)
      :erlang.suspend_process(slow)
      for n <- 1..1000, do: :ok = Pipeline.Events.emit(:tick, n, instance: instance)
      assert Pipeline.Events.dropped(slow) == 996
      :erlang.resume_process(slow)
      assert counted(slow) == [1, 2, 3, 4, {:dropped, 996}]
    end

    test "are bounded by what it last asked for, and unbounded if it asks", %{instance: instance} do
      :ok = Pipeline.Events.subscribe(:tick, max_queue: 2, instance: instance)
      :ok = Pipeline.Events.subscribe(:tick, max_queue: :infinity, instance: instance)
      # The new limit counts from the next look, which is under way.
      until(fn ->
        before = Pipeline.Events.dropped()
        for n <- 1..100, do: :ok = Pipeline.Events.emit(:tick, n, instance: instance)
        Pipeline.Events.dropped() == before
      end)
    end

    test "are told to a plugin by an event", %{instance: instance} do
      blocking =
        plugin id: :blocking do
          @impl Pipeline.Plugin
          def handle_rpc(:block, pid) do
            send(pid, :blocked)
            receive do: (:go_on -> {:reply, :free, pid})
          end

          @impl Pipeline.Plugin
          def handle_event(:tick, n, pid) do
            send(pid, {:tick, n})
            {:ok, pid}
          end

          @impl Pipeline.Plugin
          def init(%{test: pid}), do: {:ok, pid}
        end

      {:ok, :blocking} = Manager.load_plugin(blocking, %{test: self()}, instance: instance)
      :ok = Events.subscribe(:blocking, :tick, max_queue: 5, instance: instance)
      :ok = Events.subscribe(self(), :events_dropped, instance: instance)
      task = Task.async(fn -> RPC.call(:blocking, :block, 5000, instance: instance) end)
      assert_receive :blocked
      pid = Manager.plugin_info!(:blocking, instance: instance).pid

      log =
        ExUnit.CaptureLog.capture_log(fn ->
          for n <- 1..30, do: :ok = Events.emit(:tick, n, instance: instance)
          assert Events.dropped(:blocking, instance: instance) == 25
          send(pid, :go_on)
          assert_receive {:pipeline_event, {:plugin, :events_dropped}, %{id: :blocking, count: 25}}
        end)

      assert log =~ "plugin :blocking was too slow and has missed 25 events"
      assert Task.await(task) == {:ok, :free}
      for n <- 1..5, do: assert_received({:tick, ^n})
      refute_received {:tick, _}
      assert Events.dropped(:nobody, instance: instance) == {:error, {:not_loaded, :nobody}}
    end

    test "refuse a limit that is none" do
      assert_raise ArgumentError,
                   ~r/max_queue: takes a positive number of messages or :infinity, got: 0/,
                   fn ->
                     Pipeline.Events.subscribe(:a, max_queue: 0)
                   end
    end
  end

  describe "that are recorded" do
    @describetag events: [record: 100]

    test "have a number and a time, and the oldest go", %{instance: instance} do
      for n <- 1..250, do: :ok = Pipeline.Events.emit({:n, n}, n, instance: instance)
      recorded = Pipeline.Events.recorded(instance: instance)
      assert for(r <- recorded, do: r.payload) == Enum.to_list(151..250)
      assert for(r <- recorded, do: r.sequence) == Enum.to_list(151..250)
      assert Enum.sort_by(recorded, & &1.time) == recorded
      assert [%{sequence: 250, event: {:n, 250}}] = Pipeline.Events.recorded(since: 249, instance: instance)
    end

    test "are replayed to a late subscriber, and live ones follow", %{instance: instance} do
      for n <- 1..6, do: :ok = Pipeline.Events.emit({:n, rem(n, 2)}, n, instance: instance)

      replay = fn event, opts ->
        assert Pipeline.Events.subscribe(event, [instance: instance] ++ opts) == :ok
        :ok = Pipeline.Events.emit({:n, 1}, :live, instance: instance)
        :ok = Pipeline.Events.unsubscribe(event, [instance: instance] ++ Keyword.take(opts, [:match]))
        payloads()
      end

      assert replay.({:n, 1}, replay: :all) == [1, 3, 5, :live]
      assert replay.(:_, replay: 3) == [5, 6, :live, :live]
      assert replay.({:n}, match: :prefix, replay: {:since, 5}) == [6, :live, :live, :live]
      assert replay.({:n, :_}, match: :pattern, replay: [since: 9]) == [:live]
      assert replay.({:n, 1}, replay: 0) == [:live]
      assert replay.({:n, 2}, replay: :all) == []
    end

    test "tell their numbers on request", %{instance: instance} do
      :ok = Pipeline.Events.emit(:a, 1, instance: instance)
      :ok = Pipeline.Events.subscribe(:a, replay: :all, meta: true, instance: instance)
      :ok = Pipeline.Events.emit(:a, 2, instance: instance)
      assert_received {:pipeline_event, :a, 1, %{sequence: 1, time: first}}
      assert_received {:pipeline_event, :a, 2, %{sequence: 2, time: second}}
      assert second >= first
    end

    test "reach a plugin that asks for them", %{instance: instance} do
      for n <- 1..3, do: :ok = Events.emit(:news, n, instance: instance)
      {:ok, :listener} = Manager.load_plugin(Listener, %{test: self()}, instance: instance)
      :ok = Events.subscribe(:listener, :news, replay: 2, instance: instance)
      :ok = Events.emit(:news, 4, instance: instance)
      for n <- 2..4, do: assert_receive({:heard, :news, ^n})
      refute_received {:heard, :news, 1}
    end

    test "cannot be replayed from where they are gone, or have not come", %{instance: instance} do
      for n <- 1..101, do: :ok = Pipeline.Events.emit(:n, n, instance: instance)
      assert Pipeline.Events.subscribe(:n, replay: {:since, 0}, instance: instance) == {:error, :too_old}
      assert Pipeline.Events.subscribe(:n, replay: {:since, 102}, instance: instance) == {:error, :ahead}
      :ok = Pipeline.Events.emit(:n, 102, instance: instance)
      refute_received _
      assert Pipeline.Events.subscribe(:n, replay: {:since, 101}, instance: instance) == :ok
      assert payloads() == [102]
      assert Pipeline.Events.subscribe(:n, replay: :all, instance: instance) == {:error, :already_subscribed}
      :ok = Pipeline.Events.emit(:n, 103, instance: instance)
      assert payloads() == [103]
    end

    test "go on being numbered after a subscriber's instance has ended", %{instance: instance} do
      for n <- 1..5, do: :ok = Pipeline.Events.emit(:n, n, instance: instance)
      :ok = Pipeline.Events.subscribe(:n, replay: :all, instance: instance)
      assert payloads() == [1, 2, 3, 4, 5]
      stop_supervised!({Manager, instance})
      start_supervised!({Manager, name: instance, events: [record: 100]})
      for n <- 6..8, do: :ok = Pipeline.Events.emit(:n, n, instance: instance)
      # A new record: its numbers are not taken for those of the old one.
      assert payloads() == [6, 7, 8]
      assert [%{sequence: 1} | _] = Pipeline.Events.recorded(instance: instance)
    end

    @tag events: []
    test "are none unless the instance is told to", %{instance: instance} do
      :ok = Pipeline.Events.emit(:a, 1, instance: instance)
      assert Pipeline.Events.recorded(instance: instance) == []
      assert Pipeline.Events.subscribe(:a, replay: :all, instance: instance) == {:error, :not_recording}
      :ok = Pipeline.Events.emit(:a, 2, instance: instance)
      refute_received _
    end

    test "take options that are some" do
      assert_raise ArgumentError,
                   ~r/replay: takes :all, a number of events or {:since, sequence}, got: -1/,
                   fn ->
                     Pipeline.Events.subscribe(:a, replay: -1)
                   end

      assert_raise ArgumentError, ~r/record: is a number of events, got: :all/, fn ->
        Manager.start_link(name: :nothing, events: [record: :all])
      end
    end

    @tag events: [record: 5000]
    test "come without a gap, a duplicate or disorder while others emit", %{instance: instance} do
      emitters = 4
      each = 1500
      test = self()

      pids =
        for e <- 1..emitters do
          spawn_link(fn ->
            for n <- 1..each do
              :ok = Pipeline.Events.emit({:from, e}, n, instance: instance)
              if rem(n, 10) == 0, do: :erlang.yield()
            end

            send(test, {:done, self()})
          end)
        end

      # Late subscribers, one after the other, all the while; the first before there is anything.
      subscribers =
        for _ <- 1..12 do
          pid = late(emitters, each, instance)
          assert_receive {:subscribed, ^pid}
          pid
        end

      for pid <- pids, do: assert_receive({:done, ^pid}, 30_000)
      last = late(emitters, each, instance)

      # One emitter's events in order; those that were replayed are the last 5000, so that the beginning may be missing.
      for pid <- [last | subscribers] do
        assert_receive {:all, ^pid, by_emitter}, 30_000

        for {_event, numbers} <- by_emitter do
          assert numbers == Enum.to_list(hd(numbers)..each)
        end
      end
    end

    test "come in order when more is emitted than the record holds, and emitters are killed", %{
      instance: instance
    } do
      test = self()

      for round <- 1..5 do
        emitters = for e <- 1..4, do: spawn(fn -> emit_until_killed({round, e}, 1, instance) end)

        subscribers =
          for _ <- 1..6 do
            spawn_link(fn ->
              opts = [match: :pattern, replay: :all, max_queue: :infinity, instance: instance]
              :ok = Pipeline.Events.subscribe({round, :_}, opts)
              send(test, {:some, self(), some(2000, %{})})
            end)
          end

        for pid <- subscribers do
          assert_receive {:some, ^pid, by_emitter}, 30_000

          for {_event, numbers} <- by_emitter do
            assert Enum.reverse(numbers) == Enum.to_list(List.last(numbers)..hd(numbers))
          end
        end

        for pid <- emitters, do: Process.exit(pid, :kill)
      end
    end

    @tag events: [record: 50_000]
    test "come all, whenever one subscribes", %{instance: instance} do
      test = self()

      for round <- 1..40 do
        emitter =
          spawn_link(fn ->
            for n <- 1..400, do: :ok = Pipeline.Events.emit({round, :n}, n, instance: instance)
          end)

        subscriber =
          spawn_link(fn ->
            :ok = Pipeline.Events.subscribe({round, :n}, replay: :all, instance: instance)
            send(test, {:numbers, self(), for(_ <- 1..400, do: receive(do: ({:pipeline_event, _, n} -> n)))})
          end)

        assert_receive {:numbers, ^subscriber, numbers}, 30_000
        assert numbers == Enum.to_list(1..400)
        assert is_pid(emitter)
      end
    end
  end

  test "end with their subscribers, and leave nothing behind", %{instance: instance} do
    pid = counting(:tick, max_queue: 2, instance: instance)
    for n <- 1..10, do: :ok = Pipeline.Events.emit(:tick, n, instance: instance)
    monitor = Process.monitor(pid)
    Process.exit(pid, :kill)
    assert_receive {:DOWN, ^monitor, :process, ^pid, :killed}
    until(fn -> :ets.lookup(Pipeline.Events.Subscribers, pid) == [] end)
    assert :ets.lookup(Pipeline.Events.Subscriptions, {instance, :tick}) == []
  end

  test "refuse unknown options" do
    assert_raise ArgumentError,
                 ~r/unknown option :instanze of Pipeline.Events.emit\/3. Did you mean :instance\?/,
                 fn ->
                   Pipeline.Events.emit(:news, 1, instanze: :x)
                 end
  end

  # A process that keeps the payloads of its events for counted/1.
  defp counting(event, opts) do
    test = self()

    pid =
      spawn_link(fn ->
        :ok = Pipeline.Events.subscribe(event, opts)
        send(test, {:subscribed, self()})
        count([])
      end)

    Process.unlink(pid)
    assert_receive {:subscribed, ^pid}
    pid
  end

  defp count(seen) do
    receive do
      {:pipeline_event, _event, payload} ->
        count([payload | seen])

      {:pipeline_events_dropped, n} ->
        count([{:dropped, n} | seen])

      {:counted, from} ->
        send(from, {:counted, self(), Enum.reverse(seen)})
        count(seen)
    end
  end

  # Asks until nothing more comes that has been sent, or told, before.
  defp counted(pid, before \\ nil) do
    send(pid, {:counted, self()})
    assert_receive {:counted, ^pid, seen}
    told? = Pipeline.Events.dropped(pid) == 0 or Enum.any?(seen, &match?({:dropped, _}, &1))
    if told? and seen == before, do: seen, else: counted(pid, seen)
  end

  # Subscribes late and waits for the last event of each emitter.
  defp late(emitters, each, instance) do
    test = self()

    spawn_link(fn ->
      :ok = Pipeline.Events.subscribe({:from, :_}, match: :pattern, replay: :all, instance: instance)
      send(test, {:subscribed, self()})
      send(test, {:all, self(), collect(%{}, emitters, each)})
    end)
  end

  defp collect(seen, emitters, each) do
    if Enum.count(seen, fn {_event, [n | _]} -> n == each end) == emitters do
      Map.new(seen, fn {event, numbers} -> {event, Enum.reverse(numbers)} end)
    else
      receive do
        {:pipeline_event, event, n} -> collect(Map.update(seen, event, [n], &[n | &1]), emitters, each)
      end
    end
  end

  defp emit_until_killed(event, n, instance) do
    :ok = Pipeline.Events.emit(event, n, instance: instance)
    emit_until_killed(event, n + 1, instance)
  end

  defp some(0, seen), do: seen

  defp some(left, seen) do
    receive do
      {:pipeline_event, event, n} -> some(left - 1, Map.update(seen, event, [n], &[n | &1]))
    end
  end

  defp mailbox do
    receive do
      {:pipeline_event, event, _payload} -> [event | mailbox()]
    after
      0 -> []
    end
  end

  defp payloads do
    receive do
      {:pipeline_event, _event, payload} -> [payload | payloads()]
    after
      0 -> []
    end
  end

  defp until(fun), do: fun.() || until(fun)
end
