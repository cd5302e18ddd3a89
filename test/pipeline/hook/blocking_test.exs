defmodule Pipeline.Hook.BlockingTest do
  use Pipeline.InstanceCase, async: true

  # What a hook that waits itself does, with cancellation, is tested by native/pipeline_term/vm_hooks. The conformance
  # suite runs all native cases on the runtime too.

  alias Pipeline.Hook.{Manager, NativeError}

  test "a native hook runs on the runtime and its neighbours where they were", %{instance: instance} do
    module =
      plugin id: :x do
        hook :before, :step, native: :increment, config: %{field: :n}
        hook :before, :step, native: :increment, config: %{field: :n}, cost: :blocking
        hook :before, :step, native: :increment, config: %{field: :n}
        hook :after, :step, native: :increment, config: %{field: :n}, cost: :blocking, timeout: 60_000
        hook :replace, :step, native: :put, config: %{field: :by, value: :x}, cost: :blocking
      end

    {:ok, :x} = Pipeline.Plugin.Manager.load_plugin(module, %{}, instance: instance)
    assert Hook.run(instance, :step, %{n: 0}, &Function.identity/1) == {:ok, %{n: 4, by: :x}}
    refute_received _
  end

  test "the context is any term, large or strange, and comes back as it was" do
    strange = %{
      list: [1 | 2],
      fun: &Function.identity/1,
      pid: self(),
      ref: make_ref(),
      bits: <<1::3>>,
      big: Bitwise.bsl(1, 200),
      map: Map.new(1..1000, &{&1, <<0::size(&1)>>}),
      binary: :binary.copy("x", 100_000)
    }

    chains = blocking(:put, %{field: :added, value: 1})
    assert Manager.run(chains, :step, strange) == {:ok, Map.put(strange, :added, 1)}
  end

  test "its time runs out" do
    # Ranking these takes the hook far longer; of more than 10,000 it would refuse to rank any.
    text = Enum.map_join(1..9_000, " ", fn n -> "Word#{n} and word#{n + 1} follow word#{n + 2} here." end)
    hook = {:native, :summarise, %{field: :text, into: :summary}}

    for {on_error, expected} <- [
          halt: {:error, :timeout},
          skip: {:ok, text}
        ] do
      chains =
        Manager.register(Manager.new(), :step, hook,
          plugin: :p,
          cost: :blocking,
          timeout: 1,
          on_error: on_error
        )

      case {Manager.run(chains, :step, %{text: text}), expected} do
        {{:error, error}, {:error, reason}} ->
          assert %Hook.Error{plugin: :p, kind: :before, reason: ^reason} = error

        {{:ok, context}, {:ok, text}} ->
          assert context == %{text: text}
      end
    end

    chains = Manager.register(Manager.new(), :step, hook, cost: :blocking, timeout: 1, on_error: :raise)
    assert catch_exit(Manager.run(chains, :step, %{text: text})) == :timeout
    refute_received _
  end

  test "a failure names the hook" do
    assert {:error, %Hook.Error{kind: :before, reason: %NativeError{} = error}} =
             Manager.run(blocking(:increment, %{field: :n}), :step, [])

    assert error.hook == {Pipeline.Native, :increment}
    assert error.message == "the context is a list; native hooks work on maps only"
    refute_received _
  end

  test "messages of others stay in the mailbox" do
    messages = for n <- 1..100, do: {make_ref(), n}
    for message <- messages, do: send(self(), message)
    assert Manager.run(blocking(:increment, %{field: :n}), :step, %{}) == {:ok, %{n: 1}}
    for message <- messages, do: assert_received(^message)
    refute_received _
  end

  test "more callers than threads" do
    chains = blocking(:increment, %{field: :n})

    results =
      1..1000
      |> Enum.map(fn n -> Task.async(fn -> Manager.run(chains, :step, %{n: n}) end) end)
      |> Task.await_many()

    assert results == for(n <- 1..1000, do: {:ok, %{n: n + 1}})
  end

  for {name, opts, message} <- [
        {"a time limit for a hook that takes none", [timeout: 5],
         "timeout: does not reach into a native hook of cost :light, which no scheduler can interrupt; leave it out, " <>
           "or say cost: :blocking"},
        {"a time limit of nothing", [cost: :blocking, timeout: 0],
         "timeout: is a positive number of milliseconds, got: 0"},
        {"a cost that is not declared", [cost: :async], "cost: is :light, :heavy or :blocking, got: :async"}
      ] do
    test "refuses #{name}" do
      assert_raise ArgumentError, unquote(message), fn ->
        Manager.register(Manager.new(), :step, {:native, :increment, %{field: :n}}, unquote(opts))
      end
    end
  end

  defp blocking(name, config) do
    Manager.register(Manager.new(), :step, {:native, name, config}, cost: :blocking, timeout: 60_000)
  end
end
