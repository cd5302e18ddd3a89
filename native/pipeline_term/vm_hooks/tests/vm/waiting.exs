# Hooks that wait and arounds, in chains: the library of this crate under the Elixir part of the package.

package = Path.expand("../../../../..", __DIR__)
Code.append_path(Path.join(System.fetch_env!("VM_HOOKS_APP"), "ebin"))

{:ok, _modules, _warnings} =
  Kernel.ParallelCompiler.compile(Path.wildcard(Path.join(package, "lib/pipeline/**/*.ex")),
    return_diagnostics: true
  )

defmodule VmHooks do
  use Pipeline.Native.Library, otp_app: :vm_hooks, crate: :vm_hooks

  # What the library exports besides.
  def run_core_alone(_case), do: :erlang.nif_error(:not_loaded)
  def memory, do: :erlang.nif_error(:not_loaded)
end

ExUnit.start(timeout: 120_000)

defmodule WaitingCase do
  use ExUnit.CaseTemplate

  using do
    quote do
      import WaitingCase
      alias Pipeline.Hook
      alias Pipeline.Hook.Manager
    end
  end

  def chain(name, config, opts \\ []) do
    Pipeline.Hook.Manager.register(
      Pipeline.Hook.Manager.new(),
      :step,
      {:native, {VmHooks, name}, config},
      opts
    )
  end

  # One that holds its thread until it is cancelled.
  def hold(opts \\ []), do: chain(:hold, %{test: :test}, Keyword.put_new(opts, :timeout, 3_600_000))

  def pause(how, opts \\ []) do
    {meet, opts} = Keyword.pop(opts, :meet, 0)
    chain(:pause, %{test: :test, count: :n, how: how, meet: meet}, Keyword.put_new(opts, :timeout, 3_600_000))
  end

  # The pid as plain data, which it is not.
  def me, do: :erlang.term_to_binary(self())

  def run(chains, context, core \\ &Function.identity/1),
    do: Pipeline.Hook.Manager.run(chains, :step, context, core)

  # A process that runs a hook until it is killed.
  def caller(chains, context) do
    spawn(fn ->
      result = Pipeline.Hook.Manager.run(chains, :step, context)
      exit({:came_back, result})
    end)
  end
end

