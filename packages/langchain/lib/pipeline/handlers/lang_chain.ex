defmodule Pipeline.Handlers.LangChain do
  @moduledoc """
  Executes nodes with LangChain. `Pipeline.Plugins.LangChainIntegration` provides it.

      nodes = [
        %{id: :chunks, type: :langchain_split, config: %{chunk_size: 500, chunk_overlap: 50}},
        %{id: :index, type: :langchain_index, needs: [:chunks], config: %{store: "notes"}}
      ]

      {:ok, run} = Pipeline.Runner.run(nodes, File.read!("notes.txt"))

  ## Nodes

    * `:langchain_tool`, `:langchain_runnable`, `:langchain_retriever` - invoke what `name: "module:name"` names, with the
      input of the node. With `stream: pid` a tool or runnable sends `{:langchain, node_id, chunk}` to that process for each
      chunk, and the output is the list of them
    * `:langchain_split` - splits a text with LangChain's `RecursiveCharacterTextSplitter`, which takes the `config`
    * `:langchain_index` - adds a list of texts, or of maps with `"page_content"` and `"metadata"`, to the vector store that
      `store:` names. The output is their ids
    * `:langchain_search` - searches a vector store for a text. The output are at most `count:` documents, 4 by default

  Documents and messages of LangChain are maps with strings as keys. Each node takes `timeout:` in milliseconds, by default
  that of the plugin.

  Errors are `Pipeline.Python.Error`.
  """

  @behaviour Pipeline.NodeHandler

  alias Pipeline.Plugin.RPC
  alias Pipeline.Plugins.LangChainIntegration
  alias Pipeline.Python
  alias Pipeline.Python.Error

  @kinds %{langchain_tool: "tool", langchain_runnable: "runnable", langchain_retriever: "retriever"}

  @impl Pipeline.NodeHandler
  def execute(%{type: type, config: %{name: name}} = node, input, environment)
      when is_map_key(@kinds, type) do
    args = [@kinds[type], name, input]

    case node.config do
      %{stream: consumer} when is_pid(consumer) -> stream(node, args, consumer, environment)
      _ -> python("invoke", args, node, environment)
    end
  end

  def execute(%{type: :langchain_split} = node, text, environment),
    do: python("split", [text, Map.delete(node.config, :timeout)], node, environment)

  def execute(%{type: :langchain_index, config: %{store: name}} = node, texts, environment),
    do: with_store(name, node, environment, &python("add", [&1, texts], node, environment))

  def execute(%{type: :langchain_search, config: %{store: name}} = node, query, environment) do
    count = node.config[:count] || 4
    with_store(name, node, environment, &python("search", [&1, query, count], node, environment))
  end

  def execute(%{type: type}, _input, _environment) do
    missing = if is_map_key(@kinds, type), do: "name:", else: "store:"

    {:error,
     %Error{type: :argument, message: "a node of the type #{inspect(type)} needs #{missing} in its config"}}
  end

  @doc """
  Streams a tool or runnable, as an `Enumerable` of its chunks.

  Options: `:instance`, and those of `Pipeline.Python.stream/4`.
  """
  @spec stream(String.t(), term, keyword) :: Enumerable.t()
  def stream(name, input, opts \\ []) do
    {instance, opts} = Keyword.pop_lazy(opts, :instance, &Pipeline.Plugin.current_instance/0)
    opts = [pool: LangChainIntegration.pool(instance)] ++ opts
    Python.stream("langchain_bridge", "stream", ["runnable", name, input], opts)
  end

  defp stream(node, args, consumer, environment) do
    chunks =
      "langchain_bridge"
      |> Python.stream("stream", args, options(node, environment))
      |> Enum.map(fn chunk ->
        send(consumer, {:langchain, node.id, chunk})
        chunk
      end)

    {:ok, chunks}
  rescue
    error in Error -> {:error, error}
  end

  defp with_store(name, node, environment, fun) do
    rpc = &RPC.call(:langchain_integration, &1, timeout(node, environment), instance: environment.instance)

    with {:ok, store} <- rpc.({:store, name}) do
      outcome = fun.(store)
      with {:error, %Error{type: :object_gone}} <- outcome, do: rpc.({:store_gone, name, store})
      outcome
    end
  end

  defp python(function, args, node, environment),
    do: Python.call("langchain_bridge", function, args, options(node, environment))

  defp options(node, environment) do
    [pool: LangChainIntegration.pool(environment.instance), timeout: timeout(node, environment)]
  end

  defp timeout(node, environment), do: node.config[:timeout] || environment.plugin_config[:timeout] || 60_000
end
