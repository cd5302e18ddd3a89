defmodule Original.LangChainIntegration do
  use Pipeline.Plugin,
    id: :langchain_integration,
    version: "1.0.0"

  @moduledoc """
  Integrates with Python LangChain via Erlport.
  """

  # Correction: the host may have no Erlport.
  @compile {:no_warn_undefined, :python}

  depends_on :python_bridge

  capability :langchain_tools, true
  capability :vector_stores, [:chroma, :pinecone, :weaviate]

  @impl Pipeline.Plugin
  def init(config) do
    # Initialize Python interpreter
    {:ok, python} = :python.start_link(python_path: config[:python_path])
    {:ok, %{python: python, config: config}}
  end

  provides :node_handler, Pipeline.Handlers.LangChain
end
