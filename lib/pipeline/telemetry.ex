defmodule Pipeline.Telemetry do
  @moduledoc false
  # Events through `:telemetry`, where the host has it. `Pipeline.Plugin.Telemetry` documents them.

  # Elixir's type checker sees through a function that returns the module.
  @compile {:no_warn_undefined, :telemetry}

  @doc "Loads `:telemetry` if the host has it, so that nothing later asks the code server."
  @spec find() :: boolean
  def find, do: Code.ensure_loaded?(:telemetry)

  @spec there?() :: boolean
  def there?, do: :erlang.module_loaded(:telemetry)

  @doc "Emits an event `[:pipeline_plugin | name]`. The measurements and the metadata are made only where somebody can get them."
  @spec emit([atom], (() -> {measurements :: map, metadata :: map})) :: :ok
  def emit(name, made) do
    if there?() do
      {measurements, metadata} = made.()
      :telemetry.execute([:pipeline_plugin | name], measurements, metadata)
    else
      :ok
    end
  end

  @doc "Emits an event of any name."
  @spec execute([atom], map, map) :: :ok
  def execute(name, measurements, metadata), do: :telemetry.execute(name, measurements, metadata)
end
