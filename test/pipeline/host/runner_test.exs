defmodule Pipeline.RunnerTest do
  use Pipeline.InstanceCase, async: true

  alias Pipeline.Plugins.DataTransformHandler
  alias Pipeline.Runner
  alias Pipeline.Runner.Error

  setup %{instance: instance} do
    {:ok, _} = Manager.load_plugin(DataTransformHandler, %{}, instance: instance)
    {:ok, opts: [instance: instance]}
  end

  defp transform(id, fun, needs \\ []), do: %{id: id, type: :transform, config: %{fun: fun}, needs: needs}

  test "runs nodes in the order of their needs, whatever order they are given in", %{opts: opts} do
    nodes = [
      transform(:both, fn %{double: double, square: square} -> {double, square} end, [:double, :square]),
      transform(:square, &(&1 * &1), [:start]),
      transform(:double, &(&1 * 2), [:start]),
      transform(:start, &(&1 + 1))
    ]

    assert {:ok, run} = Runner.run(nodes, 4, opts)
    assert run.output == {10, 25}
    assert run.results == %{start: 5, double: 10, square: 25, both: {10, 25}}
    assert Enum.map(run.timings, & &1.node) == [:start, :square, :double, :both]
    assert Enum.all?(run.timings, &(&1.type == :transform and &1.microseconds >= 0))
  end

  test "executes every type of the bundled handler", %{opts: opts} do
    nodes = [
      %{id: :map, type: :map, config: %{fun: &(&1 * 3)}},
      %{id: :filter, type: :filter, config: %{fun: &(rem(&1, 2) == 0)}, needs: [:map]},
      %{id: :reduce, type: :reduce, config: %{fun: &+/2, initial: 0}, needs: [:filter]}
    ]

    assert {:ok, %{output: 18}} = Runner.run(nodes, [1, 2, 3, 4], opts)
  end

  test "refuses a node whose config makes no sense before any runs", %{opts: opts} do
    test = self()
    nodes = [transform(:first, fn _ -> send(test, :ran) end), %{id: :second, type: :reduce, needs: [:first]}]

    assert {:error, %Error{node: :second, reason: {:invalid, :invalid_transform_config}} = error} =
             Runner.run(nodes, 1, opts)

    assert Exception.message(error) == "node :second: it was refused: :invalid_transform_config"
    refute_received :ran
  end

  test "explains pipelines that cannot run", %{opts: opts} do
    message = fn nodes ->
      assert {:error, %Error{} = error} = Runner.run(nodes, 1, opts)
      Exception.message(error)
    end

    assert message.([%{id: :a, type: :no_such_type}]) ==
             "node :a: no plugin handles nodes of type :no_such_type; load one that lists it in its capability :node_types"

    assert message.([transform(:a, & &1, [:b])]) ==
             "node :a: it needs :b, which is not a node of the pipeline; add that node or remove the need"

    assert message.([transform(:a, & &1, [:b]), transform(:b, & &1, [:c]), transform(:c, & &1, [:b])]) =~
             ~r/these nodes wait for each other: (:b, :c|:c, :b); remove one of the needs/

    assert message.([transform(:a, & &1), transform(:a, & &1)]) == "node :a: its id is used twice"
    assert message.([:a]) =~ "a node is a map with an :id and an atom as :type, got: :a"
    assert message.([%{id: :m, type: :map, config: %{fun: & &1}}]) == "node :m: {:not_enumerable, :map, 1}"
  end

  test "asks validators, in load order", %{instance: instance, opts: opts} do
    defmodule NoThirteen do
      use Pipeline.Plugin, id: :no_thirteen
      @behaviour Pipeline.Validator
      provides :validator, __MODULE__

      @impl Pipeline.Validator
      def validate(%{id: 13}, config), do: {:error, {:unlucky, config}}
      def validate(_node, _config), do: :ok
    end

    {:ok, _} = Manager.load_plugin(NoThirteen, %{why: :tradition}, instance: instance)
    assert {:ok, _} = Runner.run([transform(12, & &1)], 1, opts)

    assert {:error, %Error{node: 13, reason: {:invalid, {:unlucky, %{why: :tradition}}}}} =
             Runner.run([transform(13, & &1)], 1, opts)
  end

  test "runs the hook points of execution and completion", %{instance: instance, opts: opts} do
    defmodule Observer do
      use Pipeline.Plugin, id: :observer

      hook :before, :execute_node do
        def execute_node(%{node: %{id: :cached}}, _next), do: {:ok, :from_cache}
        def execute_node(%{node: %{id: :refused}}, _next), do: throw({:hook_error, :not_today})
        def execute_node(%{node: %{id: :odd}}, _next), do: :odd
        def execute_node(%{node: %{id: :broken}}, _next), do: raise("broken")
        def execute_node(context, next), do: next.(%{context | input: {:seen, context.input}})
      end

      hook :after, :pipeline_complete do
        def pipeline_complete(context, next),
          do: next.(%{context | results: Map.put(context.results, :seen, true)})
      end
    end

    {:ok, _} = Manager.load_plugin(Observer, %{}, instance: instance)
    assert {:ok, %{results: %{a: {:seen, 1}, seen: true}}} = Runner.run([transform(:a, & &1)], 1, opts)
    assert {:ok, %{output: :from_cache}} = Runner.run([transform(:cached, & &1)], 1, opts)

    assert {:error, %Error{node: :refused, reason: {:failed, :not_today}}} =
             Runner.run([transform(:refused, & &1)], 1, opts)

    assert {:error, %Error{node: :odd, reason: {:bad_result, :odd}}} =
             Runner.run([transform(:odd, & &1)], 1, opts)

    assert {:error, %Error{node: :broken, reason: {:failed, %Hook.Error{plugin: :observer}}} = error} =
             Runner.run([transform(:broken, & &1)], 1, opts)

    assert Exception.message(error) ==
             "node :broken: the before hook on :execute_node of plugin :observer failed: RuntimeError: broken"
  end
end
