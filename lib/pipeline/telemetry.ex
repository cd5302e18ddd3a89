defmodule Pipeline.Telemetry do
  @moduledoc false
  # Events through `:telemetry`, where the host has it. `Pipeline.Plugin.Telemetry` documents them.

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
      execute([:pipeline_plugin | name], measurements, metadata)
    else
      :ok
    end
  end

  @doc "Emits an event of any name."
  @spec execute([atom], map, map) :: :ok
  # The module is the host's, and need not be there: nothing may know it when this is compiled.
  def execute(name, measurements, metadata), do: apply(:telemetry, :execute, [name, measurements, metadata])
end
