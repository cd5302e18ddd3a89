defmodule Pipeline.Plugin.Config do
  @moduledoc false
  # Validates the configuration of a plugin against its schema. The schema is code of the plugin, which may
  # hang or raise, so it runs in a sandbox and not in the manager.

  alias Pipeline.Plugin.{ConfigSchema, Error}
  alias Pipeline.Plugin.Manager.Candidate
  alias Pipeline.Sandbox

  @type error :: ConfigSchema.error() | {:schema_failed, Sandbox.reason()}

  @doc "Returns the candidates with validated configurations, as `c:Pipeline.Plugin.init/1` gets them."
  @spec complete([Candidate.t()], timeout) :: {:ok, [Candidate.t()]} | {:error, Error.t()}
  def complete(candidates, timeout) do
    if Enum.any?(candidates, &schema?(&1.module)),
      do: complete_each(candidates, timeout),
      else: {:ok, candidates}
  end

  defp schema?(module), do: function_exported?(module, :config_schema, 0)

  defp complete_each(candidates, timeout) do
    Enum.reduce_while(candidates, {:ok, []}, fn candidate, {:ok, done} ->
      case check(candidate.module, candidate.config, timeout) do
        {:ok, config} -> {:cont, {:ok, [%{candidate | config: config} | done]}}
        {:error, reason} -> {:halt, {:error, error(candidate, reason)}}
      end
    end)
    |> case do
      {:ok, done} -> {:ok, Enum.reverse(done)}
      error -> error
    end
  end

  @doc "Returns the configuration with its defaults. A module without a schema takes any map."
  @spec check(module, map, timeout) :: {:ok, map} | {:error, error}
  def check(module, config, timeout) do
    if schema?(module) do
      case Sandbox.run(fn -> ConfigSchema.validate(config, module.config_schema()) end, timeout: timeout) do
        {:ok, result} -> result
        {:error, reason} -> {:error, {:schema_failed, reason}}
      end
    else
      {:ok, config}
    end
  end

  defp error(candidate, reason) do
    %Error{plugin: candidate.manifest.id, module: candidate.module, step: :config, reason: reason}
  end
end