defmodule BlockingTest do
  use WaitingCase, async: true

  test "when its time is up the hook is told, and nothing comes any more" do
    assert {:error, %Hook.Error{kind: :before, reason: :timeout}} = run(hold(timeout: 20), %{test: self()})
    assert_receive :began
    assert_receive :cancelled
    refute_received _
  end

  test "on_error: :skip goes on without it" do
    assert run(hold(timeout: 20, on_error: :skip), %{test: self(), n: 1}, & &1.n) == {:ok, 1}
    assert_receive :cancelled
  end

  test "when its caller is killed the hook is told" do
    caller = caller(hold(), %{test: self()})
    assert_receive :began, 60_000
    Process.exit(caller, :kill)
    assert_receive :cancelled, 60_000
  end

  test "it runs on no scheduler: all others stay free" do
    callers = for _ <- 1..40, do: caller(hold(), %{test: self()})
    for _ <- callers, do: assert_receive(:began, 60_000)

    # On every normal scheduler and, heavy, on every dirty one.
    results =
      for cost <- [:light, :heavy], _ <- 1..20 do
        chains = chain(:increment, %{field: :n}, cost: cost)
        Task.async(fn -> run(chains, %{n: 0}) end)
      end

    assert Enum.uniq(Task.await_many(results, 60_000)) == [{:ok, %{n: 1}}]
    for caller <- callers, do: Process.exit(caller, :kill)
    for _ <- callers, do: assert_receive(:cancelled, 60_000)
  end

  test "callers that are killed at any moment harm no other" do
    chains = chain(:increment, %{field: :n}, cost: :blocking, timeout: 60_000)

    for round <- 1..200 do
      killed = for _ <- 1..5, do: caller(chains, %{n: 0})
      for caller <- killed, rem(round, 2) == 0, do: Process.exit(caller, :kill)
      assert run(chains, %{n: round}) == {:ok, %{n: round + 1}}
      for caller <- killed, do: Process.exit(caller, :kill)
    end

    refute_received _
  end

  test "a panic fails that run" do
    chains = chain(:ending, %{how: :panic}, cost: :blocking)

    for _ <- 1..100 do
      assert {:error, %Hook.Error{reason: %Pipeline.Hook.NativeError{hook: {VmHooks, :ending}} = error}} =
               run(chains, %{})

      assert error.message == "panicked: this hook panics"
    end

    refute_received _
  end

  test "a failure that cannot be told fails that run" do
    chains = chain(:ending, %{how: :fail_badly}, cost: :blocking, timeout: 60_000)
    assert {:error, %Hook.Error{reason: %Pipeline.Hook.NativeError{} = error}} = run(chains, %{})
    assert error.message == "panicked: this error has no message"
  end

  test "refusals, answers and declines" do
    blocking = fn how, opts -> chain(:ending, %{how: how, trace: :seen}, [cost: :blocking] ++ opts) end
    assert run(blocking.(:refuse, []), %{}) == {:error, {:no, "not today"}}
    assert run(blocking.(:answer, []), %{}, fn _ -> :core end) == {:ok, %{seen: true}}
    assert run(blocking.(:answer, kind: :after), %{}, & &1) == {:ok, %{seen: true}}
    assert run(blocking.(:continue, []), %{}, & &1.seen) == {:ok, true}

    for kind <- [:replace, :before] do
      assert run(blocking.(:decline, kind: kind), %{}, fn context -> {:core, context} end) ==
               {:ok, {:core, %{seen: true}}}
    end
  end

  test "a cost that a hook cannot have is refused" do
    assert_raise ArgumentError,
                 "the native hook :hold blocks, and no scheduler may run it: leave cost: out",
                 fn ->
                   chain(:hold, %{test: :test}, cost: :heavy)
                 end

    assert_raise ArgumentError, "the native hook :pause is polled and holds no thread: leave cost: out", fn ->
      pause(:continue, cost: :blocking)
    end
  end
end

defmodule ReplaceTest do
  use WaitingCase, async: true

  alias Pipeline.Hook.Chain

  test "the one that declines leaves its place to the next, with the context as it left it" do
    for cost <- [:light, :heavy, :blocking] do
      opts = [kind: :replace, cost: cost]
      declining = chain(:ending, %{how: :decline, trace: :seen}, opts)

      assert run(declining, %{n: 1}, fn context -> {:core, context} end) ==
               {:ok, {:core, %{n: 1, seen: true}}}

      # Their order takes the core, which is not in this library.
      two = registrations(declining) ++ registrations(chain(:put, %{field: :by, value: :put}, opts))
      chain = Chain.new(:step, nil, :chain, two)
      assert Chain.run(chain, %{n: 1}, fn _ -> :core end) == {:ok, %{n: 1, seen: true, by: :put}}
    end
  end

  defp registrations(%Manager{chains: %{step: %Chain{registrations: registrations}}}), do: registrations

  test "one that is skipped leaves its place with the context as it found it" do
    for cost <- [:light, :blocking] do
      failing = chain(:ending, %{how: :fail, trace: :seen}, kind: :replace, cost: cost, on_error: :skip)
      assert run(failing, %{n: 1}, fn context -> {:core, context} end) == {:ok, {:core, %{n: 1}}}
    end
  end
end

