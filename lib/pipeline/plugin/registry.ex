defmodule Pipeline.Plugin.Registry do
  @moduledoc """
  Registry for plugin discovery and capability look-up.

  It lives in the Rust core. Looking something up takes no lock and goes through no process, however many plugins
  there are; the handle is shared: who registers through one copy of it is seen through all.

      iex> registry = Pipeline.Plugin.Registry.new()
      iex> {:ok, registry} = Pipeline.Plugin.Registry.register(registry, %{id: :greeter, capabilities: [greet: [:en]]})
      iex> Pipeline.Plugin.Registry.find_by_capability(registry, :greet)
      [:greeter]
      iex> Pipeline.Plugin.Registry.find_by_capability(registry, :greet, :en)
      [:greeter]
      iex> Pipeline.Plugin.Registry.get(registry, :greeter).capabilities
      [greet: [:en]]

  Every instance has one, see `of/1`. Ids are compared as terms: `:a` and `"a"` are different plugins.
  """

  alias Pipeline.Core
  alias Pipeline.Plugin.Manifest

  @enforce_keys [:handle]
  defstruct [:handle]

  @opaque t :: %__MODULE__{handle: reference}

  @typedoc """
  What is registered: a map with an `:id`, of which `:capabilities` and a provider's `:module` are indexed.

  Usually a manifest and what the manager adds to it.
  """
  @type info :: %{required(:id) => Pipeline.Plugin.plugin_id(), optional(atom) => term}

  @doc "An empty registry."
  @spec new() :: t
  def new, do: %__MODULE__{handle: Core.registry_new()}

  @doc """
  The registry of an instance.

  Raises `ArgumentError` if the instance is not running.
  """
  @spec of(atom) :: t
  def of(instance \\ Pipeline.Plugin) do
    case :persistent_term.get({__MODULE__, instance}, nil) do
      nil -> raise ArgumentError, "there is no plugin instance #{inspect(instance)}"
      registry -> registry
    end
  end

  @doc "Registers a plugin. An id can be registered once."
  @spec register(t, info) :: {:ok, t} | {:error, {:duplicate_id, Pipeline.Plugin.plugin_id()}}
  def register(%__MODULE__{handle: handle} = registry, %{id: id} = info) do
    info = Map.put_new(info, :capabilities, [])

    case Core.registry_register(handle, id, capabilities(info), providers(info), info) do
      :ok -> {:ok, registry}
      :duplicate -> {:error, {:duplicate_id, id}}
    end
  end

  @doc "Replaces what is registered under the id. The plugin keeps its place in the order."
  @spec replace(t, info) :: {:ok, t} | {:error, {:not_registered, Pipeline.Plugin.plugin_id()}}
  def replace(%__MODULE__{handle: handle} = registry, %{id: id} = info) do
    info = Map.put_new(info, :capabilities, [])

    case Core.registry_replace(handle, id, capabilities(info), providers(info), info) do
      :ok -> {:ok, registry}
      :unknown -> {:error, {:not_registered, id}}
    end
  end

  @doc "Takes a plugin out."
  @spec unregister(t, Pipeline.Plugin.plugin_id()) ::
          {:ok, t} | {:error, {:not_registered, Pipeline.Plugin.plugin_id()}}
  def unregister(%__MODULE__{handle: handle} = registry, id) do
    case Core.registry_unregister(handle, id) do
      :ok -> {:ok, registry}
      :unknown -> {:error, {:not_registered, id}}
    end
  end

  @doc "What is registered under an id of the default instance, `nil` if nothing is."
  @spec get(Pipeline.Plugin.plugin_id()) :: info | nil
  def get(id), do: get(of(), id)

  @doc "What is registered under an id, `nil` if nothing is."
  @spec get(t, Pipeline.Plugin.plugin_id()) :: info | nil
  def get(%__MODULE__{handle: handle}, id) do
    case Core.registry_get(handle, id) do
      {:ok, info} -> info
      :error -> nil
    end
  end

  @doc "The ids of the plugins that have a capability, in the order in which they were registered."
  @spec find_by_capability(t, atom) :: [Pipeline.Plugin.plugin_id()]
  def find_by_capability(%__MODULE__{handle: handle}, capability) do
    Core.registry_find_by_capability(handle, capability)
  end

  @doc """
  The ids of the plugins whose capability has this value, or a list of which it is an element.
  """
  @spec find_by_capability(t, atom, value :: term) :: [Pipeline.Plugin.plugin_id()]
  def find_by_capability(%__MODULE__{handle: handle}, capability, value) do
    Core.registry_find_by_capability(handle, capability, value)
  end

  @doc """
  The id of the plugin that provides a type, `nil` if none does.

  Of several: one that is the default, then the one with the highest priority, then the one registered first.
  """
  @spec get_provider(t, atom) :: Pipeline.Plugin.plugin_id() | nil
  def get_provider(%__MODULE__{handle: handle}, type) do
    case Core.registry_provider(handle, type) do
      {:ok, id} -> id
      :error -> nil
    end
  end

  @doc "All that is registered, in the order in which it was."
  @spec list(t) :: [info]
  def list(%__MODULE__{handle: handle}), do: Core.registry_list(handle)

  # A list is found by each of its elements and as a whole.
  defp capabilities(%{capabilities: capabilities}) do
    for capability <- capabilities do
      case capability do
        {name, values} when is_list(values) ->
          {name, if(List.improper?(values), do: [values], else: [values | values])}

        {name, value} ->
          {name, [value]}

        name ->
          {name, []}
      end
    end
  end

  defp providers(info) do
    for {type, _module, opts} <- Manifest.providers(info) do
      {type, opts[:priority] || 50, opts[:default] == true}
    end
  end
end
