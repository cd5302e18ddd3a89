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
      iex> Pipeline.Plugin.Registry.get!(registry, :greeter).capabilities
      [greet: [:en]]

  Every instance has one, see `of/1`.

  ## Ids

  An id is an atom or a string, and ids are compared as terms: `:a` and `"a"` are different plugins, as they are
  different keys of a map. Nothing turns one into the other, so that strings from outside never become atoms. The same
  holds for the values of capabilities.

  ## Several reads

  A read sees every change whole or not at all. Two reads, one after the other, may have a change between them; where
  they have to agree, take a `snapshot/1` and read that:

      iex> registry = Pipeline.Plugin.Registry.new()
      iex> {:ok, _} = Pipeline.Plugin.Registry.register(registry, %{id: :a})
      iex> before = Pipeline.Plugin.Registry.snapshot(registry)
      iex> {:ok, _} = Pipeline.Plugin.Registry.register(registry, %{id: :b})
      iex> {:ok, _} = Pipeline.Plugin.Registry.unregister(registry, :a)
      iex> for %{id: id} <- Pipeline.Plugin.Registry.list(before), do: id
      [:a]
      iex> Pipeline.Plugin.Registry.changed_since(registry, before.generation)
      {:ok, %{generation: 3, changed: [:b], removed: [:a]}}
  """

  alias Pipeline.Native
  alias Pipeline.Plugin.Manifest
  alias Pipeline.Plugin.Registry.{ReadOnly, Snapshot}

  @behaviour Pipeline.Instance.Published

  defguardp is_readable(source)
            when is_struct(source, __MODULE__) or is_struct(source, ReadOnly) or is_struct(source, Snapshot)

  @bookkeeping [:restarts, :leaves_for, :order, :upgrade]

  @enforce_keys [:handle]
  defstruct [:handle]

  @opaque t :: %__MODULE__{handle: reference}

  @typedoc "What can be read: a registry as it is now, or as it was."
  @type source :: t | ReadOnly.t() | Snapshot.t()

  @typedoc """
  What changed up to `generation`, each id once: those registered or replaced and still there, and those gone, each in
  the order of their last change.
  """
  @type changes :: %{
          generation: non_neg_integer,
          changed: [Pipeline.Plugin.plugin_id()],
          removed: [Pipeline.Plugin.plugin_id()]
        }

  @typedoc """
  What is registered: a map with an `:id`, of which `:capabilities` and a provider's `:module` are indexed.

  Usually a manifest and what the manager adds to it.
  """
  @type info :: %{required(:id) => Pipeline.Plugin.plugin_id(), optional(atom) => term}

  @doc "An empty registry."
  @spec new() :: t
  def new, do: %__MODULE__{handle: Native.Registry.new()}

  @doc """
  The registry of an instance, to read from.

  The manager of the instance alone writes to it. Raises `ArgumentError` if the instance is not running.
  """
  @spec of(instance :: term) :: ReadOnly.t()
  def of(instance \\ Pipeline.Instance.default()), do: %ReadOnly{handle: owned(instance).handle}

  @doc false
  # The same to write to, for the manager and its like.
  @spec owned(instance :: term) :: t
  def owned(instance) do
    case :persistent_term.get({__MODULE__, instance}, nil) do
      nil -> raise ArgumentError, "there is no plugin instance #{inspect(instance)}"
      registry -> registry
    end
  end

  @doc false
  @impl Pipeline.Instance.Published
  def open(instance, nil), do: :persistent_term.put({__MODULE__, instance}, new())

  @doc false
  @impl Pipeline.Instance.Published
  def close(instance) do
    :persistent_term.erase({__MODULE__, instance})
    :ok
  end

  @doc "Registers a plugin. An id can be registered once."
  @spec register(t, info) :: {:ok, t} | {:error, {:duplicate_id, Pipeline.Plugin.plugin_id()}}
  def register(%__MODULE__{handle: handle} = registry, %{id: id} = info) do
    info = Map.put_new(info, :capabilities, [])

    case Native.Registry.register(handle, id, capabilities(info), providers(info), info) do
      :ok -> {:ok, registry}
      :duplicate -> {:error, {:duplicate_id, id}}
    end
  end

  @doc "The same for several, in their order, all in one step or none."
  @spec register_all(t, [info]) :: {:ok, t} | {:error, {:duplicate_id, Pipeline.Plugin.plugin_id()}}
  def register_all(%__MODULE__{} = registry, []), do: {:ok, registry}
  def register_all(%__MODULE__{} = registry, [info]), do: register(registry, info)

  def register_all(%__MODULE__{handle: handle} = registry, infos) do
    case Native.Registry.register_all(handle, Enum.map(infos, &entry/1)) do
      :ok -> {:ok, registry}
      {:duplicate, id} -> {:error, {:duplicate_id, id}}
    end
  end

  @doc "Replaces what is registered under the id. The plugin keeps its place in the order."
  @spec replace(t, info) :: {:ok, t} | {:error, {:not_registered, Pipeline.Plugin.plugin_id()}}
  def replace(%__MODULE__{handle: handle} = registry, %{id: id} = info) do
    info = Map.put_new(info, :capabilities, [])

    # Not as one of many, which goes to another scheduler: that takes ten times as long.
    case Native.Registry.replace(handle, id, capabilities(info), providers(info), info) do
      :ok -> {:ok, registry}
      :unknown -> {:error, {:not_registered, id}}
    end
  end

  @doc "The same for several, which change in one step, or none if one of them is not registered."
  @spec replace_all(t, [info]) :: {:ok, t} | {:error, :not_registered}
  def replace_all(%__MODULE__{} = registry, []), do: {:ok, registry}

  def replace_all(%__MODULE__{} = registry, [info]) do
    with {:error, {:not_registered, _id}} <- replace(registry, info), do: {:error, :not_registered}
  end

  def replace_all(%__MODULE__{handle: handle} = registry, infos) do
    case Native.Registry.replace_all(handle, Enum.map(infos, &entry/1)) do
      :ok -> {:ok, registry}
      :unknown -> {:error, :not_registered}
    end
  end

  @doc "Takes a plugin out."
  @spec unregister(t, Pipeline.Plugin.plugin_id()) ::
          {:ok, t} | {:error, {:not_registered, Pipeline.Plugin.plugin_id()}}
  def unregister(%__MODULE__{handle: handle} = registry, id) do
    case Native.Registry.unregister(handle, id) do
      :ok -> {:ok, registry}
      :unknown -> {:error, {:not_registered, id}}
    end
  end

  @doc "The plugin that is registered under an id of the default instance."
  @spec get(Pipeline.Plugin.plugin_id()) :: {:ok, info} | :error
  def get(id), do: get(of(), id)

  @doc "The plugin that is registered under an id."
  @spec get(source, Pipeline.Plugin.plugin_id()) :: {:ok, info} | :error
  def get(%{handle: handle} = source, id) when is_readable(source) do
    with {:ok, info} <- Native.Registry.get(handle, id), do: {:ok, public(info, source)}
  end

  @doc "As `get/2`, but returns the plugin. Raises `KeyError` if none is registered under the id."
  @spec get!(source, Pipeline.Plugin.plugin_id()) :: info
  def get!(source, id) do
    case get(source, id) do
      {:ok, info} -> info
      :error -> raise KeyError, key: id, term: source, message: "no plugin #{inspect(id)} is registered"
    end
  end

  @doc false
  # For the manager and its like: `nil` if there is none.
  @spec info(t, Pipeline.Plugin.plugin_id()) :: info | nil
  def info(%__MODULE__{handle: handle}, id) do
    case Native.Registry.get(handle, id) do
      {:ok, info} -> info
      :error -> nil
    end
  end

  @doc "The ids of the plugins that have a capability, in the order in which they were registered."
  @spec find_by_capability(source, atom) :: [Pipeline.Plugin.plugin_id()]
  def find_by_capability(%{handle: handle} = source, capability) when is_readable(source) do
    Native.Registry.find_by_capability(handle, capability)
  end

  @doc """
  The ids of the plugins whose capability has this value, or a list of which it is an element.
  """
  @spec find_by_capability(source, atom, value :: term) :: [Pipeline.Plugin.plugin_id()]
  def find_by_capability(%{handle: handle} = source, capability, value) when is_readable(source) do
    Native.Registry.find_by_capability(handle, capability, value)
  end

  @doc """
  The plugin that provides a type, and the module that it names for it.

  Of several: the one that is the default, then the one with the highest priority, then the one registered first.
  """
  @spec get_provider(source, atom) :: {:ok, {Pipeline.Plugin.plugin_id(), module}} | :error
  def get_provider(%{handle: handle} = source, type) when is_readable(source) do
    with {:ok, id, module} <- Native.Registry.provider(handle, type), do: {:ok, {id, module}}
  end

  @doc "All that is registered, in the order in which it was."
  @spec list(source) :: [info]
  def list(%{handle: handle} = source) when is_readable(source) do
    for info <- Native.Registry.list(handle), do: public(info, source)
  end

  @doc "The registry as it is now, to read from as often as needed."
  @spec snapshot(t | ReadOnly.t()) :: Snapshot.t()
  def snapshot(%{handle: handle} = source) when is_readable(source) do
    kept = Native.Registry.snapshot(handle)
    %Snapshot{handle: kept, generation: Native.Registry.generation(kept), of: source.__struct__}
  end

  @doc "The number of changes so far."
  @spec generation(source) :: non_neg_integer
  def generation(%{handle: handle} = source) when is_readable(source), do: Native.Registry.generation(handle)

  @doc """
  What changed after a generation, which `generation/1`, a snapshot or an earlier call told.

  The last 4096 changes are remembered: for a generation before those the answer is `{:error, :too_old}`. One that has
  not been yet is that of another registry: `{:error, :ahead}`. In both cases take a `snapshot/1` and begin with its
  list.
  """
  @spec changed_since(source, non_neg_integer) :: {:ok, changes} | {:error, :too_old | :ahead}
  def changed_since(%{handle: handle} = source, generation)
      when is_readable(source) and is_integer(generation) and generation >= 0 do
    case Native.Registry.changed_since(handle, generation) do
      {:ok, generation, changed, removed} ->
        {:ok, %{generation: generation, changed: changed, removed: removed}}

      {:error, reason} ->
        {:error, reason}
    end
  end

  # The manager's bookkeeping is not for the readers of an instance.
  defp public(info, %__MODULE__{}), do: info
  defp public(info, %Snapshot{of: __MODULE__}), do: info
  defp public(info, _source), do: Map.drop(info, @bookkeeping)

  defp entry(%{id: id} = info) do
    info = Map.put_new(info, :capabilities, [])
    {id, capabilities(info), providers(info), info}
  end

  # A plugin that does not run is listed, and not found by what it would provide.
  defp capabilities(%{state: state}) when state in [:held, :stopped, :failed], do: []

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

  defp providers(%{state: state}) when state in [:held, :stopped, :failed], do: []

  defp providers(info) do
    for {type, module, opts} <- Manifest.providers(info) do
      {type, module, opts[:priority] || Native.HookOrder.default_priority(), opts[:default] == true}
    end
  end
end