defmodule AsyncTest do
  use WaitingCase, async: true

  test "what it changes is in the context, which has stayed with the caller" do
    context = %{n: 1, other: &Function.identity/1, pid: self()}
    assert run(pause(:continue), context) == {:ok, %{context | n: 2}}
    assert run(pause(:remove), context) == {:ok, Map.delete(context, :n)}
    assert run(pause(:answer), context, fn _ -> :core end) == {:ok, %{context | n: 2}}
    assert run(pause(:decline, kind: :replace), context, & &1.n) == {:ok, 2}
    assert run(pause(:continue, kind: :replace), context, fn _ -> :core end) == {:ok, %{context | n: 2}}
    assert run(pause(:continue, kind: :after), context, &%{&1 | n: 5}) == {:ok, %{context | n: 6}}
    refute_received _
  end

  test "failures, refusals and panics" do
    message = fn chains, context ->
      assert {:error, %Hook.Error{reason: %Pipeline.Hook.NativeError{hook: {VmHooks, :pause}} = error}} =
               run(chains, context)

      error.message
    end

    assert run(pause(:refuse), %{n: 1}) == {:error, :no}
    assert message.(pause(:panic), %{n: 1}) == "panicked: this hook panics"
    assert message.(pause(:continue), %{}) == ":n is missing; set it before this hook runs"
    assert message.(pause(:continue), %{n: "1"}) == ":n is a string; expected an integer of at most 64 bits"
    assert message.(pause(:continue), []) == "the context is a list; native hooks work on maps only"

    assert message.(pause(:continue), %{n: self()}) =~
             ":n: a process identifier cannot be kept in native data"

    refute_received _
  end

  test "when its time is up it is dropped where it waits" do
    assert {:error, %Hook.Error{reason: :timeout}} = run(pause(:forever, timeout: 20), %{n: 1, test: me()})
    assert_receive :began
    assert_receive :dropped
    refute_received _
  end

  test "when its caller is killed it is dropped where it waits" do
    caller = caller(pause(:forever), %{n: 1, test: me()})
    assert_receive :began, 60_000
    Process.exit(caller, :kill)
    assert_receive :dropped, 60_000
  end

  test "a thousand wait at once" do
    # The last one to come lets all go: none of them holds a thread that another needs.
    chains = pause(:continue, meet: 1_000)

    results =
      1..1_000
      |> Enum.map(fn n -> Task.async(fn -> run(chains, %{n: n}) end) end)
      |> Task.await_many(60_000)

    assert results == for(n <- 1..1_000, do: {:ok, %{n: n + 1}})
  end

  test "a thousand callers that are killed leave nothing waiting" do
    test = me()
    callers = for _ <- 1..1_000, do: caller(pause(:forever), %{n: 1, test: test})
    for _ <- callers, do: assert_receive(:began, 60_000)
    for caller <- callers, do: Process.exit(caller, :kill)
    for _ <- callers, do: assert_receive(:dropped, 60_000)
  end

  test "answers and time limits that meet leave no message behind" do
    chains = pause(:continue, timeout: 1, meet: 2)

    1..500
    |> Enum.map(fn _ ->
      Task.async(fn ->
        result = run(chains, %{n: 0})
        {result, Process.info(self(), :message_queue_len)}
      end)
    end)
    |> Task.await_many(60_000)
    |> Enum.each(fn {result, left} ->
      assert match?({:ok, %{n: 1}}, result) or match?({:error, %Hook.Error{reason: :timeout}}, result)
      assert left == {:message_queue_len, 0}
    end)
  end
end

