defmodule Pipeline.Validator do
  @moduledoc """
  The behaviour of a module that checks the nodes of a pipeline before the first one runs.

      defmodule MyApp.Validators.KnownModels do
        @behaviour Pipeline.Validator

        @impl Pipeline.Validator
        def validate(%{config: %{model: model}}, %{models: known}) do
          if model in known, do: :ok, else: {:error, {:unknown_model, model}}
        end

        def validate(_node, _plugin_config), do: :ok
      end

  A plugin offers it with `provides :validator, MyApp.Validators.KnownModels`. `Pipeline.Runner` calls all
  validators for each node, in load order, at the hook point `:validate_node`.
  """

  @doc "Checks whether a node may run. An error refuses the whole pipeline."
  @callback validate(Pipeline.NodeHandler.pipeline_node(), Pipeline.Plugin.config()) ::
              :ok | {:error, reason :: term}
end
