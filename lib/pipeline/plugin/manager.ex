defmodule Pipeline.Plugin.Manager do
  @moduledoc """
  Central manager for all plugins: loading, dependency resolution, lifecycle.

      {:ok, :greeter} = Pipeline.Plugin.Manager.load_plugin(MyApp.Greeter, %{language: :en})
      %{state: :started} = Pipeline.Plugin.Manager.plugin_info(:greeter)
      :ok = Pipeline.Plugin.Manager.unload_plugin(:greeter)

  Loading a plugin checks it, resolves its dependencies, checks its configuration, prepares its hooks, starts its
  `c:Pipeline.Plugin.children/1` under a supervisor of its own, runs `c:Pipeline.Plugin.init/1` in a new process there,
  registers it, runs `c:Pipeline.Plugin.start/1` and installs its hooks in one step. A failure at any step undoes the steps before it; the
  `Pipeline.Plugin.LoadError` says which it was.

  Loading and unloading go through one process, one after the other. Reading does not: look-ups and hook runs are
  done in the caller.

  A running plugin can be given another configuration, `update_config/3`. `health/1` tells how all plugins are, and
  `readiness/1` whether those that are wanted run; neither waits for the manager, so both answer while it is busy.

  ## Instances

  Several managers can live in one VM, each with its own plugins, registry, hooks and events. The application starts
  one, which all functions use unless they are given `instance: name`. Its options come from the application's
  environment:

      config :pipeline_plugin, hooks: MyApp.Hooks, plugins: [MyApp.Greeter], limits: [memory: 100_000_000]
  """

  alias Pipeline.Plugin

  alias Pipeline.{Cluster, Options}
  alias Pipeline.Plugin.{Config, Lifecycle, LoadError, Registry, Restart, Store, Wrapper}
  alias Pipeline.Instance.{Names, Supervisor}

  alias Pipeline.Plugin.Config.Update
  alias Pipeline.Plugin.Manager.{Health, Readiness, Server, Upgrade}
  alias Pipeline.Plugin.Resources.Limits

  @default Pipeline.Plugin
  @stop_options [:instance, :reason, :drain_timeout, :force]

  @typedoc """
  A loaded plugin: its manifest and

    * `:module`
    * `:config` - what it was loaded with, with the defaults of its schema, or what it has taken since
    * `:limits` - what it may use, see `Pipeline.Plugin.Resources`
    * `:restart` - how often it is restarted, see `Pipeline.Plugin`
    * `:state` and `:history` - see `Pipeline.Plugin.Lifecycle`
    * `:pid` - its process, `nil` while there is none
    * `:loaded_at` - `nil` for one that has never run
  """
  @type info :: %{
          required(:id) => Plugin.plugin_id(),
          required(:module) => module,
          required(:config) => Plugin.config(),
          required(:limits) => Limits.t(),
          required(:restart) => Restart.t(),
          required(:state) => Lifecycle.state(),
          required(:history) => [Lifecycle.transition()],
          required(:pid) => pid | nil,
          required(:loaded_at) => DateTime.t() | nil,
          optional(atom) => term
        }

  @type unload_error ::
          {:not_loaded, Plugin.plugin_id()}
          | {:required_by, [Plugin.plugin_id()]}
          | {:still_running, [pid]}
          | {:code_in_use, [pid]}
          | Store.Error.t()
          | {:called_from_callback, atom}
          | cluster_error

  @typedoc "With `nodes: :all`: what failed on which node, or why nothing was tried."
  @type cluster_error ::
          {:on_node, node, reason :: term}
          | {:not_clustered, instance :: atom}
          | {:interrupted, reason :: term}

  @type upgrade_error ::
          {:not_loaded | :held | :stopped | :failed, Plugin.plugin_id()}
          | {:still_running | :code_in_use, [pid]}
          | {:crashed, Plugin.plugin_id(), reason :: term}
          | {:called_from_callback, atom}
          | cluster_error
          | LoadError.t()

  @type enable_error ::
          {:not_loaded | :already_started, Plugin.plugin_id()}
          | {:called_from_callback, atom}
          | Store.Error.t()
          | LoadError.t()

  @type update_error ::
          {:invalid_config, term}
          | Update.error()
          | {:not_loaded, Plugin.plugin_id()}
          | {:called_from_callback, atom}

  @doc """
  Starts an instance, linked to the caller, and returns the pid of its supervisor.

  ## Options

    * `:name` - an atom, by default the name of the application's own instance
    * `:hooks` - a `Pipeline.Hook.Spec` with the hook points of the host
    * `:plugins` - plugins to load at the start, each a module or `{module, config}`. One that cannot be loaded does
      not stop the start: it is logged and kept, held if it needs what is not there, failed otherwise
    * `:store` - the path of a file in which it stands which plugins an operator has disabled, so that they stay so when
      the VM starts again (`Pipeline.Plugin.Store`); by default that is forgotten with the instance
    * `:events` - `[record: n]` keeps the last `n` events for late subscribers, see `Pipeline.Events`; by default none
    * `:hook_budget` - how many microseconds neighbouring native hooks may keep a normal scheduler before they go on
      on a dirty one, or `:infinity`, which leaves them where they start; by default what
      `config :pipeline_plugin, hook_budget:` says, or 500
    * `:limits` - how much each plugin may use unless it says otherwise, see `Pipeline.Plugin.Resources`
    * `:restart` - how often each plugin is restarted unless it says otherwise, see `Pipeline.Plugin`
    * `:sample_interval` - how often the limits are looked at: milliseconds or `:infinity`, by default 1000
    * `:max_restarts` - how often in 5 seconds the manager, the supervisor of the plugins and what else the instance is
      made of are started again before it ends as a whole, by default 20
    * `:cluster` - `true` or options: instances of this name on connected nodes form a group, see `Pipeline.Cluster`;
      by default they do not
  """
  @spec start_link(keyword) :: Supervisor.on_start()
  def start_link(opts \\ []) do
    Options.validate!(
      opts,
      [
        :name,
        :hooks,
        :plugins,
        :store,
        :events,
        :hook_budget,
        :limits,
        :restart,
        :sample_interval,
        :max_restarts,
        :cluster
      ],
      "Pipeline.Plugin.Manager.start_link/1"
    )

    Supervisor.start_link(
      name: opts |> Keyword.get(:name, @default) |> check_name!(),
      hooks: check_spec!(opts[:hooks]),
      hook_budget: Pipeline.Hook.Budget.check!(opts[:hook_budget]),
      plugins: with_configs!(opts[:plugins] || []),
      store: check_path!(opts[:store]),
      record: record!(opts[:events] || []),
      limits: Limits.check!(opts[:limits] || []),
      restart: Restart.check!(opts[:restart] || []),
      sample_interval: check_interval!(opts[:sample_interval]),
      max_restarts: check_restarts!(Keyword.get(opts, :max_restarts, 20)),
      cluster: Cluster.Options.check!(opts[:cluster])
    )
  end

  defp check_interval!(interval)
       when interval in [nil, :infinity] or (is_integer(interval) and interval > 0),
       do: interval

  defp check_interval!(interval) do
    raise ArgumentError,
          "sample_interval: is a number of milliseconds or :infinity, got: #{inspect(interval)}"
  end

  defp check_restarts!(number) when is_integer(number) and number >= 0, do: number

  defp check_restarts!(other),
    do: raise(ArgumentError, "max_restarts: is a number of restarts from 0, got: #{inspect(other)}")

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

  defp record!(opts) do
    Options.validate!(opts, [:record], "events:")

    case opts[:record] || 0 do
      size when is_integer(size) and size >= 0 -> size
      other -> raise ArgumentError, "record: is a number of events, got: #{inspect(other)}"
    end
  end

  defp check_path!(path) when is_nil(path) or is_binary(path), do: path

  defp check_path!(other),
    do: raise(ArgumentError, "store: takes the path of a file, got: #{inspect(other)}")

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
    * `:timeout` - milliseconds that `c:Pipeline.Plugin.init/1`, with what `c:Pipeline.Plugin.children/1` starts, and
      `c:Pipeline.Plugin.start/1` may take each, by default 30 seconds
    * `:limits` - how much the plugin may use, which wins over what it declares, see `Pipeline.Plugin.Resources`
    * `:restart` - how often it is restarted, which wins over what it declares, see `Pipeline.Plugin`
    * `:nodes` - `:all` ships the plugin's code to all nodes of the instance's cluster and loads it everywhere or nowhere;
      nodes that join later load it too. See `Pipeline.Cluster`
    * `:modules` - with `nodes: :all`, further modules to ship
  """
  @spec load_plugin(module, Plugin.config(), keyword) :: {:ok, Plugin.plugin_id()} | {:error, LoadError.t()}
  def load_plugin(module, config \\ %{}, opts \\ []) do
    with {:ok, [id]} <- load_plugins([{module, config}], opts), do: {:ok, id}
  end

  @doc """
  Loads many plugins, all or none, and returns their ids in the order in which they were loaded.

  They are put in order by what they depend on; `c:Pipeline.Plugin.start/1` runs when all are initialised, and the
  hooks of all appear in one step. Options are those of `load_plugin/3`.

  Plugins of one wave, which need none of each other (`Pipeline.Plugin.Loader.load_order/2`), run these callbacks at the
  same time, as many as there are schedulers; each has the whole `:timeout` from where it begins, and the next begins as
  soon as one is done. None begins before all that it needs are through. When one fails, those under way are waited for,
  then all are stopped, each before what it needs. The error is that of the first in load order.
  """
  @spec load_plugins([module | {module, Plugin.config()}], keyword) ::
          {:ok, [Plugin.plugin_id()]} | {:error, LoadError.t()}
  def load_plugins(plugins, opts \\ []) do
    Options.validate!(opts, [:instance, :timeout, :limits, :restart, :nodes, :modules], "loading plugins")
    plugins = with_configs!(plugins)
    timeout = timeout!(opts, 30_000)

    result =
      everywhere(opts, &Cluster.Change.Load.request(plugins, opts[:modules] || [], timeout, &1), fn ->
        call(opts, {:load, given!(plugins, opts), timeout})
      end)

    case result do
      {:error, {:called_from_callback, callback}} ->
        {:error,
         %LoadError{step: :validate, reason: {:called_from_callback, callback}, detail: busy(callback)}}

      reply ->
        reply
    end
  end

  defp given!(plugins, opts) do
    given = %{
      limits: Limits.check!(opts[:limits] || []),
      restart: Restart.check!(opts[:restart] || [])
    }

    for {module, config} <- plugins, do: {module, config, given}
  end

  @doc """
  Gives a running plugin another configuration.

  It is checked against `c:Pipeline.Plugin.config_schema/0`, defaults filled in, and handed to
  `c:Pipeline.Plugin.update_config/2` in the plugin's process. If the plugin takes it, `plugin_info/2` shows it, a restart
  of the plugin uses it, and the plugin event `:plugin_config_updated` is emitted with `%{id: id}`. In all other cases
  nothing has changed:

    * `{:refused, reason}` - the plugin does not take it
    * `{:invalid_config, problems}` - it does not fit the schema, see `Pipeline.Plugin.ConfigSchema.validate/2`;
      `{:invalid_config, term}` if it is no map
    * `{:no_update_config, id}` - the plugin has no `c:Pipeline.Plugin.update_config/2`
    * `{:timeout, id}` - it did not answer in time. What it answers later is not taken
    * `{:crashed, id, reason}` - it ended while it was asked, and is restarted with the configuration that it had
    * `{:not_started, id, state}`, `{:not_loaded, id}`

  The configuration replaces the old one; the two are not merged.

  ## Options

    * `:instance` - by default the application's own
    * `:timeout` - milliseconds, by default 5000
  """
  @spec update_config(Plugin.plugin_id(), Plugin.config(), keyword) :: :ok | {:error, update_error}
  def update_config(id, config, opts \\ []) do
    Options.validate!(opts, [:instance, :timeout], "Pipeline.Plugin.Manager.update_config/3")

    if is_map(config),
      do: call(opts, {:update_config, id, config, timeout!(opts, 5_000)}),
      else: {:error, {:invalid_config, config}}
  end

  @doc """
  Unloads a plugin: its hooks disappear in one step, its process stops, and it is no longer found.

  Runs that began with its hooks end with them: the process stops once they are over. When that takes longer than
  `:drain_timeout` the plugin is put back as it was, with `{:error, {:still_running, pids}}`.

  ## Options

    * `:instance` - by default the application's own
    * `:cascade` - when `true`, plugins that need this one are unloaded before it; otherwise they keep it with
      `{:error, {:required_by, ids}}`
    * `:drain_timeout` - milliseconds to wait for runs that are under way, by default 5 seconds. A run that unloads a
      plugin of its own chain is not waited for
    * `:force` - when `true`, the processes whose runs take longer are killed
    * `:purge` - when `true`, the plugin's module is taken out of the VM too. Processes that still run its code keep it
      there, with `{:error, {:code_in_use, pids}}`; the plugin is unloaded then
    * `:nodes` - `:all` unloads it on all nodes of the instance's cluster or on none, see `Pipeline.Cluster`
  """
  @spec unload_plugin(Plugin.plugin_id(), keyword) :: :ok | {:error, unload_error}
  def unload_plugin(id, opts \\ []) do
    Options.validate!(
      opts,
      [:instance, :cascade, :drain_timeout, :force, :purge, :nodes],
      "Pipeline.Plugin.Manager.unload_plugin/2"
    )

    everywhere(opts, &Cluster.Change.Unload.request(id, opts, &1), fn -> unload_here(id, opts) end)
  end

  defp unload_here(id, opts) do
    module = if opts[:purge], do: with(%{module: module} <- plugin_info(id, instance(opts)), do: module)

    with :ok <- call(opts, {:unload, id, opts[:cascade] == true, patience(opts)}) do
      if module, do: purge(module), else: :ok
    end
  end

  # Nobody that runs it is ended: first what is old already goes, then what becomes old.
  defp purge(module) do
    with true <- :code.soft_purge(module), true <- :code.delete(module), true <- :code.soft_purge(module) do
      :ok
    else
      false -> {:error, {:code_in_use, Upgrade.Code.running_old(module)}}
    end
  end

  defp instance(opts), do: Keyword.take(opts, [:instance])

  defp patience(opts), do: {opts[:drain_timeout] || 5_000, opts[:force] == true}

  @doc """
  Stops a plugin until `enable_plugin/2` starts it: what crashes, or comes back, does not.

  Its hooks disappear in one step and its process ends; it stays known, in the state `:stopped`. Plugins that cannot do
  without it are held, and start again when it does. With the instance's option `:store` it stays stopped when the VM
  starts again, and is not loaded until it is enabled; `{:error, %Pipeline.Plugin.Store.Error{}}` says why that could
  not be written, and the plugin goes on.

  Options: `:instance`, `:drain_timeout` and `:force`, as for `unload_plugin/2`; `:reason`, any term, for the history.
  """
  @spec disable_plugin(Plugin.plugin_id(), keyword) :: :ok | {:error, unload_error}
  def disable_plugin(id, opts \\ []) do
    Options.validate!(opts, @stop_options, "Pipeline.Plugin.Manager.disable_plugin/2")
    call(opts, {:stop, id, :stopped, opts[:reason] || :disabled, patience(opts)})
  end

  @doc """
  Starts a plugin that is stopped, held or failed, and then those that were held for want of it.

  `{:ok, :held}` says that it waits for a plugin that it depends on, and starts when that does; `{:ok, :not_loaded}` that
  it was disabled and can be loaded now. One that cannot be started is failed. Option: `:instance`.
  """
  @spec enable_plugin(Plugin.plugin_id(), keyword) ::
          {:ok, :started | :held | :not_loaded} | {:error, enable_error}
  def enable_plugin(id, opts \\ []) do
    Options.validate!(opts, [:instance], "Pipeline.Plugin.Manager.enable_plugin/2")
    call(opts, {:enable, id})
  end

  @doc """
  Holds a plugin: as `disable_plugin/2`, but for the life of the instance only.

  Options as for `disable_plugin/2`.
  """
  @spec hold_plugin(Plugin.plugin_id(), keyword) :: :ok | {:error, unload_error}
  def hold_plugin(id, opts \\ []) do
    Options.validate!(opts, @stop_options, "Pipeline.Plugin.Manager.hold_plugin/2")
    call(opts, {:stop, id, :held, {:asked, opts[:reason]}, patience(opts)})
  end

  @doc """
  Ends the process of a plugin that runs and starts it anew, with its hooks in place all the while.

  `c:Pipeline.Plugin.stop/1` runs, then `c:Pipeline.Plugin.init/1` and `c:Pipeline.Plugin.start/1`. A plugin whose
  process cannot be started again is failed. `{:error, {state, id}}` for a plugin that does not run. Option: `:instance`.
  """
  @spec restart_plugin(Plugin.plugin_id(), keyword) :: :ok | {:error, term}
  def restart_plugin(id, opts \\ []) do
    Options.validate!(opts, [:instance], "Pipeline.Plugin.Manager.restart_plugin/2")
    call(opts, {:restart, id})
  end

  @doc """
  Puts another version in the place of a plugin that runs, while traffic flows, and returns the version.

  The new version is a module (another one, or the same where its file has changed since), the path of a BEAM file, or
  the bytes of one. Its manifest has the id of the plugin; it has to be what the plugins that depend on it need, and what
  it needs itself has to be there. `c:Pipeline.Plugin.code_change/3` takes the state over; what is sent to the plugin
  meanwhile waits, and is answered by the new version. Hooks, manifest and state change in one step. When anything fails
  the old version stays, with its code, state and hooks.

  Where the new version is another module, runs go on meanwhile, each on one version. Where it takes the place of a
  module of its name, runs of the points on which the plugin has Elixir hooks wait until those under way have ended and
  the code is replaced.

  ## Options

    * `:instance` - by default the application's own
    * `:config` - a configuration for the new version, by default the one that the plugin has
    * `:extra` - handed to `c:Pipeline.Plugin.code_change/3`
    * `:timeout` - milliseconds that `c:Pipeline.Plugin.code_change/3` may take, by default 30 seconds; a plugin that
      takes longer is restarted as the old version
    * `:drain_timeout` - milliseconds that may take, by default 5 seconds; then the old version stays, with
      `{:error, {:still_running, pids}}`
    * `:nodes` - `:all` upgrades it on all nodes of the instance's cluster or on none, see `Pipeline.Cluster`
    * `:modules` - with `nodes: :all`, further modules to ship
    * `:rollback` - when `false`, a module is replaced also where the code that runs is in no file any more, and cannot
      be put back: a plugin whose upgrade fails after that is failed
  """
  @spec upgrade_plugin(Plugin.plugin_id(), module | Path.t() | binary, keyword) ::
          {:ok, Plugin.version()} | {:error, upgrade_error}
  def upgrade_plugin(id, new_version, opts \\ []) when is_atom(new_version) or is_binary(new_version) do
    Options.validate!(
      opts,
      [:instance, :config, :extra, :timeout, :drain_timeout, :rollback, :nodes, :modules],
      "Pipeline.Plugin.Manager.upgrade_plugin/3"
    )

    everywhere(opts, &Cluster.Change.Upgrade.request(id, new_version, opts, &1), fn ->
      upgrade_here(id, new_version, opts)
    end)
  end

  defp upgrade_here(id, new_version, opts) do
    call(
      opts,
      {:upgrade, id, new_version,
       %{
         config: opts[:config],
         extra: opts[:extra],
         timeout: opts[:timeout] || 30_000,
         drain_timeout: opts[:drain_timeout] || 5_000,
         rollback: Keyword.get(opts, :rollback, true)
       }}
    )
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

  @doc """
  How the plugins of an instance are.

      %{
        status: :unhealthy,
        ready?: false,
        not_ready: [%{plugin: :search, module: MyApp.Search, reason: {:state, :failed}}],
        plugins: %{
          chat: %{status: :healthy, details: %{connections: 3}, state: :started},
          index: %{status: {:unhealthy, :disk_full}, details: nil, state: :started},
          search: %{status: {:not_running, :failed}, details: nil, state: :failed}
        }
      }

  Each plugin that is `:started` is asked through `c:Pipeline.Plugin.health/1`, in its own process, all at the same
  time. The status of one is

    * `:healthy` - it said so, or has no such callback and its process answers
    * `{:unhealthy, reason}` - it said so; or raised, then the reason is the exception
    * `:no_answer` - it did not answer within the time box: it hangs, or has much to do
    * `{:crashed, reason}` - it ended before it answered
    * `{:not_running, state}` - it is not `:started`, or is just being `:restarting`

  The whole is `:healthy` if every plugin is, or is not running for a good reason: it is loading, or was stopped by an
  operator. For `:ready?` and `:not_ready` see `readiness/1`.

  In a cluster there is also `:cluster`, the plugins that this node cannot bring to what is to hold on all nodes, each with
  `:plugin`, `:to_be` (`:loaded` or `:unloaded`), the `:reason`, and `:advice`, a sentence that says what to do. As long as
  there is one, the whole is `:unhealthy`.

  ## Options

    * `:timeout` - the time box in milliseconds, for all together, by default 1000
    * `:instance` - by default the application's own
  """
  @spec health(keyword) :: Health.report()
  def health(opts \\ []) do
    Options.validate!(opts, [:instance, :timeout], "Pipeline.Plugin.Manager.health/1")
    Health.report(opts[:instance] || @default, timeout!(opts, 1_000))
  end

  @doc """
  Whether all plugins that are wanted run: those that the instance was configured with and those loaded since, without
  what an operator has stopped or unloaded.

  It returns `:ready`, or what is lacking and why. The reason is

    * `:not_loaded_yet` - the instance is starting
    * a `Pipeline.Plugin.LoadError` - it is configured and could not be loaded
    * `{:state, state}` - it is loading, held or failed
    * `:restarting` - it has crashed and is being restarted

  Nobody is asked: it reads what is known, at any time. Option: `:instance`.
  """
  @spec readiness(keyword) :: :ready | {:not_ready, [Readiness.lacking()]}
  def readiness(opts \\ []) do
    Options.validate!(opts, [:instance], "Pipeline.Plugin.Manager.readiness/1")

    case Readiness.lacking(opts[:instance] || @default) do
      [] -> :ready
      lacking -> {:not_ready, lacking}
    end
  end

  @doc "Whether `readiness/1` is `:ready`. Option: `:instance`."
  @spec ready?(keyword) :: boolean
  def ready?(opts \\ []), do: readiness(opts) == :ready

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
  @spec format_error(LoadError.t() | unload_error | enable_error | upgrade_error | update_error) :: String.t()
  def format_error(error) when is_exception(error), do: Exception.message(error)

  def format_error({:not_loaded, id}),
    do: "there is no plugin #{inspect(id)}; list_plugins/1 shows those there are"

  def format_error({:required_by, ids}) do
    "it is needed by #{Enum.map_join(ids, ", ", &inspect/1)}; unload them first, or pass cascade: true"
  end

  def format_error({:already_started, id}),
    do: "plugin #{inspect(id)} runs already; there is nothing to enable"

  def format_error({:still_running, pids}) do
    "#{length(pids)} processes are still in runs with its hooks: #{inspect(pids, limit: 5)}; give it a longer " <>
      "drain_timeout:, or end them with force: true"
  end

  def format_error({:code_in_use, pids}) do
    "#{length(pids)} processes still run its old code, which stays until they are done: #{inspect(pids, limit: 5)}"
  end

  def format_error({state, id}) when state in [:held, :stopped, :failed],
    do: "plugin #{inspect(id)} is #{state}; enable_plugin/2 starts it"

  def format_error({:called_from_callback, callback}), do: busy(callback)

  def format_error({:no_update_config, id}) do
    "plugin #{inspect(id)} has no update_config/2, so it cannot take a configuration while it runs; unload it and " <>
      "load it with the new one, or define update_config/2 in it"
  end

  def format_error({:refused, reason}) do
    "the plugin refused the configuration: #{inspect(reason)}; it goes on with the one that it has"
  end

  def format_error({:timeout, id}) do
    "plugin #{inspect(id)} did not answer in time; it goes on with the configuration that it has"
  end

  def format_error({:crashed, id, reason}) do
    "plugin #{inspect(id)} ended while it was asked: #{Exception.format_exit(reason)}; it is restarted with the " <>
      "configuration that it had"
  end

  def format_error({:not_started, id, state}) do
    "plugin #{inspect(id)} is #{state}, and only one that is started can be asked"
  end

  def format_error({kind, problems}) when kind in [:invalid_config, :invalid_schema] and is_list(problems) do
    Config.format({kind, problems})
  end

  def format_error({:schema_failed, _} = error), do: Config.format(error)

  def format_error({:invalid_config, config}), do: "a configuration is a map, got: #{inspect(config)}"

  def format_error({:on_node, node, reason}), do: "on the node #{node} #{format_error(reason)}"

  def format_error({:not_clustered, instance}) do
    "the instance #{inspect(instance)} is in no cluster; start it with cluster: true, or leave nodes: :all out"
  end

  def format_error(:nodedown),
    do: "the connection was lost; nothing was changed, and it catches up when it is back"

  def format_error(:timeout) do
    "it took too long, and nothing was changed; see that it is well, or give cluster: a longer timeout:"
  end

  def format_error({:interrupted, reason}) do
    "the process that made the change on all nodes ended, and each takes it back: #{inspect(reason)}; try again"
  end

  def format_error(reason), do: "it failed with #{inspect(reason)}"

  defp timeout!(opts, default) do
    case opts[:timeout] || default do
      timeout when timeout == :infinity or (is_integer(timeout) and timeout >= 0) ->
        timeout

      other ->
        raise ArgumentError, "timeout: is a number of milliseconds or :infinity, got: #{inspect(other)}"
    end
  end

  defp busy(:itself),
    do: "a plugin cannot ask for a change of itself and wait for it; ask from another process, such as a task"

  defp busy(callback) do
    "the manager is waiting for #{callback} of the plugin that asks it; ask from another process, such as a task"
  end

  # What is done on all nodes is done by another process, which asks the managers of each.
  defp everywhere(opts, on_all, here) do
    instance = opts[:instance] || @default

    case {opts[:nodes], Wrapper.running_callback()} do
      {nil, _} -> here.()
      {:all, nil} -> instance |> running!() |> on_all.()
      {:all, callback} -> {:error, {:called_from_callback, callback}}
      {other, _} -> raise ArgumentError, "nodes: is :all or left out, got: #{inspect(other)}"
    end
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
    Options.validate!(opts, [:instance], "Pipeline.Plugin.Manager." <> function)
    Registry.of(opts[:instance] || @default)
  end

  defp with_pid(info, opts) do
    info = Map.drop(info, [:phase, :leaves_for, :order, :upgrade])
    Map.put(info, :pid, Names.whereis(opts[:instance] || @default, {:plugin, info.id}))
  end
end
