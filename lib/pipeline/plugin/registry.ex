defmodule Pipeline.Plugin.Registry do
  @moduledoc """
  Registry of plugins, with look-up by id, capability and provider.

  The registry is kept by the Rust core. A look-up takes no lock and calls no process. All copies of a handle
  share one registry: a plugin registered through one copy is visible through all.

      iex> registry = Pipeline.Plugin.Registry.new()
      iex> {:ok, registry} = Pipeline.Plugin.Registry.register(registry, %{id: :greeter, capabilities: [greet: [:en]]})
      iex> Pipeline.Plugin.Registry.find_by_capability(registry, :greet)
      [:greeter]
      iex> Pipeline.Plugin.Registry.find_by_capability(registry, :greet, :en)
      [:greeter]
      iex> Pipeline.Plugin.Registry.get!(registry, :greeter).capabilities
      [greet: [:en]]

  Each instance has a registry, see `of/1`.

  ## Ids

  An id is an atom or a string. Ids are compared as terms: `:a` and `"a"` are different plugins, as they are
  different keys of a map. Strings are never turned into atoms. The same holds for the values of capabilities.

  ## Bounds

  The capabilities of a plugin may have 20,000 values together, where a list counts by its elements, and take
  4 MiB. More is `{:error, {:too_many_capabilities, id}}`: each value is indexed, and a writer is busy for as long.

  ## Several reads

  Each read sees a change whole or not at all. The registry may change between two reads. Where several reads
  must agree, take a `snapshot/1` and read that:

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

  alias Pipeline.Instance.Published
  alias Pipeline.{Instance, Native}
  alias Pipeline.Plugin.{Capabilities, Manifest}
  alias Pipeline.Plugin.Registry.{ReadOnly, Snapshot}
  alias Pipeline.Secrets

  @behaviour Published

  defguardp is_readable(source)
            when is_struct(source, __MODULE__) or is_struct(source, ReadOnly) or is_struct(source, Snapshot)

  # Above so many values of capabilities, they are indexed on a dirty scheduler.
  @few_values 200

  # What an instance's manager notes of a plugin. It is kept beside the rest, so that reads for others leave it out at no cost.
  @bookkeeping [:phase, :leaves_for, :restarting, :order, :upgrade, :secrets]

  @enforce_keys [:handle]
  defstruct [:handle]

  @opaque t :: %__MODULE__{handle: reference}

  @typedoc "A registry as it is now, for reading and writing or only for reading, or as it was in a snapshot."
  @type source :: t | ReadOnly.t() | Snapshot.t()

  @typedoc """
  The changes up to `generation`. `changed` lists plugins that were registered or replaced and are still
  there, `removed` those that are gone. Each id occurs once, in the order of its last change.
  """
  @type changes :: %{
          generation: non_neg_integer,
          changed: [Pipeline.Plugin.plugin_id()],
          removed: [Pipeline.Plugin.plugin_id()]
        }

  @typedoc """
  A registered plugin: a map with an `:id`. Its `:capabilities` and the modules of its providers are indexed.

  In an instance it is the manifest with the fields that the manager adds, `t:Pipeline.Plugin.Manager.info/0`.
  """
  @type info :: %{required(:id) => Pipeline.Plugin.plugin_id(), optional(atom) => term}

  @typedoc "Capabilities that are beyond the bounds above."
  @type too_many :: {:too_many_capabilities, Pipeline.Plugin.plugin_id()}

  @doc "Returns an empty registry."
  @spec new() :: t
  def new, do: %__MODULE__{handle: Native.Registry.new()}

  @doc """
  Returns the registry of an instance, by default of the one that the application starts, for reading only.

  Only the manager of the instance writes to it. Raises `ArgumentError` if the instance is not running.
  """
  @spec of(instance :: term) :: ReadOnly.t()
  def of(instance \\ Instance.default()), do: %ReadOnly{handle: owned(instance).handle}

  @doc false
  # For the manager and the processes of plugins, which write to it.
  @spec owned(instance :: term) :: t
  def owned(instance) do
    case Published.get(instance, __MODULE__) do
      nil -> raise ArgumentError, "there is no plugin instance #{inspect(instance)}"
      registry -> registry
    end
  end

  @doc false
  @impl Published
  def value(_instance, nil), do: new()

  @doc "Registers a plugin. An id that is registered already is an error."
  @spec register(t, info) :: {:ok, t} | {:error, {:duplicate_id, Pipeline.Plugin.plugin_id()} | too_many}
  def register(%__MODULE__{handle: handle} = registry, %{id: id} = info) do
    case entry(info) do
      {:few, {id, capabilities, providers, info}} ->
        case Native.Registry.register(handle, id, capabilities, providers, info) do
          :ok -> {:ok, registry}
          :duplicate -> {:error, {:duplicate_id, id}}
        end

      {:many, entry} ->
        registered(Native.Registry.register_all(handle, [entry]), registry)

      :too_many ->
        {:error, {:too_many_capabilities, id}}
    end
  end

  @doc "Registers several plugins in their order, in one step: all or none."
  @spec register_all(t, [info]) ::
          {:ok, t} | {:error, {:duplicate_id, Pipeline.Plugin.plugin_id()} | too_many}
  def register_all(%__MODULE__{} = registry, []), do: {:ok, registry}
  def register_all(%__MODULE__{} = registry, [info]), do: register(registry, info)

  def register_all(%__MODULE__{handle: handle} = registry, infos) do
    with {:ok, entries} <- entries(infos),
         do: registered(Native.Registry.register_all(handle, entries), registry)
  end

  defp registered(:ok, registry), do: {:ok, registry}
  defp registered({:duplicate, id}, _registry), do: {:error, {:duplicate_id, id}}

  @doc "Replaces the plugin with this id. It keeps its place in the order."
  @spec replace(t, info) :: {:ok, t} | {:error, {:not_registered, Pipeline.Plugin.plugin_id()} | too_many}
  def replace(%__MODULE__{handle: handle} = registry, %{id: id} = info) do
    # Few of them not through `replace_all`, which runs on a dirty scheduler and takes ten times as long for one plugin.
    outcome =
      case entry(info) do
        {:few, {id, capabilities, providers, info}} ->
          Native.Registry.replace(handle, id, capabilities, providers, info)

        {:many, entry} ->
          Native.Registry.replace_all(handle, [entry])

        :too_many ->
          :too_many
      end

    case outcome do
      :ok -> {:ok, registry}
      :unknown -> {:error, {:not_registered, id}}
      :too_many -> {:error, {:too_many_capabilities, id}}
    end
  end

  @doc "Replaces several plugins in one step, or none if one of them is not registered."
  @spec replace_all(t, [info]) :: {:ok, t} | {:error, :not_registered | too_many}
  def replace_all(%__MODULE__{} = registry, []), do: {:ok, registry}

  def replace_all(%__MODULE__{} = registry, [info]) do
    with {:error, {:not_registered, _id}} <- replace(registry, info), do: {:error, :not_registered}
  end

  def replace_all(%__MODULE__{handle: handle} = registry, infos) do
    with {:ok, entries} <- entries(infos) do
      case Native.Registry.replace_all(handle, entries) do
        :ok -> {:ok, registry}
        :unknown -> {:error, :not_registered}
      end
    end
  end

  @doc "Removes a plugin."
  @spec unregister(t, Pipeline.Plugin.plugin_id()) ::
          {:ok, t} | {:error, {:not_registered, Pipeline.Plugin.plugin_id()}}
  def unregister(%__MODULE__{handle: handle} = registry, id) do
    case Native.Registry.unregister(handle, id) do
      :ok -> {:ok, registry}
      :unknown -> {:error, {:not_registered, id}}
    end
  end

  @doc "Returns the plugin with an id in the default instance."
  @spec get(Pipeline.Plugin.plugin_id()) :: {:ok, info} | :error
  def get(id), do: get(of(), id)

  @doc "Returns the plugin with an id."
  @spec get(source, Pipeline.Plugin.plugin_id()) :: {:ok, info} | :error
  def get(%{handle: handle} = source, id) when is_readable(source) do
    with {:ok, kept} <- Native.Registry.get(handle, id), do: {:ok, shown(kept, source)}
  end

  @doc "Returns the plugin with an id, or raises `KeyError`."
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
      {:ok, {info, bookkeeping}} -> Map.merge(info, bookkeeping)
      :error -> nil
    end
  end

  @doc "Returns the ids of the plugins that have a capability, in the order of registration."
  @spec find_by_capability(source, atom) :: [Pipeline.Plugin.plugin_id()]
  def find_by_capability(%{handle: handle} = source, capability) when is_readable(source) do
    Native.Registry.find_by_capability(handle, capability)
  end

  @doc "Returns the ids of the plugins whose capability has this value, or a list that contains it."
  @spec find_by_capability(source, atom, value :: term) :: [Pipeline.Plugin.plugin_id()]
  def find_by_capability(%{handle: handle} = source, capability, value) when is_readable(source) do
    Native.Registry.find_by_capability(handle, capability, value)
  end

  @doc """
  Returns the id and the module of the plugin that provides a type.

  Among several providers a default one wins, then the highest priority, then the earliest registration.
  """
  @spec get_provider(source, atom) :: {:ok, {Pipeline.Plugin.plugin_id(), module}} | :error
  def get_provider(%{handle: handle} = source, type) when is_readable(source) do
    with {:ok, id, module} <- Native.Registry.provider(handle, type), do: {:ok, {id, module}}
  end

  @doc "Returns all plugins, in the order of registration."
  @spec list(source) :: [info]
  def list(%{handle: handle} = source) when is_readable(source) do
    for kept <- Native.Registry.list(handle), do: shown(kept, source)
  end

  @doc "Returns the registry as it is now, for several reads that must agree."
  @spec snapshot(t | ReadOnly.t()) :: Snapshot.t()
  def snapshot(%{handle: handle} = source) when is_readable(source) do
    kept = Native.Registry.snapshot(handle)
    %Snapshot{handle: kept, generation: Native.Registry.generation(kept), of: source.__struct__}
  end

  @doc "Returns the number of changes so far."
  @spec generation(source) :: non_neg_integer
  def generation(%{handle: handle} = source) when is_readable(source), do: Native.Registry.generation(handle)

  @doc """
  Returns the changes after a generation, as `generation/1`, a snapshot or an earlier call returned it.

  The registry remembers its last 4096 changes. `{:error, :too_old}` means that the generation is older,
  `{:error, :ahead}` that the registry has not reached it, so that it belongs to another one. In both cases
  take a `snapshot/1` and start with its list.
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

  # A plugin as readers see it, and what its manager has besides or otherwise.
  defp kept(info), do: {public(info), Map.take(info, [:config | @bookkeeping])}

  defp shown({info, own}, %__MODULE__{}), do: Map.merge(info, own)
  defp shown({info, own}, %Snapshot{of: __MODULE__}), do: Map.merge(info, own)
  defp shown({info, _own}, _source), do: info

  @doc false
  # A plugin as readers of an instance see it.
  @spec public(info) :: info
  def public(%{secrets: %Secrets{} = secrets, config: config} = info),
    do: %{Map.drop(info, @bookkeeping) | config: Secrets.shown(config, secrets)}

  def public(info), do: Map.drop(info, @bookkeeping)

  defp entries(infos) do
    Enum.reduce_while(infos, {:ok, []}, fn %{id: id} = info, {:ok, entries} ->
      case entry(info) do
        :too_many -> {:halt, {:error, {:too_many_capabilities, id}}}
        {_amount, entry} -> {:cont, {:ok, [entry | entries]}}
      end
    end)
    |> case do
      {:ok, entries} -> {:ok, Enum.reverse(entries)}
      error -> error
    end
  end

  # What the core registers, and whether a normal scheduler may do it. A plugin that does not run is listed, but no
  # capability leads to it.
  defp entry(%{id: id} = info) do
    info = Map.put_new(info, :capabilities, [])
    runs? = Map.get(info, :state) not in Native.Lifecycle.idle()

    with {:ok, capabilities, count} <- Capabilities.index(info.capabilities) do
      kept = kept(info)
      entry = if runs?, do: {id, capabilities, providers(info), kept}, else: {id, [], [], kept}
      {if(count > @few_values, do: :many, else: :few), entry}
    end
  end

  defp providers(info) do
    for {type, module, opts} <- Manifest.providers(info) do
      {type, module, opts[:priority] || Native.HookOrder.default_priority(), opts[:default] == true}
    end
  end
end
