defmodule Pipeline.Validator do
  @moduledoc """
  Behaviour of a module that checks nodes before any of them runs.

  A plugin offers one with `provides :validator, MyApp.Validators.KnownModels`. `Pipeline.Runner` asks all of them about
  each node, in load order, within the hook point `:validate_node`.
  """

  @doc "Whether a node may run."
  @callback validate(Pipeline.NodeHandler.pipeline_node(), Pipeline.Plugin.config()) ::
              :ok | {:error, reason :: term}
end
