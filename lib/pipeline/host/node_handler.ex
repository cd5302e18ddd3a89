defmodule Pipeline.NodeHandler do
  @moduledoc """
  Behaviour of a module that executes nodes of some types.

  A plugin offers one with `provides :node_handler, MyApp.TextNodes` and names its types with
  `capability :node_types, [:split, :join]`; `Pipeline.Runner` finds it by the type of a node.
  """

  @typedoc "A node of a pipeline, see `Pipeline.Runner`."
  @type pipeline_node :: %{
          required(:id) => term,
          required(:type) => atom,
          required(:needs) => [term],
          required(:config) => map
        }

  @typedoc """
  Where the node runs: the instance, the configuration of the handler's plugin, and the results of earlier nodes.
  """
  @type environment :: %{instance: atom, plugin_config: Pipeline.Plugin.config(), results: %{term => term}}

  @doc """
  Executes a node on its input: the input of the pipeline if it needs no other node, the result of the one that it
  needs, or a map of the results of those that it needs.
  """
  @callback execute(pipeline_node, input :: term, environment) ::
              {:ok, output :: term} | {:error, reason :: term}
end
