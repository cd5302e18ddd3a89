defmodule Pipeline.Plugin.Config do
  @moduledoc false
  # Validates the configuration of a plugin against its schema. The schema is code of the plugin, which may
  # hang or raise, so it runs in a sandbox and not in the manager.

  alias Pipeline.Plugin.{ConfigSchema, Error}
  alias Pipeline.Plugin.Manager.Candidate
  alias Pipeline.{Sandbox, Secrets}

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
        {:ok, config, secrets} ->
          {:cont, {:ok, [%{candidate | config: config, secrets: secrets} | done]}}

        {:error, reason} ->
          {:halt, {:error, error(candidate, reason)}}
      end
    end)
    |> case do
      {:ok, done} -> {:ok, Enum.reverse(done)}
      error -> error
    end
  end

  @doc "Returns the configuration with its defaults, and its secrets. A module without a schema takes any map."
  @spec check(module, map, timeout) :: {:ok, map, Secrets.t() | nil} | {:error, error}
  def check(module, config, timeout) do
    if schema?(module) do
      case Sandbox.run(fn -> validate(config, module.config_schema()) end, timeout: timeout) do
        {:ok, result} -> result
        {:error, reason} -> {:error, {:schema_failed, Secrets.conceal_reason(reason, Secrets.all(config))}}
      end
    else
      {:ok, config, nil}
    end
  end

  defp validate(config, schema) do
    with {:ok, config} <- ConfigSchema.validate(config, schema),
         do: {:ok, config, ConfigSchema.secrets(config, schema)}
  end

  @doc "What is secret in a configuration that is not checked: all of it, where a schema may say so."
  @spec unchecked(module, map) :: Secrets.t() | nil
  def unchecked(module, config), do: if(schema?(module), do: Secrets.all(config))

  @doc "The error of a configuration that is no map. It does not show it: what is secret in it is not known."
  @spec no_map(term) :: {:invalid_config, [ConfigSchema.Problem.t()]}
  def no_map(config) do
    got = if is_list(config), do: "a list", else: "another term"
    {:invalid_config, [ConfigSchema.Problem.new([], :type, "a configuration is a map, got #{got}")]}
  end

  defp error(candidate, reason) do
    %Error{plugin: candidate.manifest.id, module: candidate.module, step: :config, reason: reason}
  end
end