defmodule AroundTest do
  use WaitingCase, async: true

  defp guard(config, opts \\ []), do: chain(:guard, Map.put(config, :count, :n), [kind: :around] ++ opts)

  defp failed(chains, context, core \\ &Function.identity/1) do
    assert {:error, %Hook.Error{kind: :around, reason: %Pipeline.Hook.NativeError{} = error}} =
             run(chains, context, core)

    error.message
  end

  for cost <- [:light, :heavy] do
    @cost cost

    test "on the way in (#{cost})" do
      opts = [cost: @cost]
      assert run(guard(%{}, opts), %{n: 0}, & &1) == {:ok, %{n: 1}}
      assert run(guard(%{enter: :answer}, opts), %{n: 0}, fn _ -> :core end) == {:ok, %{n: 1}}
      assert run(guard(%{enter: :answer_with}, opts), %{n: 0}, fn _ -> :core end) == {:ok, "instead"}
      assert run(guard(%{enter: :refuse}, opts), %{n: 0}) == {:error, :not_in}
      assert failed(guard(%{enter: :panic}, opts), %{n: 0}) == "panicked: enter panics"

      assert failed(guard(%{enter: :fail_badly}, opts), %{n: 0}) ==
               "panicked: this error has no message"

      assert failed(guard(%{}, opts), 1) == "the context is an integer; native hooks work on maps only"
    end

    test "on the way out (#{cost})" do
      opts = [cost: @cost]
      assert run(guard(%{leave: :value}, opts), %{n: 4}, fn _ -> :core end) == {:ok, "value after 5"}
      assert run(guard(%{leave: :refuse}, opts), %{n: 0}) == {:error, :not_out}
      assert failed(guard(%{leave: :panic}, opts), %{n: 0}) == "panicked: leave panics"

      assert failed(guard(%{leave: :fail_badly}, opts), %{n: 0}) ==
               "panicked: this error has no message"
    end
  end

  test "a failure is data to it" do
    told = fn core -> run(guard(%{leave: :value}), %{}, core) end
    assert told.(fn _ -> raise "no" end) == {:ok, ~s[Error Some("Elixir.RuntimeError") Some("no")]}

    assert told.(fn _ -> :erlang.error(:badarg) end) ==
             {:ok, ~s[Error Some("Elixir.ArgumentError") Some("argument error")]}

    assert told.(fn _ -> exit({:timeout, 5}) end) == {:ok, ~s[Exit Some("timeout") None]}
    assert told.(fn _ -> exit(1) end) == {:ok, "Exit None None"}
    assert told.(fn _ -> throw({}) end) == {:ok, "Throw None None"}
    assert told.(fn _ -> throw({:hook_error, :no}) end) == {:ok, ~s[Refused Some("no") None]}
  end

  test "it does not go in for ever" do
    test = self()

    assert failed(guard(%{leave: :again}), %{n: 0}, fn context -> send(test, context.n) end) ==
             "it went in again 1000 times in one run; let it give up earlier"

    for n <- 1..1001, do: assert_received(^n)
    refute_received _
  end

  test "one that is skipped yields what next gave and runs nothing twice" do
    core = fn context ->
      send(self(), :core)
      context.n
    end

    for leave <- [:panic, :refuse] do
      assert run(guard(%{leave: leave}, on_error: :skip), %{n: 0}, core) == {:ok, 1}
      assert_received :core
      refute_received :core
    end

    for enter <- [:panic, :refuse] do
      assert run(guard(%{enter: enter}, on_error: :skip), %{n: 0}, core) == {:ok, 0}
      assert_received :core
      refute_received :core
    end

    fails = guard(%{leave: :panic}, on_error: :skip)
    assert catch_exit(run(fails, %{n: 0}, fn _ -> exit(:down) end)) == :down
  end

  test "on_error: :raise" do
    assert_raise Pipeline.Hook.NativeError, fn -> run(guard(%{leave: :panic}, on_error: :raise), %{}) end
    assert catch_throw(run(guard(%{enter: :refuse}, on_error: :raise), %{})) == {:hook_error, :not_in}
  end

  test "what a cache keeps goes with the hook" do
    test = self()

    # It keeps the one term that holds a run, which is cancelled when nothing holds it any more.
    keeper =
      spawn(fn ->
        cached = chain(:cache, %{field: :key, ttl_ms: 3_600_000}, kind: :around)
        {:ok, hook} = VmHooks.native_hook(:hold, %{test: :test})
        reference = make_ref()

        {:ok, {:started, _run}} =
          run(cached, %{key: 1}, fn _ -> VmHooks.start_hook(hook, :before, %{test: test}, reference) end)

        :erlang.garbage_collect()
        send(test, :kept)
        receive do: (:end -> run(cached, %{}))
      end)

    for message <- [:began, :kept], do: assert_receive(^message, 60_000)
    :erlang.garbage_collect(keeper)
    refute_received :cancelled
    send(keeper, :end)
    assert_receive :cancelled, 60_000
  end

  test "its state is dropped when the run has left, and when its process is killed inside" do
    test = self()
    guarded = guard(%{test: :test})

    assert run(guarded, %{test: test}, fn _ -> receive(do: (:dropped -> :early), after: (0 -> :inside)) end) ==
             {:ok, :inside}

    assert_receive :dropped, 60_000

    caller =
      spawn(fn ->
        run(guarded, %{test: test}, fn _ ->
          send(test, :inside)
          receive do: (:never -> :ok)
        end)
      end)

    assert_receive :inside, 60_000
    refute_received :dropped
    Process.exit(caller, :kill)
    assert_receive :dropped, 60_000
  end

  test "wrong arguments are refused" do
    {:ok, around} = VmHooks.native_hook(:guard, %{count: :n})
    {:ok, other} = VmHooks.native_hook(:retry, %{times: 1})
    {:ok, hook} = VmHooks.native_hook(:increment, %{field: :n})
    {:inside, visit, context} = VmHooks.enter_around(around, %{})
    junk = [nil, 1, "x", <<1::3>>, [1 | 2], %{}, {}, {1}, self(), make_ref(), hook, visit, context]

    for bad <- junk do
      assert_raise ArgumentError, fn -> VmHooks.enter_around(bad, %{}) end
      assert_raise ArgumentError, fn -> VmHooks.leave_around(bad, visit, context, {:ok, 1}) end
      assert_raise ArgumentError, fn -> VmHooks.leave_around(around, visit, context, bad) end
      assert_raise ArgumentError, fn -> VmHooks.leave_around(around, visit, context, {bad, 1}) end
      assert_raise ArgumentError, fn -> VmHooks.cancel_hook(bad) end
      assert_raise ArgumentError, fn -> VmHooks.finish_async(bad, %{}) end
      assert_raise ArgumentError, fn -> VmHooks.start_hook(hook, bad, %{}, make_ref()) end

      if bad != hook,
        do: assert_raise(ArgumentError, fn -> VmHooks.start_hook(bad, :before, %{}, make_ref()) end)

      unless is_reference(bad),
        do: assert_raise(ArgumentError, fn -> VmHooks.start_hook(hook, :before, %{}, bad) end)

      if bad != visit,
        do: assert_raise(ArgumentError, fn -> VmHooks.leave_around(around, bad, context, {:ok, 1}) end)
    end

    assert VmHooks.leave_around(around, visit, context, {:ok, 1}) == :pass
    # It has left.
    assert_raise ArgumentError, fn -> VmHooks.leave_around(around, visit, context, {:ok, 1}) end
    {:inside, visit, context} = VmHooks.enter_around(around, %{})
    assert_raise ArgumentError, fn -> VmHooks.leave_around(other, visit, context, {:ok, 1}) end
  end
