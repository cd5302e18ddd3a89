defmodule Pipeline.Plugin.Manager.Candidate do
  @moduledoc false
  # A plugin on its way in: the module and its manifest, checked, what it is to be started with, and how far it has come.

  alias Pipeline.Plugin.{Config, Lifecycle, Error, Manifest, Overrides, Restart}
  alias Pipeline.Plugin.Resources.Limits

  @enforce_keys [:module, :manifest, :config, :info]
  defstruct [:module, :manifest, :config, :info, :secrets, limits: %{}, restart: %{}, known?: false, wave: 0]

  @type t :: %__MODULE__{
          module: module,
          manifest: Manifest.t(),
          config: map,
          info: Lifecycle.info(),
          secrets: Pipeline.Secrets.t() | nil,
          limits: Limits.t(),
          restart: Restart.given(),
          known?: boolean,
          # Those of a wave need none of each other.
          wave: non_neg_integer
        }

  @typedoc "What the loader says, which wins over what the plugin declares."
  @type given :: %{
          optional(:limits) => Limits.t(),
          optional(:restart) => Restart.given(),
          # An operator's options of its hooks, by point.
          optional(:hooks) => map | keyword | nil,
          # The id to load it with.
          optional(:as) => Pipeline.Plugin.plugin_id() | nil
        }

  @doc "Checks plugins that are to be loaded. In the caller, since it loads code and asks the plugin for its manifest."
  @spec prepare([{module, term} | {module, term, given}]) :: {:ok, [t]} | {:error, Error.t()}
  def prepare(plugins) do
    at = Lifecycle.now()

    Enum.reduce_while(plugins, {:ok, []}, fn plugin, {:ok, candidates} ->
      case prepare_one(plugin, at) do
        {:ok, candidate} -> {:cont, {:ok, [candidate | candidates]}}
        error -> {:halt, error}
      end
    end)
    |> case do
      {:error, error} -> {:error, error}
      {:ok, candidates} -> {:ok, Enum.reverse(candidates)}
    end
  end

  @doc "Checks that no two have one id, and none that of a plugin that is known."
  @spec check_new([t], map) :: :ok | {:error, Error.t()}
  def check_new(candidates, known) do
    candidates
    |> Enum.reduce_while(MapSet.new(), fn candidate, ids ->
      case check_id(candidate, ids, known) do
        :ok -> {:cont, MapSet.put(ids, candidate.manifest.id)}
        error -> {:halt, error}
      end
    end)
    |> case do
      {:error, error} -> {:error, error}
      _ids -> :ok
    end
  end

  @doc "A plugin that is known and does not run, on its way in again."
  @spec again(Lifecycle.info()) :: {:ok, t} | {:error, Error.t()}
  def again(%{id: id, module: module, config: config} = info) do
    with {:ok, candidate} <-
           prepare_one({module, config, given(info)}, Lifecycle.now()) do
      case candidate.manifest do
        %{id: ^id} = manifest -> {:ok, %{candidate | info: Map.merge(info, manifest), known?: true}}
        %{id: other} -> error(module, id, {:invalid_manifest, "it calls itself #{inspect(other)} now"})
      end
    end
  end

  defp given(%{alias_of: _, id: id} = info), do: info |> Map.take([:limits, :restart]) |> Map.put(:as, id)
  defp given(info), do: Map.take(info, [:limits, :restart])

  defp prepare_one({module, config}, at), do: prepare_one({module, config, %{}}, at)

  defp prepare_one({module, config, given}, at) do
    with :ok <- check_module(module),
         {:ok, own} <- manifest(module),
         manifest = rename(own, given[:as]),
         :ok <- check_manifest(module, manifest),
         :ok <- check_config(module, manifest, config),
         {:ok, overrides} <- overrides(module, manifest, given[:hooks]) do
      limits = Map.merge(Limits.declared(module), Map.get(given, :limits, %{}))
      restart = Restart.merge(Restart.declared(module), Map.get(given, :restart, %{}))
      secrets = Config.unchecked(module, config)
      gets = %{module: module, config: config, secrets: secrets}
      info = manifest |> Lifecycle.discovered(:load, at) |> Map.merge(gets)
      info = if given[:as], do: Map.put(info, :alias_of, own.id), else: info
      info = if overrides == %{}, do: info, else: Map.put(info, :overrides, overrides)

      {:ok,
       %__MODULE__{
         module: module,
         manifest: manifest,
         config: config,
         info: info,
         secrets: secrets,
         limits: limits,
         restart: restart
       }}
    end
  end

  @doc "With the restarts that it has in an instance with this default."
  @spec put_restart(t, Restart.t()) :: t
  def put_restart(%__MODULE__{info: info} = candidate, default) do
    %{candidate | info: Map.put(info, :restart, Restart.merge(default, candidate.restart))}
  end

  @doc "The same a state further."
  @spec enter(t, Lifecycle.state(), term, DateTime.t()) :: t
  def enter(%__MODULE__{info: info} = candidate, to, reason, at) do
    %{candidate | info: Lifecycle.enter!(info, to, reason, at)}
  end

  defp check_module(module) do
    cond do
      not match?({:module, _}, Code.ensure_loaded(module)) -> error(module, nil, :module_not_found)
      not function_exported?(module, :__plugin__, 0) -> error(module, nil, :not_a_plugin)
      true -> :ok
    end
  end

  defp manifest(module) do
    {:ok, module.__plugin__()}
  rescue
    error ->
      error(module, nil, {:invalid_manifest, "its __plugin__/0 raised: #{Pipeline.Foreign.message(error)}"})
  end

  defp rename(%{id: _} = manifest, as) when as != nil, do: %{manifest | id: as}
  defp rename(manifest, _as), do: manifest

  defp check_manifest(module, manifest) do
    with {:error, sentence} <- Manifest.check(manifest), do: error(module, nil, {:invalid_manifest, sentence})
  end

  defp overrides(module, manifest, given) do
    with {:error, sentence} <- Overrides.check(module, given),
         do: error(module, manifest.id, {:invalid_hook, sentence})
  end

  defp check_config(_module, _manifest, config) when is_map(config), do: :ok

  defp check_config(module, manifest, config), do: error(module, manifest.id, Config.no_map(config))

  defp check_id(%{module: module, manifest: %{id: id}}, ids, loaded) do
    cond do
      is_map_key(loaded, id) -> error(module, id, {:already_loaded, id})
      id in ids -> error(module, id, {:duplicate_id, id})
      true -> :ok
    end
  end

  defp error(module, id, reason) do
    {:error, %Error{plugin: id, module: module, step: :validate, reason: reason}}
  end
end
