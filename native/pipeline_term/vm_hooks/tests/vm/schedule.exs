Code.require_file("library.exs", __DIR__)

defmodule ScheduleTest do
  use VmHooksCase, async: true

  # Microseconds. Whatever spins for `@long` is over the budget; what it is for does not matter.
  @budget 500
  @long 2_000

  defp spin(on, micros \\ :micros), do: {:spin, %{micros: micros, on: on}}
  defp count, do: {:increment, %{field: :n}}
  defp ending(how, trace \\ nil), do: {:ending, if(trace, do: %{how: how, trace: trace}, else: %{how: how})}
  defp skipped({name, config}), do: {name, config, :skip}

  defp budgeted(phase \\ :before, hooks), do: segment!(phase, hooks, @budget)
  defp call(segment, context), do: VmHooks.run_segment(segment, context)

  describe "a run that exceeds its budget" do
    test "goes on where it stands, on a dirty scheduler" do
      segment = budgeted([count(), spin(:first), count(), spin(:second), count()])

      assert call(segment, %{micros: @long, other: "kept"}) ==
               {:ok, %{micros: @long, other: "kept", n: 3, first: "normal", second: "dirty"}}

      assert %{runs: 1, normal: 1, dirty: 0, moved: 1} = VmHooks.segment_stats(segment)
    end

    test "does so in every phase, and on any map" do
      for phase <- [:before, :after] do
        context = Map.new(1..100, &{&1, &1}) |> Map.put("micros", @long)
        segment = budgeted(phase, [spin(["in", :first], "micros"), spin(["in", :second], "micros")])
        expected = Map.put(context, "in", %{first: "normal", second: "dirty"})
        assert call(segment, context) == {:ok, expected}
      end
    end

    test "reports each hook that was skipped once, those before the move and those after" do
      segment =
        budgeted([
          skipped(ending(:fail, :gone)),
          skipped(spin(:first)),
          skipped(ending(:panic, :gone)),
          skipped(ending(:refuse, [:in, :side])),
          count()
        ])

      assert call(segment, %{micros: @long}) ==
               {:skipped,
                [
                  {0, :failed, "the disk is full"},
                  {2, :failed, "panicked: this hook panics"},
                  {3, :refused, {:no, "not today"}}
                ], {:ok, %{micros: @long, first: "normal", n: 1}}}

      assert %{moved: 1, hooks: hooks} = VmHooks.segment_stats(segment)

      assert Enum.map(hooks, &{&1.skips, &1.failures, &1.runs}) == [
               {1, 0, 1},
               {0, 0, 1},
               {1, 0, 1},
               {1, 0, 1},
               {0, 0, 1}
             ]
    end

    test "tells what became of circuits before the move and after" do
      [first, second] = breakers = [breaker!(1), breaker!(1)]

      segment =
        budgeted([
          {:ending, %{how: :fail}, :skip, first},
          spin(:first),
          {:ending, %{how: :panic}, :skip, second},
          count()
        ])

      left = %{micros: @long, first: "normal", n: 1}

      assert {:circuits, [{0, {:closed, :open, :failures}, 1}, {2, {:closed, :open, :failures}, 1}],
              {:skipped, [{0, :failed, _}, {2, :failed, _}], {:ok, ^left}}} = call(segment, %{micros: @long})

      for breaker <- breakers, do: assert({:open, 1, 1, 0} = VmHooks.breaker_counts(breaker))
      assert %{moved: 1} = VmHooks.segment_stats(segment)
      left = %{left | first: "dirty"}

      assert call(segment, %{micros: @long}) ==
               {:skipped, [{0, :not_called, nil}, {2, :not_called, nil}], {:ok, left}}
    end

    test "moves when the hook that took so long was skipped" do
      segment = budgeted([skipped({:spin, %{micros: :micros, on: [:micros, :on]}}), spin(:second, :none)])

      assert {:skipped, [{0, :failed, ":micros is an integer" <> _}], {:ok, %{second: "dirty"}}} =
               call(segment, %{micros: @long})
    end

    test "answers early, refuses, fails and panics as ever" do
      for {how, expected} <- [
            answer: {:answer, 2, %{micros: @long, n: 1, on: "normal"}},
            refuse: {:refused, 2, {:no, "not today"}},
            fail: {:failed, 2, "the disk is full"},
            panic: {:failed, 2, "panicked: this hook panics"}
          ] do
        segment = budgeted([count(), spin(:on), ending(how), count()])
        assert call(segment, %{micros: @long}) == expected
        ended = if how == :answer, do: [1, 0], else: [0, 1]
        assert %{moved: 1, hooks: [_, _, third, fourth]} = VmHooks.segment_stats(segment)
        assert [third.answers, third.failures] == ended
        assert {third.runs, fourth.runs} == {1, 0}
      end
    end

    test "has nothing to move after its last hook" do
      segment = budgeted([count(), spin(:on)])
      assert call(segment, %{micros: @long}) == {:ok, %{micros: @long, n: 1, on: "normal"}}
      assert %{moved: 0, starts: :dirty} = VmHooks.segment_stats(segment)
    end

    test "stays if there is no budget to exceed" do
      segment = segment!(:before, [spin(:first), spin(:second)], :infinity)
      assert {:ok, %{first: "normal", second: "normal"}} = call(segment, %{micros: @long})
      assert %{moved: 0, starts: :normal, budget_ns: :infinity} = VmHooks.segment_stats(segment)
    end

    test "is noticed by the text it reads, in a segment that was quick so far" do
      segment = budgeted([{:redact, %{field: :text, patterns: ["[0-9]{3}-[0-9]{2}"]}}, spin(:on)])
      for _ <- 1..200, do: {:ok, _} = call(segment, %{text: "call 123-45"})
      text = String.duplicate("call 123-45 or 12-345, ", 100_000)
      assert {:ok, %{on: "dirty"}} = call(segment, %{text: text})
    end
  end

  describe "the next run" do
    test "starts dirty when runs were slow, and on the normal scheduler when they are quick again" do
      segment = budgeted([spin(:on)])
      assert {:ok, %{on: "normal"}} = call(segment, %{micros: @long})
      assert %{starts: :dirty} = VmHooks.segment_stats(segment)
      assert {:ok, %{on: "dirty"}} = call(segment, %{micros: @long})

      quick =
        Enum.take_while(1..10_000, fn _ ->
          VmHooks.segment_stats(segment).starts == :dirty and call(segment, %{})
        end)

      # One quick run among slow ones proves nothing.
      assert length(quick) > 3
      assert {:ok, %{on: "normal"}} = call(segment, %{})
      assert %{dirty: dirty, normal: 2, moved: 0} = VmHooks.segment_stats(segment)
      assert dirty == length(quick) + 1
    end

    test "of a segment that is declared heavy is dirty, and stays so" do
      segment = budgeted([spin(:on), count()])

      for n <- 1..100,
          do: assert(VmHooks.run_segment_dirty(segment, %{n: n}) == {:ok, %{n: n + 1, on: "dirty"}})

      assert %{runs: 100, dirty: 100, normal: 0, moved: 0, starts: :normal} = VmHooks.segment_stats(segment)
    end
  end

  describe "stats" do
    test "counts are exact among many processes" do
      segment =
        segment!([count(), skipped(ending(:fail)), {:require, %{fields: [:go]}}, ending(:answer), count()])

      1..8
      |> Enum.map(fn _ ->
        Task.async(fn ->
          for n <- 1..1_000 do
            {:skipped, _, _} = call(segment, if(rem(n, 4) == 0, do: %{}, else: %{go: true}))
          end
        end)
      end)
      |> Task.await_many(:infinity)

      assert %{runs: 8_000, normal: 8_000, dirty: 0, hooks: hooks} = VmHooks.segment_stats(segment)

      assert Enum.map(hooks, &{&1.name, &1.runs, &1.skips, &1.failures, &1.answers}) == [
               {"increment", 8_000, 0, 0, 0},
               {"ending", 8_000, 8_000, 0, 0},
               {"require", 8_000, 0, 2_000, 0},
               {"ending", 6_000, 0, 0, 6_000},
               {"increment", 0, 0, 0, 0}
             ]
    end

    test "the first runs are timed, and then some of them" do
      segment = segment!([count(), spin(:on)])
      timed = fn -> VmHooks.segment_stats(segment).timed end
      task = fn runs -> for _ <- 1..runs, do: call(segment, %{}) end
      assert timed.() == 0
      task.(64)
      assert timed.() == 64
      task.(10_000)
      # 64 for each scheduler that ran them, and one in 64 of the rest.
      assert timed.() in 200..(64 * System.schedulers_online() + 300)
    end

    test "times are told by their histogram" do
      segment = segment!([spin(:on), count()])
      assert %{p50_ns: nil, p99_ns: nil, histogram: [], average_ns: 0} = VmHooks.segment_stats(segment)
      for _ <- 1..10, do: call(segment, %{micros: @long})
      stats = VmHooks.segment_stats(segment)
      [slow, quick] = stats.hooks

      for times <- [stats, slow, quick] do
        assert times.timed == 10
        assert times.histogram |> Enum.map(&elem(&1, 2)) |> Enum.sum() == 10
        assert Enum.all?(times.histogram, fn {from, below, _} -> from < below end)
        assert times.p50_ns <= times.p99_ns
      end

      assert slow.p50_ns >= @long * 1000 * 3 / 4
      assert quick.p50_ns < slow.p50_ns
      assert stats.average_ns >= @long * 1000
    end
  end

  test "a caller that is killed while its run is on a dirty scheduler takes nothing along" do
    segment = budgeted([spin(:first), spin(:second, :then), count()])

    for _ <- 1..20 do
      before = on_dirty(segment)
      {pid, monitor} = spawn_monitor(fn -> call(segment, %{micros: 600, then: 20_000}) end)
      wait_for_more_than(before, segment)
      Process.exit(pid, :kill)
      assert_receive {:DOWN, ^monitor, :process, ^pid, :killed}
    end

    assert {:ok, %{n: 1}} = call(segment, %{})
  end

  defp on_dirty(segment) do
    %{moved: moved, dirty: dirty} = VmHooks.segment_stats(segment)
    moved + dirty
  end

  defp wait_for_more_than(before, segment) do
    if on_dirty(segment) == before, do: wait_for_more_than(before, segment)
  end
end

# Alone, since it looks at the memory of the whole VM.
defmodule SegmentMemoryTest do
  use VmHooksCase, async: false

  @tag skip: if(not File.exists?("/proc/self/status"), do: "needs /proc")
  test "what is known of a segment goes with it" do
    hook = hook!(:increment, %{field: :n})

    make = fn times ->
      for _ <- 1..times do
        segment = VmHooks.segment(:before, [{hook, :halt}, {hook, :halt}], 500)
        {:ok, _} = VmHooks.run_segment(segment, %{})
      end

      :erlang.garbage_collect()
    end

    make.(1_000)
    before = resident_kib()
    # Each takes more than a KiB.
    make.(50_000)
    assert resident_kib() - before < 25_000
  end

  defp resident_kib do
    [_, kib] = Regex.run(~r/VmRSS:\s+(\d+) kB/, File.read!("/proc/self/status"))
    String.to_integer(kib)
  end
end
