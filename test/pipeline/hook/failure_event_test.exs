defmodule Pipeline.Hook.FailureEventTest do
  use Pipeline.InstanceCase, async: true

  # A failure that says nothing of the context but by the terms that it failed on.
  @ways [
    :clause,
    :match,
    :key,
    :case,
    :with,
    :map,
    :function,
    :protocol,
    :custom,
    :exit,
    :throw,
    :erlang,
    :raised_on
  ]

  defmodule Custom do
    defexception [:message, :context, :code]
  end

  setup %{instance: instance} do
    module =
      plugin id: :failing do
        for {point, options} <- [halts: [], skips: [on_error: :skip], limited: [timeout: 60_000]] do
          hook :before, point, [fun: :fail] ++ options
        end

        def fail(%{way: :clause} = context, _next), do: only(context)
        def fail(%{way: :match} = context, _next), do: {:ok, _} = context
        def fail(%{way: :key} = context, _next), do: Map.fetch!(context, :nothing)
        def fail(%{way: :case} = context, _next), do: case(context, do: (:never -> :ok))
        def fail(%{way: :with} = context, _next), do: with(:never <- context, do: :ok, else: (:no -> :ok))
        def fail(%{way: :map} = context, _next), do: Map.put([context], :a, 1)
        def fail(%{way: :function} = context, _next), do: context.(1)
        def fail(%{way: :protocol} = context, _next), do: String.Chars.to_string(context)

        def fail(%{way: :custom} = context, _next),
          do: raise(Pipeline.Hook.FailureEventTest.Custom, message: "no luck", context: context, code: 7)

        def fail(%{way: :exit} = context, _next), do: exit({:shutdown, context})
        def fail(%{way: :throw} = context, _next), do: throw([context])
        def fail(%{way: :erlang} = context, _next), do: :erlang.error({:bad, context})

        def fail(%{way: :raised_on} = context, _next) do
          only(context)
        rescue
          error -> reraise error, __STACKTRACE__
        end

        def only(:never), do: :ok
      end

    {:ok, :failing} = Manager.load_plugin(module, %{}, instance: instance)
    :ok
  end

  defp context(way, size) do
    Map.merge(%{way: way, secret: "MARKER"}, Map.new(1..size, &{&1, {&1, "MARKER #{&1}"}}))
  end

  # Processes that subscribe and keep what they get.
  defp subscribe(count, instance) do
    test = self()

    for _ <- 1..count do
      spawn_link(fn ->
        :ok = Events.subscribe(self(), :hook_failed, instance: instance)
        send(test, :subscribed)
        receive do: (:never -> :ok)
      end)
    end

    for _ <- 1..count, do: assert_receive(:subscribed)
  end

  # The words of all messages that a process sends while it runs.
  defp words_sent(fun) do
    test = self()

    {runner, monitor} =
      spawn_monitor(fn ->
        receive do: (:go -> :ok)
        fun.()
        exit(:normal)
      end)

    collector = spawn_link(fn -> collect(test, 0) end)
    :erlang.trace(runner, true, [:send, {:tracer, collector}])
    send(runner, :go)
    assert_receive {:DOWN, ^monitor, :process, ^runner, reason}, 60_000
    assert reason == :normal
    delivered = :erlang.trace_delivered(runner)
    assert_receive {:trace_delivered, ^runner, ^delivered}
    send(collector, :done)
    assert_receive {:words, words}, 60_000
    words
  end

  defp collect(test, words) do
    receive do
      {:trace, _pid, :send, message, _to} -> collect(test, words + :erts_debug.flat_size(message))
      {:trace, _pid, :send_to_non_existing_process, _message, _to} -> collect(test, words)
      :done -> send(test, {:words, words})
    end
  end

  for way <- @ways do
    test "a failing run sends the same whatever the context: #{way}", %{instance: instance} do
      subscribe(5, instance)

      for point <- [:halts, :skips] do
        small = words_sent(fn -> Hook.run(instance, point, context(unquote(way), 1), & &1) end)
        large = words_sent(fn -> Hook.run(instance, point, context(unquote(way), 20_000), & &1) end)
        assert small > 0
        assert large <= small, "#{point}: #{small} words for a small context, #{large} for a large one"
        # An event for each subscriber.
        assert small < 5 * 1_000
      end
    end

    test "what others are told has nothing of the context: #{way}", %{instance: instance} do
      :ok = Events.subscribe(self(), :hook_failed, instance: instance)

      for point <- [:halts, :skips, :limited] do
        result = Hook.run(instance, point, context(unquote(way), 3), & &1)
        assert_received {:pipeline_event, {:plugin, :hook_failed}, %{error: %Hook.Error{} = error} = payload}
        refute inspect(payload, structs: false, limit: :infinity) =~ "MARKER"
        refute Exception.message(error) =~ "MARKER"
        assert for({_m, _f, args, _location} <- error.stacktrace, is_list(args), do: args) == []

        if point == :halts do
          assert {:error, %Hook.Error{reason: reason} = returned} = result
          assert Exception.message(returned) == Exception.message(error)
          # It is the same failure.
          if is_exception(reason), do: assert(reason.__struct__ == error.reason.__struct__)
          assert for({_m, _f, args, _location} <- returned.stacktrace, is_list(args), do: args) == []
        end
      end
    end
  end

  test "what is small stays", %{instance: instance} do
    :ok = Events.subscribe(self(), :hook_failed, instance: instance)
    Hook.run(instance, :halts, context(:custom, 1), & &1)
    assert_received {:pipeline_event, _, %{error: %{reason: %Custom{} = reason}}}
    assert reason == %Custom{message: "no luck", context: :..., code: 7}
    Hook.run(instance, :halts, context(:exit, 1), & &1)
    assert_received {:pipeline_event, _, %{error: %{reason: {:shutdown, :...}}}}
    Hook.run(instance, :halts, context(:key, 1), & &1)
    assert_received {:pipeline_event, _, %{error: %{reason: %KeyError{key: :nothing, term: :...}} = error}}
    assert Exception.message(error) =~ "KeyError: key :nothing not found in: :..."
  end
end
