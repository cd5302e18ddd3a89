defmodule Pipeline.Plugin.Child do
  @moduledoc false
  # With what the process of a plugin is started.

  alias Pipeline.Plugin.Resources.Limits
  alias Pipeline.Plugin.Restarts

  # What crash reports show of it says nothing of what may be secret.
  @derive {Inspect, only: [:module, :id]}
  @enforce_keys [:instance, :module, :id, :config, :limits, :restarts, :starter]
  defstruct [:instance, :module, :id, :config, :limits, :restarts, :starter, then: :wait, registered?: true]

  @type t :: %__MODULE__{
          instance: atom,
          module: module,
          id: Pipeline.Plugin.plugin_id(),
          config: Pipeline.Plugin.config(),
          limits: Limits.t(),
          restarts: Restarts.t(),
          # Whom the process tells what has become of init/1, `nil` from its second start on.
          starter: pid | nil,
          # What comes after init/1: waiting to be told to run start/1, or running it.
          then: :wait | :start,
          # Whether the registry says as what it is started again.
          registered?: boolean
        }

  @doc "Whether it has an init/1 that does anything."
  @spec initialises?(t) :: boolean
  def initialises?(%__MODULE__{module: module}), do: initialises?(module)

  @spec initialises?(module) :: boolean
  def initialises?(module) when is_atom(module) do
    if function_exported?(module, :__initialises__, 0),
      do: module.__initialises__(),
      else: function_exported?(module, :init, 1)
  end
end
