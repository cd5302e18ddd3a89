defmodule Pipeline.LangChainTest do
  # With the real LangChain, in the environment that bin/setup makes. One instance for all: a start takes seconds.
  use ExUnit.Case, async: false

  alias Pipeline.Handlers.LangChain
  alias Pipeline.Plugin.{Manager, RPC}
  alias Pipeline.Plugins.{LangChainIntegration, PythonBridge}
  alias Pipeline.Python.Error
  alias Pipeline.Runner

  @config %{
    paths: ["test/python"],
    modules: ["sample"],
    vector_stores: %{"notes" => %{kind: :memory, embeddings: "sample:words"}}
  }

  setup_all do
    start_supervised!({Manager, name: __MODULE__})
    {:ok, :python_bridge} = Manager.load_plugin(PythonBridge, %{workers: 1}, instance: __MODULE__)
    {:ok, :langchain_integration} = Manager.load_plugin(LangChainIntegration, @config, instance: __MODULE__)
    :ok
  end

  defp run(nodes, input), do: Runner.run(List.wrap(nodes), input, instance: __MODULE__)

  defp output(nodes, input) do
    assert {:ok, run} = run(nodes, input)
    run.output
  end

  defp node(type, config), do: %{id: :node, type: type, config: config}

  test "a tool" do
    assert output(node(:langchain_tool, %{name: "sample:word_count"}), %{text: "one two three"}) == 3

    assert {:error,
            %Runner.Error{node: :node, reason: {:failed, %Error{type: "ValueError", message: "not today: x"}}}} =
             run(node(:langchain_tool, %{name: "sample:failing"}), %{text: "x"})
  end

  test "the tools there are, with their schemas" do
    assert {:ok, tools} = RPC.call(:langchain_integration, :tools, 60_000, instance: __MODULE__)

    assert %{"description" => "Counts the words of a text.", "schema" => schema} =
             Enum.find(tools, &(&1["name"] == "word_count"))

    assert %{"properties" => %{"text" => %{"type" => "string"}}, "required" => ["text"]} = schema
  end

  test "a runnable, a chain with a prompt and a model, a retriever" do
    assert output(node(:langchain_runnable, %{name: "sample:double"}), 21) == 42
    assert output(node(:langchain_runnable, %{name: "sample:chain"}), %{topic: "frogs"}) == "a short answer"

    assert %{"type" => "ai", "content" => "a short answer"} =
             output(node(:langchain_runnable, %{name: "sample:model"}), "hello")

    assert [%{"page_content" => "about frogs", "metadata" => %{"source" => "fixed"}}] =
             output(node(:langchain_retriever, %{name: "sample:fixed"}), "frogs")
  end

  test "a stream, to a process and as an Enumerable" do
    chunks = output(node(:langchain_runnable, %{name: "sample:chain", stream: self()}), %{topic: "frogs"})
    assert Enum.join(chunks) == "a short answer"
    assert length(chunks) > 3
    for chunk <- chunks, do: assert_received({:langchain, :node, ^chunk})

    assert "sample:chain" |> LangChain.stream(%{topic: "frogs"}, instance: __MODULE__) |> Enum.take(3) == [
             "a",
             " ",
             "s"
           ]

    assert output(node(:langchain_runnable, %{name: "sample:double"}), 2) == 4
  end

  test "a text is split, indexed and searched" do
    text =
      "Frogs live in ponds and eat flies.\n\nTrains run on rails between towns.\n\nBread is made of flour and water."

    nodes = [
      %{id: :split, type: :langchain_split, config: %{chunk_size: 40, chunk_overlap: 0}},
      %{id: :index, type: :langchain_index, needs: [:split], config: %{store: "notes"}}
    ]

    assert {:ok, %{results: %{split: chunks, index: ids}}} = run(nodes, text)
    assert length(chunks) == 3
    assert length(ids) == 3

    assert [%{"page_content" => "Trains run on rails between towns."}] =
             output(node(:langchain_search, %{store: "notes", count: 1}), "where do trains run")
  end

  test "documents with metadata" do
    document = %{"page_content" => "Violins have four strings.", "metadata" => %{"page" => 7}}
    assert [_id] = output(node(:langchain_index, %{store: "notes"}), [document])

    assert [%{"metadata" => %{"page" => 7}}] =
             output(node(:langchain_search, %{store: "notes", count: 1}), "four strings violins")
  end

  test "names that name nothing are errors that say so" do
    failed = fn node, input ->
      assert {:error, %Runner.Error{reason: {:failed, %Error{} = error}}} = run(node, input)
      Exception.message(error)
    end

    assert failed.(node(:langchain_tool, %{name: "sample:nothing"}), 1) =~ "there is no sample:nothing"
    assert failed.(node(:langchain_tool, %{name: "nowhere:tool"}), 1) =~ "No module named 'nowhere'"
    assert failed.(node(:langchain_tool, %{name: "word_count"}), 1) =~ "no name of the form module:name"
    assert failed.(node(:langchain_tool, %{name: "sample:double"}), 1) =~ "is no tool of LangChain"
    assert failed.(node(:langchain_tool, %{}), 1) =~ "needs name: in its config"

    assert failed.(node(:langchain_search, %{store: "none"}), "x") =~
             ~s(there is no vector store "none"; vector_stores: has "notes")
  end

  test "a store that is not installed is refused at load, with what to install" do
    start_supervised!({Manager, name: :refused})
    {:ok, :python_bridge} = Manager.load_plugin(PythonBridge, %{workers: 1}, instance: :refused)
    stores = %{"far" => %{kind: :pinecone, embeddings: "sample:words"}}

    assert {:error, %Pipeline.Plugin.Error{step: :init} = error} =
             Manager.load_plugin(LangChainIntegration, %{@config | vector_stores: stores}, instance: :refused)

    assert Exception.message(error) =~
             "the vector store pinecone is not installed: add langchain-pinecone to requirements.txt"

    assert {:ok, kinds} = RPC.call(:langchain_integration, :vector_stores, 60_000, instance: __MODULE__)

    assert "memory" in kinds
  end

  test "without the bridge it is refused by a message" do
    start_supervised!({Manager, name: :without})

    assert {:error, %Pipeline.Plugin.Error{step: :resolve}} =
             Manager.load_plugin(LangChainIntegration, %{}, instance: :without)
  end

  test "a store whose worker has ended is an error once, and empty then" do
    pool = LangChainIntegration.pool(__MODULE__)
    assert [_id] = output(node(:langchain_index, %{store: "notes"}), ["Kettles whistle."])
    assert {:error, %Error{type: :worker_exit}} = Pipeline.Python.call("os", "_exit", [1], pool: pool)

    assert {:error, %Runner.Error{reason: {:failed, %Error{type: :object_gone}}}} =
             run(node(:langchain_search, %{store: "notes"}), "kettles")

    assert output(node(:langchain_search, %{store: "notes"}), "kettles") == []
  end
end