end

# Alone, since it takes all threads.
defmodule FullTest do
  use WaitingCase, async: false

  @full "4096 runs wait for one of 64 threads already; run fewer at once, or use an async hook"

  test "runs beyond those that may wait fail at once, and those that are given up never begin" do
    chains = hold()
    running = for _ <- 1..64, do: caller(chains, %{test: self()})
    for _ <- running, do: assert_receive(:began, 60_000)

    given_up = for _ <- 1..4_096, do: caller(chains, %{test: self()})
    eventually(fn -> Enum.all?(given_up, &waits?/1) end)
    assert full?(run(chains, %{test: self()}))
    for caller <- given_up, do: Process.exit(caller, :kill)

    # As many again find a place to wait only when all of those have left theirs.
    nobody = spawn(fn -> :gone end)
    waiting = for _ <- 1..4_096, do: spawn(fn -> insist(chains, %{test: nobody}) end)
    eventually(fn -> Enum.all?(waiting, &waits?/1) and full?(run(chains, %{test: self()})) end)

    for caller <- running ++ waiting, do: Process.exit(caller, :kill)
    for _ <- running, do: assert_receive(:cancelled, 60_000)
    assert run(chain(:increment, %{field: :n}, cost: :blocking, timeout: 60_000), %{}) == {:ok, %{n: 1}}
    refute_received :began
  end

  defp insist(chains, context) do
    if full?(run(chains, context)) do
      :erlang.yield()
      insist(chains, context)
    end
  end

  defp full?(result) do
    match?({:error, %Hook.Error{reason: %Pipeline.Hook.NativeError{message: @full}}}, result)
  end

  defp waits?(pid), do: Process.info(pid, :status) == {:status, :waiting}

  defp eventually(condition) do
    unless condition.() do
      :erlang.yield()
      eventually(condition)
    end
  end
end
