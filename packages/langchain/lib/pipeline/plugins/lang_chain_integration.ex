defmodule Pipeline.Plugins.LangChainIntegration do
  alias Pipeline.Plugin.ConfigSchema
  alias Pipeline.Python
  alias Pipeline.Python.{Error, Object}

  @schema [
    python_path: [
      type: {:or, [nil, :string]},
      default: nil,
      doc: "The interpreter with LangChain, as for `Pipeline.Plugins.PythonBridge`."
    ],
    workers: [type: :pos_integer, default: 1, doc: "How many Pythons run, each for one node at a time."],
    paths: [type: {:list, :string}, default: [], doc: "Folders with Python modules of your own."],
    modules: [
      type: {:list, :string},
      default: [],
      doc: "Python modules with tools, runnables and retrievers, which are imported when a worker starts."
    ],
    env: [
      type: {:map, :string, :string},
      default: %{},
      secret: true,
      doc: "Environment variables, such as the keys of services."
    ],
    vector_stores: [
      type:
        {:map, :string,
         {:map,
          [
            kind: [type: {:in, [:memory, :faiss, :chroma, :pinecone, :weaviate]}, required: true],
            embeddings: [type: :string, required: true],
            options: [type: :map, default: %{}]
          ]}},
      default: %{},
      doc:
        "Vector stores by name: the `kind`, its `embeddings` as `module:name`, and `options` for its class in LangChain."
    ],
    timeout: [type: :timeout, default: 60_000, doc: "Milliseconds for a node."]
  ]

  @moduledoc """
  Runs LangChain in Python workers of its own.

      {:ok, _} = Pipeline.Plugin.Manager.load_plugin(Pipeline.Plugins.PythonBridge)

      {:ok, _} =
        Pipeline.Plugin.Manager.load_plugin(Pipeline.Plugins.LangChainIntegration, %{
          paths: ["priv/python"],
          modules: ["my_tools"],
          vector_stores: %{"notes" => %{kind: :memory, embeddings: "my_embeddings:local"}}
        })

  `Pipeline.Handlers.LangChain` documents the nodes that it runs.

  ## Configuration

  #{ConfigSchema.docs(@schema)}

  A vector store that is not installed, or that cannot be opened, fails the load with the reason. A store in memory, such as
  `:memory` and `:faiss`, lives in one worker, and is empty again when that has ended.

  ## Calls

  `Pipeline.Plugin.RPC.call(:langchain_integration, request)` takes

    * `:tools` - the tools of `modules`, each a map with its name, description and JSON Schema
    * `:vector_stores` - the kinds of vector stores that are installed
  """

  use Pipeline.Plugin,
    id: :langchain_integration,
    version: "1.0.0",
    description: "Integrates with Python LangChain."

  depends_on :python_bridge

  capability :langchain_tools, true
  capability :vector_stores, [:memory, :faiss, :chroma, :pinecone, :weaviate]

  capability :node_types, [
    :langchain_tool,
    :langchain_runnable,
    :langchain_retriever,
    :langchain_split,
    :langchain_index,
    :langchain_search
  ]

  provides :node_handler, Pipeline.Handlers.LangChain

  @impl Pipeline.Plugin
  def config_schema, do: @schema

  @impl Pipeline.Plugin
  def children(config) do
    settings =
      config
      |> Map.take([:python_path, :workers, :env])
      |> Map.merge(%{
        paths: [Application.app_dir(:langchain_integration, "priv/python") | config.paths],
        preload: ["langchain_bridge" | config.modules]
      })

    [{Python, [name: pool(Pipeline.Plugin.current_instance())] ++ Map.to_list(settings)}]
  end

  @doc "The name of the pool of an instance."
  @spec pool(term) :: term
  def pool(instance), do: {__MODULE__, instance}

  @impl Pipeline.Plugin
  def init(config) do
    state = %{config: config, pool: pool(Pipeline.Plugin.current_instance()), stores: %{}}

    Enum.reduce_while(Map.keys(config.vector_stores), {:ok, state}, fn name, {:ok, state} ->
      case open(name, state) do
        {:ok, _store, state} -> {:cont, {:ok, state}}
        {:error, error} -> {:halt, {:error, error}}
      end
    end)
  end

  @impl Pipeline.Plugin
  def handle_rpc({:store, name}, state) do
    case state.stores do
      %{^name => store} ->
        {:reply, store, state}

      _ ->
        case open(name, state) do
          {:ok, store, state} -> {:reply, store, state}
          {:error, error} -> {:error, error, state}
        end
    end
  end

  # Its worker has ended. The next one to ask gets a new one.
  def handle_rpc({:store_gone, name, %Object{} = gone}, state) do
    stores = if state.stores[name] == gone, do: Map.delete(state.stores, name), else: state.stores
    {:reply, :ok, %{state | stores: stores}}
  end

  def handle_rpc(:tools, state), do: answer(tools(state), state)
  def handle_rpc(:vector_stores, state), do: answer(python(state, "installed", []), state)
  def handle_rpc(request, state), do: {:error, {:unknown_request, request}, state}

  defp answer({:ok, value}, state), do: {:reply, value, state}
  defp answer({:error, error}, state), do: {:error, error, state}

  defp tools(state) do
    Enum.reduce_while(state.config.modules, {:ok, []}, fn module, {:ok, tools} ->
      case python(state, "tools", [module]) do
        {:ok, more} -> {:cont, {:ok, tools ++ more}}
        error -> {:halt, error}
      end
    end)
  end

  defp open(name, state) do
    case state.config.vector_stores do
      %{^name => %{kind: kind, embeddings: embeddings, options: options}} ->
        opened = python(state, "open_store", [to_string(kind), embeddings, options], keep: true)
        with {:ok, store} <- opened, do: {:ok, store, put_in(state.stores[name], store)}

      stores ->
        known = stores |> Map.keys() |> Enum.map_join(", ", &inspect/1)
        message = "there is no vector store #{inspect(name)}; vector_stores: has #{known}"
        {:error, %Error{type: :argument, message: message}}
    end
  end

  defp python(state, function, args, opts \\ []) do
    Python.call("langchain_bridge", function, args, [pool: state.pool, timeout: state.config.timeout] ++ opts)
  end
end
