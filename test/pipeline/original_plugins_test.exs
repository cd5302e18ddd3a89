defmodule Pipeline.OriginalPluginsTest do
  # The plugins of the original document, see test/support/original.
  use Pipeline.InstanceCase, async: true

  test "the OpenAI provider loads and is found", %{instance: instance} do
    assert {:ok, :openai_provider} =
             Manager.load_plugin(Original.OpenAIProvider, %{api_key: "k"}, instance: instance)

    assert %{
             id: :openai_provider,
             name: "openai_provider",
             version: "1.0.0",
             description: "OpenAI provider plugin.",
             author: "Unknown",
             capabilities: [
               provider: [module: Pipeline.Providers.OpenAI],
               models: [:gpt_4, :gpt_35_turbo],
               embeddings: true,
               streaming: true
             ],
             dependencies: [],
             hooks: hooks
           } = Original.OpenAIProvider.__plugin__()

    assert hooks == %{}

    assert Manager.get_provider(:provider, instance: instance) ==
             {:ok, {:openai_provider, Pipeline.Providers.OpenAI}}

    assert Registry.find_by_capability(Registry.of(instance), :models, :gpt_4) == [:openai_provider]
  end

  test "the data transform handler loads and validates", %{instance: instance} do
    assert {:ok, _} = Manager.load_plugin(Original.DataTransformHandler, %{}, instance: instance)
    node = %{id: 1, type: :map, config: %{}}
    run = fn node -> Hook.run(instance, :validate_node, %{node: node}, & &1) end
    assert run.(node) == {:error, :invalid_transform_config}
    assert {:ok, %{node: _}} = run.(%{node | config: %{fun: &(&1 + 1)}})
    assert {:ok, %{node: _}} = run.(%{node | type: :other})
  end

  test "the telemetry plugin loads; without :telemetry its hook fails, and says so", %{instance: instance} do
    assert {:ok, :telemetry} = Manager.load_plugin(Original.TelemetryPlugin, %{}, instance: instance)

    assert {:error,
            %Hook.Error{
              plugin: :telemetry,
              kind: :around,
              reason: %UndefinedFunctionError{module: :telemetry}
            }} = Hook.run(instance, :execute_node, %{node: 1}, fn _ -> {:ok, 1} end)

    assert {:ok, _} = Hook.run(instance, :pipeline_complete, %{timings: [], instance: instance}, & &1)
  end

  test "the LangChain integration is refused for want of :python_bridge, by a message", %{instance: instance} do
    assert {:error, %Error{step: :resolve} = error} =
             Manager.load_plugin(Original.LangChainIntegration, %{}, instance: instance)

    assert error.reason ==
             {:missing_dependencies, [{:missing_dependency, :langchain_integration, :python_bridge, nil}]}

    assert Exception.message(error) ==
             "could not load plugin :langchain_integration (Original.LangChainIntegration) (step resolve): " <>
               "langchain_integration needs python_bridge, which is not there: load python_bridge as well, or leave " <>
               "langchain_integration out."
  end
end
