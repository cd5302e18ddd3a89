defmodule Pipeline.Plugin.Manager do
  @moduledoc """
  Central manager for all plugins: loading, dependency resolution, lifecycle.

      {:ok, :greeter} = Pipeline.Plugin.Manager.load_plugin(MyApp.Greeter, %{language: :en})
      %{state: :started} = Pipeline.Plugin.Manager.plugin_info(:greeter)
      :ok = Pipeline.Plugin.Manager.unload_plugin(:greeter)

  Loading a plugin checks it, resolves its dependencies, prepares its hooks, runs `c:Pipeline.Plugin.init/1` in a new
  process under the plugin supervisor, registers it, runs `c:Pipeline.Plugin.start/1` and installs its hooks in one
  step. A failure at any step undoes the steps before it; the `Pipeline.Plugin.LoadError` says which it was.

  Loading and unloading go through one process, one after the other. Reading does not: look-ups and hook runs are
  done in the caller.

  ## Instances

  Several managers can live in one VM, each with its own plugins, registry, hooks and events. The application starts
  one, which all functions use unless they are given `instance: name`. Its options come from the application's
  environment:

      config :pipeline_plugin, hooks: MyApp.Hooks, plugins: [MyApp.Greeter]
  """

  alias Pipeline.Plugin
  alias Pipeline.Plugin.{Instance, LoadError, Names, Registry, Suggestion, Wrapper}
  alias Pipeline.Plugin.Manager.Server

  @default Pipeline.Plugin

  @typedoc """
  A loaded plugin: its manifest and

    * `:module`
    * `:config` - what it was loaded with
    * `:state` - `:loading` until `c:Pipeline.Plugin.start/1` has run, `:starting` until its hooks are in place,
      `:started`; `:stopping`; `:failed` when it has crashed too often
    * `:pid` - its process, `nil` while there is none
    * `:loaded_at`
  """
  @type info :: %{
          required(:id) => Plugin.plugin_id(),
          required(:module) => module,
          required(:config) => Plugin.config(),
          required(:state) => :loading | :starting | :started | :stopping | :failed,
          required(:pid) => pid | nil,
          required(:loaded_at) => DateTime.t(),
          optional(atom) => term
        }

  @type unload_error ::
          {:not_loaded, Plugin.plugin_id()}
          | {:required_by, [Plugin.plugin_id()]}
          | {:called_from_callback, atom}

  @doc """
  Starts an instance, linked to the caller, and returns the pid of its supervisor.

  ## Options

    * `:name` - an atom, by default the name of the application's own instance
    * `:hooks` - a `Pipeline.Hook.Spec` with the hook points of the host
    * `:plugins` - plugins to load at the start, each a module or `{module, config}`. One that cannot be loaded is
      logged and left out, with those that need it; it does not stop the start
    * `:hook_budget` - how many microseconds neighbouring native hooks may keep a normal scheduler before they go on
      on a dirty one, or `:infinity`, which leaves them where they start; by default what `config :pipeline_plugin, hook_budget:` says, or 500
  """
  @spec start_link(keyword) :: Supervisor.on_start()
  def start_link(opts \\ []) do
    Suggestion.validate_options!(
      opts,
      [:name, :hooks, :plugins, :hook_budget],
      "Pipeline.Plugin.Manager.start_link/1"
    )

    Instance.start_link(
      name: opts |> Keyword.get(:name, @default) |> check_name!(),
      hooks: check_spec!(opts[:hooks]),
      hook_budget: Pipeline.Hook.Budget.check!(opts[:hook_budget]),
      plugins: with_configs!(opts[:plugins] || [])
    )
  end

  defp check_name!(name) when is_atom(name) and name not in [nil, true, false], do: name

  defp check_name!(name),
    do: raise(ArgumentError, "the name of an instance is an atom, got: #{inspect(name)}")

  defp check_spec!(nil), do: nil

  defp check_spec!(spec) do
    if is_atom(spec) and Code.ensure_loaded?(spec) and function_exported?(spec, :__hookpoints__, 0) do
      spec
    else
      raise ArgumentError, "hooks: takes a module that uses Pipeline.Hook.Spec, got: #{inspect(spec)}"
    end
  end

  defp with_configs!(plugins) when is_list(plugins) do
    Enum.map(plugins, fn
      {module, config} when is_atom(module) -> {module, config}
      module when is_atom(module) -> {module, %{}}
      other -> raise ArgumentError, "a plugin to load is a module or {module, config}, got: #{inspect(other)}"
    end)
  end

  defp with_configs!(other) do
    raise ArgumentError, "plugins to load are a list of modules or {module, config}, got: #{inspect(other)}"
  end

  @doc false
  @spec child_spec(keyword) :: Supervisor.child_spec()
  def child_spec(opts) do
    %{
      id: {__MODULE__, opts[:name] || @default},
      start: {__MODULE__, :start_link, [opts]},
      type: :supervisor
    }
  end

  @doc """
  Loads a plugin with a configuration.

  ## Options

    * `:instance` - by default the application's own
    * `:timeout` - milliseconds that `c:Pipeline.Plugin.init/1` and `c:Pipeline.Plugin.start/1` may take each, by
      default 30 seconds
  """
  @spec load_plugin(module, Plugin.config(), keyword) :: {:ok, Plugin.plugin_id()} | {:error, LoadError.t()}
  def load_plugin(module, config \\ %{}, opts \\ []) do
    with {:ok, [id]} <- load_plugins([{module, config}], opts), do: {:ok, id}
  end

  @doc """
  Loads many plugins, all or none, and returns their ids in the order in which they were loaded.

  They are put in order by what they depend on; `c:Pipeline.Plugin.start/1` runs when all are initialised, and the
  hooks of all appear in one step. Options are those of `load_plugin/3`.
  """
  @spec load_plugins([module | {module, Plugin.config()}], keyword) ::
          {:ok, [Plugin.plugin_id()]} | {:error, LoadError.t()}
  def load_plugins(plugins, opts \\ []) do
    Suggestion.validate_options!(opts, [:instance, :timeout], "loading plugins")

    case call(opts, {:load, with_configs!(plugins), opts[:timeout] || 30_000}) do
      {:error, {:called_from_callback, callback}} ->
        {:error,
         %LoadError{step: :validate, reason: {:called_from_callback, callback}, detail: busy(callback)}}

      reply ->
        reply
    end
  end

  @doc """
  Unloads a plugin: its hooks disappear in one step, its process stops, and it is no longer found.

  ## Options

    * `:instance` - by default the application's own
    * `:cascade` - when `true`, plugins that need this one are unloaded before it; otherwise they keep it with
      `{:error, {:required_by, ids}}`
  """
  @spec unload_plugin(Plugin.plugin_id(), keyword) :: :ok | {:error, unload_error}
  def unload_plugin(id, opts \\ []) do
    Suggestion.validate_options!(opts, [:instance, :cascade], "Pipeline.Plugin.Manager.unload_plugin/2")
    call(opts, {:unload, id, opts[:cascade] == true})
  end

  @doc "All plugins, in load order. Option: `:instance`."
  @spec list_plugins(keyword) :: [info]
  def list_plugins(opts \\ []) do
    for info <- Registry.list(registry(opts, "list_plugins/1")), do: with_pid(info, opts)
  end

  @doc "A plugin, `nil` if it is not loaded. Option: `:instance`."
  @spec plugin_info(Plugin.plugin_id(), keyword) :: info | nil
  def plugin_info(id, opts \\ []) do
    if info = Registry.get(registry(opts, "plugin_info/2"), id), do: with_pid(info, opts)
  end

  @doc "The ids of the plugins that have a capability, in load order. Option: `:instance`."
  @spec get_by_capability(atom, keyword) :: [Plugin.plugin_id()]
  def get_by_capability(capability, opts \\ []) do
    Registry.find_by_capability(registry(opts, "get_by_capability/2"), capability)
  end

  @doc """
  The plugin that provides a type, and the module that it names for it.

  Of several: one that is the default, then the one with the highest priority, then the one loaded first.
  Option: `:instance`.
  """
  @spec get_provider(atom, keyword) :: {:ok, {Plugin.plugin_id(), module}} | :error
  def get_provider(type, opts \\ []) do
    Registry.fetch_provider(registry(opts, "get_provider/2"), type)
  end

  @doc """
  A sentence for any error of this module.

      iex> Pipeline.Plugin.Manager.format_error({:required_by, [:blog]})
      "it is needed by :blog; unload them first, or pass cascade: true"
  """
  @spec format_error(LoadError.t() | unload_error) :: String.t()
  def format_error(%LoadError{} = error), do: Exception.message(error)

  def format_error({:not_loaded, id}),
    do: "there is no plugin #{inspect(id)}; list_plugins/1 shows those there are"

  def format_error({:required_by, ids}) do
    "it is needed by #{Enum.map_join(ids, ", ", &inspect/1)}; unload them first, or pass cascade: true"
  end

  def format_error({:called_from_callback, callback}), do: busy(callback)

  defp busy(:itself),
    do: "a plugin cannot unload itself and wait for it; ask from another process, such as a task"

  defp busy(callback) do
    "the manager is waiting for #{callback} of the plugin that asks it; ask from another process, such as a task"
  end

  defp call(opts, request) do
    instance = opts[:instance] || @default

    # The manager waits for these callbacks and could not answer.
    case Wrapper.running_callback() do
      callback when callback != nil -> {:error, {:called_from_callback, callback}}
      nil -> GenServer.call(instance |> running!() |> Server.name(), request, :infinity)
    end
  end

  # Raises for an instance that is not there, as reading does.
  defp running!(instance) do
    _ = Registry.of(instance)
    instance
  end

  defp registry(opts, function) do
    Suggestion.validate_options!(opts, [:instance], "Pipeline.Plugin.Manager." <> function)
    Registry.of(opts[:instance] || @default)
  end

  defp with_pid(info, opts) do
    Map.put(info, :pid, Names.whereis(opts[:instance] || @default, {:plugin, info.id}))
  end
end
