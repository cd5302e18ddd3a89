defmodule Pipeline.Native.Hooks.RetryAndCacheTest do
  use Pipeline.InstanceCase, async: true

  alias Pipeline.Hook.Manager, as: Chains

  describe "retry" do
    test "goes in again until it succeeds" do
      assert {:ok, 3} = run([retry(%{times: 5})], %{}, fails_until(3))
      assert attempts() == 3
    end

    test "gives up after as many times, with the failure as it was" do
      exception = catch_error(run([retry(%{times: 2})], %{}, fn _ -> raise(KeyError, key: :k, term: %{}) end))
      assert %KeyError{key: :k} = exception
      assert {:ok, {:busy, 1}} = run([retry(%{})], %{}, fn _ -> {:busy, 1} end)
    end

    test "goes in with the context as it went in, each time" do
      test = self()

      inside = fn context ->
        send(test, {:inside, context})
        exit(:down)
      end

      hooks = [retry(%{times: 1}), {:before, {:native, :increment, %{field: :n}}}]
      assert catch_exit(run(hooks, %{n: 1}, inside)) == :down
      assert_received {:inside, %{n: 2}}
      assert_received {:inside, %{n: 2}}
      refute_received {:inside, _}
    end

    for {name, on, failure, times} <- [
          {"exceptions by their module", [ArgumentError], quote(do: raise(ArgumentError)), 2},
          {"exceptions by text", ["ArgumentError"], quote(do: raise(ArgumentError)), 2},
          {"other exceptions", [ArgumentError], quote(do: raise("other")), 1},
          {"Erlang errors by their exception", [ArithmeticError], quote(do: :erlang.error(:badarith)), 2},
          {"exits by an atom", [:noproc], quote(do: exit(:noproc)), 2},
          {"exits by a tuple's first element", ["timeout"],
           quote(do: exit({:timeout, {GenServer, :call, []}})), 2},
          {"throws", [:busy], quote(do: throw({:busy, 1})), 2},
          {"refusals that are named", [:rate_limited], quote(do: throw({:hook_error, {:rate_limited, %{}}})),
           2},
          {"refusals that are not", nil, quote(do: throw({:hook_error, :no})), 1},
          {"what has no name", [:busy], quote(do: exit({1, 2})), 1},
          {"any failure where nothing is named", nil, quote(do: exit({1, 2})), 2}
        ] do
      test "which failures are tried again: #{name}" do
        config = %{times: 1, on: unquote(on)}

        try do
          run([retry(config)], %{}, fn _ ->
            count_attempt()
            unquote(failure)
          end)
        catch
          _, _ -> :failed
        end

        assert attempts() == unquote(times)
      end
    end

    test "the context may be any term" do
      for context <- [nil, 1, [1 | 2], {}, self()] do
        assert run([retry(%{})], context, &{:inside, &1}) == {:ok, {:inside, context}}
      end
    end

    test "a pause is waited in the caller" do
      assert {:ok, 3} = run([retry(%{delay_ms: 1, max_delay_ms: 1})], %{}, fails_until(3))
    end

    test "arounds of one kind keep their counts apart" do
      fails = fn _ ->
        count_attempt()
        exit(:down)
      end

      assert catch_exit(run([retry(%{times: 1}), retry(%{times: 2})], %{}, fails)) == :down
      assert attempts() == 6
    end

    test "a failure that passes keeps its owner and its stack trace", %{instance: instance} do
      failing =
        plugin id: :failing do
          hook :before, :step
          def step(_context, _next), do: raise("mine")
        end

      retrying =
        plugin id: :retrying do
          hook :around, :step, native: :retry, config: %{times: 1}
        end

      for module <- [failing, retrying], do: {:ok, _} = Manager.load_plugin(module, %{}, instance: instance)
      :ok = Events.subscribe(self(), :hook_failed, instance: instance)

      assert {:error, %Hook.Error{plugin: :failing, kind: :before} = error} =
               Hook.run(instance, :step, %{}, &Function.identity/1)

      assert %{reason: %RuntimeError{message: "mine"}, stacktrace: [{^failing, :step, 2, _} | _]} = error
      for _ <- 1..2, do: assert_received({:pipeline_event, _, %{error: %{plugin: :failing}}})
      refute_received {:pipeline_event, _, _}
    end
  end

  describe "cache" do
    test "answers with what an earlier run gave, per value of the fields" do
      cached = chains([cache(%{fields: [:prompt, [:node, "model"]]})])

      for {prompt, model, attempts} <- [{"a", 1, 1}, {"a", 1, 1}, {"b", 1, 2}, {"a", 2, 3}, {"b", 1, 3}] do
        context = %{:prompt => prompt, :node => %{"model" => model}, make_ref() => :no_key}
        assert {:ok, {^prompt, ^model}} = Chains.run(cached, :step, context, &answer/1)
        assert attempts() == attempts
      end
    end

    test "any term is a key and a result" do
      terms = [
        nil,
        1,
        1.0,
        "1",
        :a,
        [1 | 2],
        {},
        self(),
        make_ref(),
        1 <<< 99,
        <<1::3>>,
        %{[] => %{}}
      ]

      cached = chains([cache(%{field: :key})])

      for round <- [:fresh, :cached], key <- terms do
        core = fn context -> {round, context.key} end
        assert Chains.run(cached, :step, %{key: key}, core) == {:ok, {:fresh, key}}
      end
    end

    test "what native code cannot measure, or what is too large, is not kept" do
      shared = Enum.reduce(1..40, 1, fn _, inner -> {inner, inner} end)
      large = String.duplicate("x", 2_000_000)
      cached = chains([cache(%{field: :key})])

      for key <- [&answer/1, shared, large],
          round <- [1, 2],
          do: assert(Chains.run(cached, :step, %{key: key}, fn _ -> round end) == {:ok, round})

      for {key, result} <- [a: &answer/1, b: shared, c: large] do
        assert {:ok, _} = Chains.run(cached, :step, %{key: key}, fn _ -> result end)
        assert Chains.run(cached, :step, %{key: key}, fn _ -> :again end) == {:ok, :again}
      end
    end

    test "no more than so many bytes are kept" do
      cached = chains([cache(%{field: :key, max_bytes: 100_000})])
      value = String.duplicate("x", 10_000)
      for key <- 1..100, do: Chains.run(cached, :step, %{key: key}, fn _ -> value end)
      again = for key <- 1..100, do: Chains.run(cached, :step, %{key: key}, fn _ -> :missed end)
      assert Enum.count(again, &(&1 == {:ok, value})) in 1..9
    end

    test "a field that is not there is not nil" do
      cached = chains([cache(%{field: :key})])
      assert Chains.run(cached, :step, %{}, &map_size/1) == {:ok, 0}
      assert Chains.run(cached, :step, %{key: nil}, &map_size/1) == {:ok, 1}
    end

    test "failures and refusals are not kept" do
      cached = chains([cache(%{field: :key})])
      assert catch_exit(Chains.run(cached, :step, %{}, fn _ -> exit(:down) end)) == :down
      assert Chains.run(cached, :step, %{}, fn _ -> throw({:hook_error, :no}) end) == {:error, :no}
      assert Chains.run(cached, :step, %{}, fn _ -> :up end) == {:ok, :up}
      assert Chains.run(cached, :step, %{}, fn _ -> :never end) == {:ok, :up}
    end

    test "a result is good for its time" do
      cached = chains([cache(%{field: :key, ttl_ms: 1})])
      assert {:ok, 1} = Chains.run(cached, :step, %{}, fn _ -> 1 end)
      assert stale?(cached)
    end

    test "no more than so many are kept" do
      cached = chains([cache(%{field: :key, max_entries: 3})])
      for key <- 1..100, do: Chains.run(cached, :step, %{key: key}, fn _ -> :first end)
      again = for key <- 1..100, do: Chains.run(cached, :step, %{key: key}, fn _ -> :second end)
      assert Enum.count(again, &(&1 == {:ok, :first})) <= 3
      assert {:ok, kept} = Chains.run(cached, :step, %{key: 100}, fn _ -> :third end)
      assert kept in [:first, :second]
    end

    test "what is inside, before and after hooks too, is left out when it answers" do
      hooks = [
        cache(%{field: :key}),
        {:before, {:native, :increment, %{field: :n}}},
        {:after, {:native, :increment, %{field: :n}}}
      ]

      cached = chains(hooks)
      assert Chains.run(cached, :step, %{n: 0}, &counted/1) == {:ok, %{n: 2}}
      assert Chains.run(cached, :step, %{n: 7}, &counted/1) == {:ok, %{n: 2}}
      assert attempts() == 1
    end

    test "many processes share it" do
      cached = chains([cache(%{field: :key})])
      value = List.duplicate("text", 1000)
      {:ok, ^value} = Chains.run(cached, :step, %{}, fn _ -> value end)

      results =
        1..200
        |> Enum.map(fn _ -> Task.async(fn -> Chains.run(cached, :step, %{}, fn _ -> :missed end) end) end)
        |> Task.await_many()

      assert Enum.uniq(results) == [{:ok, value}]
    end

    test "a retry outside of it tries again what is not kept" do
      assert {:ok, 2} = run([retry(%{}), cache(%{field: :key})], %{}, fails_until(2))
    end
  end

  describe "mistakes" do
    for {name, hook, kind, config, message} <- [
          {"an around as a before hook", :retry, :before, %{},
           "the native hook :retry is for :around hooks, not :before"},
          {"another hook as an around", :put, :around, %{field: :a, value: 1},
           "the native hook :put is for :before, :after, :replace hooks, not :around"},
          {"times", :retry, :around, %{times: 0},
           "the config of the native hook :retry is wrong: times: expected 1 to 1000, found 0"},
          {"no time", :cache, :around, %{field: :a},
           "the config of the native hook :cache is wrong: ttl_ms: missing field ttl_ms; add it"},
          {"no fields", :cache, :around, %{ttl_ms: 1},
           "the config of the native hook :cache is wrong: field: give field: a key or a path, or fields: a list of them"}
        ] do
      test "#{name}" do
        assert_raise ArgumentError, unquote(message), fn ->
          Chains.register(Chains.new(), :step, {:native, unquote(hook), unquote(Macro.escape(config))},
            kind: unquote(kind)
          )
        end
      end
    end

    test "no entries, and time beyond the clock" do
      assert_raise ArgumentError, ~r/max_entries: .*nonzero/, fn ->
        chains([cache(%{field: :a, max_entries: 0})])
      end

      forever = chains([cache(%{field: :a, ttl_ms: (1 <<< 63) - 1, max_entries: 10_000_000})])
      assert Chains.run(forever, :step, %{}, fn _ -> 1 end) == {:ok, 1}
      assert Chains.run(forever, :step, %{}, fn _ -> 2 end) == {:ok, 1}
    end
  end

  test "chain/2 shows it, as a native call of its own", %{instance: instance} do
    module =
      plugin id: :x do
        hook :around, :step, native: :retry, config: %{}
        hook :around, :step, native: :cache, config: %{field: :key, ttl_ms: 5}, cost: :heavy
        hook :before, :step, native: :put, config: %{field: :a, value: 1}, cost: :blocking
        hook :before, :step, native: :put, config: %{field: :a, value: 1}
        hook :before, :step, native: :put, config: %{field: :a, value: 1}
      end

    {:ok, :x} = Manager.load_plugin(module, %{}, instance: instance)

    assert for(
             hook <- Hook.chain(:step, instance: instance),
             do: {hook.native, hook.tier, hook.cost, hook.segment}
           ) == [
             {{Pipeline.Native, :retry}, :native, :light, 1},
             {{Pipeline.Native, :cache}, :native, :heavy, 2},
             {{Pipeline.Native, :put}, :native, :blocking, 3},
             {{Pipeline.Native, :put}, :native, :light, 4},
             {{Pipeline.Native, :put}, :native, :light, 4}
           ]

    assert Hook.run(instance, :step, %{key: 1}, & &1.a) == {:ok, 1}
  end

  defp retry(config), do: {:around, {:native, :retry, config}}
  defp cache(config), do: {:around, {:native, :cache, Map.put_new(config, :ttl_ms, 3_600_000)}}

  defp chains(hooks) do
    for {kind, hook} <- hooks, reduce: Chains.new() do
      chains -> Chains.register(chains, :step, hook, kind: kind)
    end
  end

  defp run(hooks, context, core), do: Chains.run(chains(hooks), :step, context, core)

  defp count_attempt, do: Process.put(:attempts, attempts() + 1)
  defp attempts, do: Process.get(:attempts, 0)

  defp fails_until(attempt) do
    fn _context ->
      count_attempt()
      if attempts() < attempt, do: raise("not yet"), else: attempts()
    end
  end

  defp answer(context) do
    count_attempt()
    {context.prompt, context.node["model"]}
  end

  defp counted(context) do
    count_attempt()
    context
  end

  # Whether the first result is given up in the end.
  defp stale?(cached) do
    case Chains.run(cached, :step, %{}, fn _ -> 2 end) do
      {:ok, 1} -> stale?(cached)
      {:ok, 2} -> true
    end
  end

  defp a <<< b, do: Bitwise.bsl(a, b)
end
