defmodule Pipeline.Hook.MaxHeapTest do
  use Pipeline.InstanceCase, async: true

  alias Pipeline.Hook.Manager, as: Chains

  @long 60_000
  @limit 400_000

  defp greedy(_context, _next), do: Enum.to_list(1..1_000_000)

  for kind <- [:before, :after, :replace] do
    @kind kind

    test "a #{kind} hook that needs more fails with :max_heap, and harms nobody else", %{instance: instance} do
      module =
        plugin id: :greedy do
          hook unquote(@kind), :step, timeout: 60_000, max_heap: 400_000 do
            def step(context, next), do: next.(Enum.to_list(1..context.n))
          end
        end

      {:ok, :greedy} = Manager.load_plugin(module, %{}, instance: instance)
      :ok = Events.subscribe(self(), :hook_failed, instance: instance)
      assert {:ok, [1, 2]} = Hook.run(instance, :step, %{n: 2}, & &1)

      assert {:error, %Hook.Error{plugin: :greedy, kind: @kind, reason: :max_heap} = error} =
               Hook.run(instance, :step, %{n: 1_000_000}, & &1)

      assert Exception.message(error) ==
               "the #{@kind} hook on :step of plugin :greedy failed: it needed more memory than its max_heap"

      assert_received {:pipeline_event, {:plugin, :hook_failed}, %{error: ^error}}
      refute_received _
    end
  end

  defp doubled(n), do: Enum.reduce(1..n, [1], fn _, term -> {term, term} end)

  # 2 to the power of 25 pairs: half a gigabyte for a copy. A version that does not look makes it, and lives here.
  test "without it, nothing is copied that would be larger than 256 MiB, to the hook, from it, and back from next" do
    pass = fn context, next -> next.(context) end

    cases = [
      {doubled(25), pass, &{:in, tuple_size(&1)}},
      {25, fn n, _next -> doubled(n) end, & &1},
      {25, fn n, next -> next.(doubled(n)) end, &{:in, tuple_size(&1)}},
      {25, pass, &doubled/1}
    ]

    for {context, hook, core} <- cases do
      chains = Chains.register(Chains.new(), :step, hook, timeout: @long)
      assert {:error, %Hook.Error{reason: :too_large} = error} = Chains.run(chains, :step, context, core)
      assert Exception.message(error) =~ "more than 256 MiB"
    end
  end

  test "what it hands over is no larger, though a copy shares nothing" do
    hooks = [
      returning: fn n, _next -> doubled(n) end,
      asking: fn n, next -> next.(doubled(n)) end,
      raising: fn n, _next -> raise ErlangError, original: doubled(n) end,
      throwing: fn n, _next -> throw({:hook_error, doubled(n)}) end
    ]

    for {_name, hook} <- hooks do
      chains = Chains.register(Chains.new(), :step, hook, timeout: @long, max_heap: @limit)
      # Deeper, the copy of a version that does not look ends the VM.
      assert {:error, %Hook.Error{reason: :max_heap}} = Chains.run(chains, :step, 18, & &1)
      refute match?({:error, %Hook.Error{reason: :max_heap}}, Chains.run(chains, :step, 3, & &1))
    end
  end

  test "on_error: :skip goes on without it" do
    chains =
      Chains.register(Chains.new(), :step, &greedy/2, timeout: @long, max_heap: @limit, on_error: :skip)

    assert Chains.run(chains, :step, 1, &(&1 + 1)) == {:ok, 2}
  end

  test "what next needs does not count: it runs in the caller" do
    chains =
      Chains.register(Chains.new(), :step, fn c, next -> next.(c) end, timeout: @long, max_heap: @limit)

    assert Chains.run(chains, :step, 1, fn n -> length(Enum.to_list(n..1_000_000)) end) == {:ok, 1_000_000}
  end

  test "a base operation that exits with :killed is not taken for it" do
    chains =
      Chains.register(Chains.new(), :step, fn c, next -> next.(c) end, timeout: @long, max_heap: @limit)

    assert catch_exit(Chains.run(chains, :step, 1, fn _ -> exit(:killed) end)) == :killed
  end

  test "it needs a timeout, and a number that a process can start with" do
    register = fn opts -> fn -> Chains.register(Chains.new(), :step, &greedy/2, opts) end end

    assert_raise ArgumentError,
                 "max_heap: is for hooks with a timeout:, which run in a process of their own; give it one",
                 register.(max_heap: @limit)

    assert_raise ArgumentError,
                 "max_heap: is a number of bytes, at least 16384, got: 1",
                 register.(max_heap: 1, timeout: @long)
  end
end
