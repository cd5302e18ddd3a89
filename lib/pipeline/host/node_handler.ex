defmodule Pipeline.NodeHandler do
  @moduledoc """
  The behaviour of a module that executes nodes of some types.

      defmodule MyApp.TextNodes do
        @behaviour Pipeline.NodeHandler

        @impl Pipeline.NodeHandler
        def execute(%{type: :split}, text, _environment), do: {:ok, String.split(text)}
        def execute(%{type: :join}, words, _environment), do: {:ok, Enum.join(words, " ")}
      end

  A plugin offers it with `provides :node_handler, MyApp.TextNodes` and names its types with
  `capability :node_types, [:split, :join]`. `Pipeline.Runner` finds it by the type of a node.
  """

  @typedoc "A node of a pipeline, see `Pipeline.Runner`."
  @type pipeline_node :: %{
          required(:id) => term,
          required(:type) => atom,
          required(:needs) => [term],
          required(:config) => map
        }

  @typedoc """
  The environment of a node: the instance, the configuration of the handler's plugin, and the results of
  earlier nodes.
  """
  @type environment :: %{instance: atom, plugin_config: Pipeline.Plugin.config(), results: %{term => term}}

  @doc """
  Executes a node on its input.

  The input is the input of the pipeline if the node needs no other, the result of the one node that it needs,
  or a map of the results of several.
  """
  @callback execute(pipeline_node, input :: term, environment) ::
              {:ok, output :: term} | {:error, reason :: term}
end
