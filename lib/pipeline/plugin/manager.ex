defmodule Pipeline.Plugin.Manager do
  @moduledoc """
  Central manager for all plugins: loading, dependency resolution, lifecycle.

      {:ok, :greeter} = Pipeline.Plugin.Manager.load_plugin(MyApp.Greeter, %{language: :en})
      {:ok, %{state: :started}} = Pipeline.Plugin.Manager.plugin_info(:greeter)
      :ok = Pipeline.Plugin.Manager.unload_plugin(:greeter)

  Loading a plugin checks it, resolves its dependencies, checks its configuration, prepares its hooks, starts its
  `c:Pipeline.Plugin.children/1` under a supervisor of its own, runs `c:Pipeline.Plugin.init/1` in a new process there,
  registers it, runs `c:Pipeline.Plugin.start/1` and installs its hooks in one step. A failure at any step undoes the
  steps before it; the `Pipeline.Plugin.Error` names the step.

  Changes go through one process, which waits for no plugin: a change waits for those before it that concern the same
  plugin, one that it depends on or one that depends on it, and for no other. Reading goes through no process: look-ups
  and hook runs are done in the caller.

  A running plugin can be given another configuration, `update_config/3`. `health/1` tells how all plugins are, and
  `readiness/1` whether those that are wanted run; neither waits for the manager, so both answer while it is busy.

  ## Instances

  An instance has its own plugins, registry, hooks and events. It belongs into the host's supervision tree, after the
  processes that plugins use, and before those that use plugins:

      children = [
        MyApp.Repo,
        {Pipeline.Plugin.Manager, name: MyApp.Plugins, hooks: MyApp.Hooks, plugins: [MyApp.Greeter]},
        MyAppWeb.Endpoint
      ]

  All functions take its name as the option `:instance`. Without that they use the instance that the application
  `:pipeline_plugin` starts, before the processes of the host. Its options come from the environment, which is checked
  as those of `start_link/1` are:

      config :pipeline_plugin, hooks: MyApp.Hooks, plugins: [MyApp.Greeter], limits: [memory: 100_000_000]

  Elixir merges `plugins: [{A, %{}}]` in one config file with `plugins: [{B, %{}}]` in another, as it merges all lists of
  pairs with atoms: a plugin that `config.exs` names stays, though `runtime.exs` names others. Name all plugins in one
  file, or give a function, `plugins: &MyApp.Plugins.list/0`, which replaces what was there. Under Mix and in releases a
  warning names the plugins that were merged in this way, as far as the files name them literally.

  An instance that ends stops its plugins, each before those that it depends on.

  ## Log lines

  Loading, enabling, disabling, upgrading and unloading are logged as `:info`; a restart, an exceeded limit, a circuit that
  opens and a plugin that is too slow to stop as `:warning`; a plugin that has failed or is held for want of another as
  `:error`. Each line has the metadata `plugin`, `instance` and `version`.
  """

  alias Pipeline.{Instance, Options, Plugin}
  alias Pipeline.Instance.Names
  alias Pipeline.Plugin.{Config, Distribution, Error, Lifecycle, Packages, Registry, Restart, Store, Summary}
  alias Pipeline.Plugin.Manager.{Candidate, CodeUsers, Health, Parts, Readiness, Server, Upgrade}
  alias Pipeline.Plugin.Resources.Limits

  require Logger

  @default Instance.default()
  @load_options [:instance, :timeout, :limits, :restart, :nodes, :modules]
  @stop_options [:instance, :reason, :drain_timeout, :force]

  @typedoc """
  A loaded plugin: its manifest and

    * `:module`
    * `:config` - what it was loaded with, with the defaults of its schema, or what it has taken since
    * `:limits` - what it may use, see `Pipeline.Plugin.Resources`
    * `:restart` - how often it is restarted, see `Pipeline.Plugin`
    * `:state` - one of the states below
    * `:history` - the last 50 transitions, latest first, each with `:state`, `:reason` and `:at`; each is also the plugin
      event `:plugin_state`
    * `:pid` - its process, `nil` while there is none
    * `:loaded_at` - `nil` for one that has never run

  | state | meaning |
  |---|---|
  | `:discovered` | its manifest was read and is valid |
  | `:resolved` | its dependencies are met |
  | `:loading` | it is being initialised and started; its hooks are not in place |
  | `:started` | it runs, with its hooks in place |
  | `:draining` | new runs do not call its hooks; earlier runs may still do |
  | `:held` | it waits for a dependency or was held by an operator, without a process and hooks |
  | `:stopped` | an operator disabled it |
  | `:failed` | it crashed too often, or could not be started; it is tried again |
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

  @doc """
  Starts an instance, linked to the caller, and returns the pid of its supervisor.

  ## Options

    * `:name` - any term, such as `MyApp.Plugins` or `{:tenant, 7}`; by default the name of the application's own instance
    * `:hooks` - a `Pipeline.Hook.Spec` with the hook points of the host
    * `:check` - whether contexts and results are checked by the schemas of the spec, see `Pipeline.Hook.Spec`
    * `:plugins` - plugins to load at the start, each a module, a package or `{module or package, config}`, none of them
      twice, or a function that returns them. A package whose code cannot be loaded is logged and left out. A plugin that
      cannot be loaded does not stop the start: it is logged and kept, held if it needs what is not there, and otherwise
      failed and tried again
    * `:store` - the path of a file by which the instance comes back as it was when the VM starts again: plugins that were
      loaded, in the version that they were upgraded to, with the configuration of `update_config/3` and the options of
      `configure_hook/3`; those of `:plugins` that were unloaded stay away, and those that were disabled stay so. Secrets are
      not kept, nor are configurations with processes, references or functions: these come from `:plugins`. A configured
      plugin that nobody has changed follows its configuration. By default all is forgotten with the instance. A crash
      leaves the old file or the new one, whole. A file that is torn, changed or not a store is logged, renamed to
      `PATH.corrupt-TIME` and never deleted. The instance does not start if the path cannot be read or written
      (`Pipeline.Plugin.Store.Error`). Give each instance its own path
    * `:packages` - the folder that packages of plugins are installed in, see `Pipeline.Package`; by default there is none
    * `:watch` - `true` carries out what people change in that folder: an archive that is copied in is installed and goes,
      a package or a folder with an `ebin` that appears is loaded, one that is newer or has changed is upgraded to, and
      what is removed is unloaded. So is what is there when the instance starts: uninstall what is to stay away. Or options: `interval:`, milliseconds between two looks, by default 1,000 (a change
      counts once two have found the same), and `config:`, configurations by the names of packages. By default `false`
    * `:events` - `[record: n]` keeps the last `n` events for late subscribers, see `Pipeline.Events`; by default none
    * `:hook_budget` - how many microseconds neighbouring native hooks may keep a normal scheduler before they go on
      on a dirty one, or `:infinity`, which leaves them where they start; by default what
      `config :pipeline_plugin, hook_budget:` says, or 500
    * `:limits` - how much each plugin may use unless it says otherwise, see `Pipeline.Plugin.Resources`
    * `:restart` - how often each plugin is restarted unless it says otherwise, see `Pipeline.Plugin`
    * `:sample_interval` - how often the limits are looked at: milliseconds or `:infinity`, by default 1000
    * `:max_restarts` - how often in 5 seconds the manager, the supervisor of the plugins and what else the instance is
      made of are started again before it ends as a whole, by default 20. Said in `config :pipeline_plugin`, it is also
      how often the application starts its instance again before it ends itself, by default 3
    * `:telemetry` - `[hooks: n]` emits telemetry events for the hooks of one run in `n`, see `Pipeline.Plugin.Telemetry`;
      by default as `config :pipeline_plugin, telemetry:` says, or for none
    * `:cluster` - `true` or options: instances of this name on connected nodes form a group, see `Pipeline.Cluster`;
      by default they do not
  """
  @spec start_link(keyword) :: Supervisor.on_start()
  def start_link(opts \\ []) do
    Options.validate!(opts, options(), "Pipeline.Plugin.Manager.start_link/1")
    name = opts |> Keyword.get(:name, @default) |> check_name!()

    parts = [
      name: name,
      hooks: check_spec!(opts[:hooks]),
      check: check_boolean!(:check, opts[:check]),
      hook_budget: Pipeline.Hook.Budget.check!(opts[:hook_budget]),
      plugins:
        opts[:plugins]
        |> configured()
        |> load_configured(opts[:packages])
        |> with_configs!()
        |> check_once!()
        |> hidden(),
      store: check_path!(:store, opts[:store]),
      packages: check_path!(:packages, opts[:packages]),
      watch: Packages.watch!(opts[:watch], opts[:packages]),
      record: record!(opts[:events] || []),
      telemetry: Pipeline.Hook.Sampling.check!(opts[:telemetry]),
      limits: Limits.check!(opts[:limits] || []),
      restart: Restart.check!(opts[:restart] || []),
      sample_interval: check_interval!(opts[:sample_interval]),
      max_restarts: check_restarts!(Keyword.get(opts, :max_restarts, 20)),
      cluster: Distribution.options!(opts[:cluster])
    ]

    # A store that cannot be used is not the fault of one of many children.
    with {:error, {:shutdown, {:failed_to_start_child, Server, %Store.Error{} = error}}} <-
           Instance.Supervisor.start_link(name, Parts.of(parts)),
         do: {:error, error}
  end

  @options [
    :name,
    :hooks,
    :check,
    :plugins,
    :store,
    :packages,
    :watch,
    :events,
    :hook_budget,
    :limits,
    :restart,
    :sample_interval,
    :max_restarts,
    :telemetry,
    :cluster
  ]

  @doc false
  # The options of `start_link/1`.
  @spec options() :: [atom]
  def options, do: @options
  defp configured(nil), do: []
  defp configured(plugins) when is_function(plugins, 0), do: plugins.()
  defp configured(plugins), do: plugins

  # Supervisors report the arguments of what they start. In a function, a configuration is in none of their reports.
  defp hidden(plugins) do
    for {module, config} <- plugins, do: {module, if(config == %{}, do: config, else: fn -> config end)}
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

  defp check_name!(nil), do: raise(ArgumentError, "the name of an instance is any term but nil")
  defp check_name!(name), do: name

  defp check_boolean!(_option, value) when value in [nil, true, false], do: value

  defp check_boolean!(option, other),
    do: raise(ArgumentError, "#{option}: is true or false, got: #{inspect(other)}")

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

  defp check_path!(_option, path) when is_nil(path) or is_binary(path), do: path

  defp check_path!(:store, other),
    do: raise(ArgumentError, "store: takes the path of a file, got: #{inspect(other)}")

  defp check_path!(:packages, other),
    do: raise(ArgumentError, "packages: takes the path of a folder, got: #{inspect(other)}")

  # The code of the packages among them.
  defp load_configured(plugins, folder) do
    if packages?(plugins) do
      Enum.flat_map(named(plugins), fn plugin ->
        case Packages.implementation().modules([plugin], folder) do
          {:ok, modules, _undo} ->
            modules

          {:error, error} ->
            Logger.error(Exception.message(error))
            []
        end
      end)
    else
      plugins
    end
  end

  defp named(plugins), do: for(plugin <- plugins, do: if(is_tuple(plugin), do: plugin, else: {plugin, %{}}))

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

  defp check_once!(plugins) do
    modules = for {module, _config} <- plugins, do: module

    case modules -- Enum.uniq(modules) do
      [] ->
        plugins

      [twice | _] ->
        raise ArgumentError,
              "plugins: names #{inspect(twice)} more than once; name it once, with one configuration"
    end
  end

  @doc false
  @spec child_spec(keyword) :: Supervisor.child_spec()
  def child_spec(opts) do
    opts =
      case opts[:plugins] do
        plugins when is_list(plugins) and plugins != [] -> Keyword.put(opts, :plugins, fn -> plugins end)
        _ -> opts
      end

    %{
      id: {__MODULE__, opts[:name] || @default},
      start: {__MODULE__, :start_link, [opts]},
      type: :supervisor
    }
  end

  @doc """
  Loads a plugin with a configuration.

  A plugin is a module, or a package: the name of one that is installed, or the path of one (`Pipeline.Package`). Then all
  modules of the package are loaded, and its OTP application is started before `c:Pipeline.Plugin.init/1`.

  ## Options

    * `:instance` - by default the application's own
    * `:timeout` - milliseconds that `c:Pipeline.Plugin.init/1`, with what `c:Pipeline.Plugin.children/1` starts, and
      `c:Pipeline.Plugin.start/1` may take each, by default 30 seconds
    * `:limits` - how much the plugin may use, which wins over what it declares, see `Pipeline.Plugin.Resources`
    * `:restart` - how often it is restarted, which wins over what it declares, see `Pipeline.Plugin`
    * `:as` - the id to load it with, by default its own. So one plugin can be loaded several times
    * `:hooks` - options of its hooks by point, which win over what it declares: `hooks: %{execute_node: [priority: 90]}`,
      see `configure_hook/3`
    * `:nodes` - `:all` ships the plugin's code to all nodes of the instance's cluster and loads it everywhere or nowhere;
      nodes that join later load it too. See `Pipeline.Cluster`
    * `:modules` - with `nodes: :all`, further modules to ship
  """
  @spec load_plugin(module | String.t(), Plugin.config(), keyword) ::
          {:ok, Plugin.plugin_id()} | {:error, Error.t()}
  def load_plugin(module, config \\ %{}, opts \\ []) do
    with {:ok, [id]} <- load([{module, config}], opts, @load_options ++ [:as, :hooks]), do: {:ok, id}
  end

  @doc "As `load_plugin/3`, but returns the id, and raises the error."
  @spec load_plugin!(module | String.t(), Plugin.config(), keyword) :: Plugin.plugin_id()
  def load_plugin!(module, config \\ %{}, opts \\ []), do: module |> load_plugin(config, opts) |> value!()

  @doc """
  Loads many plugins, all or none, and returns their ids in the order in which they were loaded.

  They are put in order by what they depend on; `c:Pipeline.Plugin.start/1` runs when all are initialised, and the
  hooks of all appear in one step. Options are those of `load_plugin/3`.

  Plugins of one wave, which need none of each other (`Pipeline.Plugin.Loader.load_order/2`), run these callbacks at the
  same time, as many as there are schedulers; each has the whole `:timeout` from where it begins, and the next begins as
  soon as one is done. None begins before all that it needs are through. When one fails, those under way are waited for,
  then all are stopped, each before what it needs. The error is that of the first in load order.
  """
  @spec load_plugins([module | String.t() | {module | String.t(), Plugin.config()}], keyword) ::
          {:ok, [Plugin.plugin_id()]} | {:error, Error.t()}
  def load_plugins(plugins, opts \\ []) do
    load(plugins, opts, @load_options)
  end

  defp load(plugins, opts, known) do
    Options.validate!(opts, known, "loading plugins")

    for option <- [:as, :hooks],
        opts[option] && opts[:nodes],
        do: raise(ArgumentError, "#{option}: cannot be given with nodes:")

    if packages?(plugins), do: load_packages(plugins, opts), else: load_modules(plugins, opts)
  end

  defp load_modules(plugins, opts) do
    plugins = with_configs!(plugins)
    timeout = timeout!(opts, 30_000)

    opts
    |> everywhere(& &1.load(&2, plugins, opts[:modules] || [], timeout), fn ->
      load_here(given!(plugins, opts), timeout, opts)
    end)
    |> result(:load)
  end

  @doc "As `load_plugins/2`, but returns the ids, and raises the error."
  @spec load_plugins!([module | String.t() | {module | String.t(), Plugin.config()}], keyword) :: [
          Plugin.plugin_id()
        ]
  def load_plugins!(plugins, opts \\ []), do: plugins |> load_plugins(opts) |> value!()

  defp load_here(plugins, timeout, opts) do
    with :ok <- check_callable(opts), {:ok, candidates} <- Candidate.prepare(plugins) do
      call(opts, {:load, candidates, timeout})
    end
  end

  defp packages?(plugins) do
    is_list(plugins) and
      Enum.any?(plugins, &(is_binary(&1) or match?({package, _} when is_binary(package), &1)))
  end

  # The code first, which goes again if the plugins do not load.
  defp load_packages(plugins, opts) do
    case Packages.implementation().modules(named(plugins), Packages.folder(opts[:instance] || @default)) do
      {:ok, modules, undo} ->
        with {:error, _} = error <- load_modules(modules, opts) do
          undo.()
          error
        end

      error ->
        result(error, :load)
    end
  end

  defp given!(plugins, opts) do
    given = %{
      limits: Limits.check!(opts[:limits] || []),
      restart: Restart.check!(opts[:restart] || []),
      as: opts[:as],
      hooks: opts[:hooks]
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
    * `{:invalid_config, problems}` - it does not fit the schema, see `Pipeline.Plugin.ConfigSchema.validate/2`, or is
      no map
    * `{:no_update_config, id}` - the plugin has no `c:Pipeline.Plugin.update_config/2`
    * `{:timeout, id}` - it did not answer in time. What it answers later is not taken
    * `{:crashed, id, reason}` - it ended while it was asked, and is restarted with the configuration that it had
    * `{:too_large, id}` - it refused with a reason larger than its limit `:max_heap` (`Pipeline.Plugin.Resources`)
    * `{:not_started, id, state}`, `{:not_loaded, id}`

  ## Options

    * `:instance` - by default the application's own
    * `:timeout` - milliseconds, by default 5000
    * `:merge` - when `true`, the fields that are given replace those of the present configuration, and the others stay as
      they are, secrets too. Nested maps are merged in the same way. By default the whole configuration is replaced
  """
  @spec update_config(Plugin.plugin_id(), Plugin.config(), keyword) :: :ok | {:error, Error.t()}
  def update_config(id, config, opts \\ []) do
    Options.validate!(opts, [:instance, :timeout, :merge], "Pipeline.Plugin.Manager.update_config/3")

    if is_map(config) do
      update = %{config: config, merge?: opts[:merge] == true, timeout: timeout!(opts, 5_000)}
      opts |> call({:update_config, id, update}) |> result(:configure, id)
    else
      result({:error, Config.no_map(config)}, :configure, id)
    end
  end

  @doc "As `update_config/3`, but raises the error."
  @spec update_config!(Plugin.plugin_id(), Plugin.config(), keyword) :: :ok
  def update_config!(id, config, opts \\ []), do: id |> update_config(config, opts) |> value!()

  @doc """
  Changes the hooks that a plugin has on a point: what an operator says wins over what the plugin declares.

      :ok = Pipeline.Plugin.Manager.configure_hook(:limiter, :execute_node, timeout: 100, on_error: :skip)

  The hooks keep their counters. `Pipeline.Hook.chain/2` shows them with `:overridden`, `plugin_info/2` with `:overrides`.
  It holds for later versions of the plugin too, until the plugin is unloaded. A run that has begun sees no change.

  `{:error, %Pipeline.Plugin.Error{}}` with the reason `{:not_loaded, id}`, or `{:invalid_hook, sentence}`: the plugin has
  no hook there, or one for which the option makes no sense. Nothing has changed then.

  ## Options

  Of the hooks; `nil` is the plugin's own word again:

    * `:priority`, `:on_error`, `:circuit` - as in `Pipeline.Plugin.DSL`; `circuit: false` is none
    * `:timeout` - milliseconds, or `:infinity` for none
    * `:enabled` - `false` takes the hooks out of the chain, on a closed point too

  And `:instance`, by default the application's own.
  """
  @spec configure_hook(Plugin.plugin_id(), atom, keyword) :: :ok | {:error, Error.t()}
  def configure_hook(id, point, opts) when is_atom(point) do
    {instance, options} = Keyword.split(opts, [:instance])
    instance |> call({:configure_hook, id, point, options}) |> result(:configure, id)
  end

  @doc "As `configure_hook/3`, but raises the error."
  @spec configure_hook!(Plugin.plugin_id(), atom, keyword) :: :ok
  def configure_hook!(id, point, opts), do: id |> configure_hook(point, opts) |> value!()

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
    * `:purge` - when `true`, the plugin's code is taken out of the VM too: its module, or all modules of its package,
      unless another instance uses them. Processes that still run it keep it there, with
      `{:error, {:code_in_use, pids}}`; so do other plugins with the module, with
      `{:error, {:used_by, [{instance, id}]}}`, and native code that is not of `Pipeline.Native.Library`, with
      `{:error, {:native_code, module}}`. The plugin is unloaded then. With `:force` those processes are killed, if it is
      a package
    * `:nodes` - `:all` unloads it on all nodes of the instance's cluster or on none, see `Pipeline.Cluster`
  """
  @spec unload_plugin(Plugin.plugin_id(), keyword) :: :ok | {:error, Error.t()}
  def unload_plugin(id, opts \\ []) do
    Options.validate!(
      opts,
      [:instance, :cascade, :drain_timeout, :force, :purge, :nodes],
      "Pipeline.Plugin.Manager.unload_plugin/2"
    )

    opts
    |> everywhere(& &1.unload(&2, id, opts), fn -> unload_here(id, opts) end)
    |> result(:unload, id)
  end

  @doc "As `unload_plugin/2`, but raises the error."
  @spec unload_plugin!(Plugin.plugin_id(), keyword) :: :ok
  def unload_plugin!(id, opts \\ []), do: id |> unload_plugin(opts) |> value!()

  defp unload_here(id, opts) do
    found = if opts[:purge], do: plugin_info(id, Keyword.take(opts, [:instance]))

    with :ok <- call(opts, {:unload, id, opts[:cascade] == true, patience(opts)}) do
      with {:ok, %{module: module}} <- found, do: purge(module, opts[:force] == true), else: (_ -> :ok)
    end
  end

  # A package counts the instances that have it.
  defp purge(module, force?) do
    with :none <- Packages.implementation().purge(module, force?) do
      case CodeUsers.of(module) do
        [] -> Upgrade.Code.purge(module)
        users -> {:error, {:used_by, users}}
      end
    end
  end

  defp patience(opts), do: {opts[:drain_timeout] || 5_000, opts[:force] == true}

  @doc """
  Stops a plugin until `enable_plugin/2` starts it: what crashes, or comes back, does not.

  Its hooks disappear in one step and its process ends; it stays known, in the state `:stopped`. Plugins that cannot do
  without it are held, and start again when it does. With the instance's option `:store` it stays stopped when the VM
  starts again, and is not loaded until it is enabled; `{:error, %Pipeline.Plugin.Store.Error{}}` says why that could
  not be written, and the plugin goes on.

  Options: `:instance`, `:drain_timeout` and `:force`, as for `unload_plugin/2`; `:reason`, any term, for the history.
  """
  @spec disable_plugin(Plugin.plugin_id(), keyword) :: :ok | {:error, Error.t()}
  def disable_plugin(id, opts \\ []) do
    Options.validate!(opts, @stop_options, "Pipeline.Plugin.Manager.disable_plugin/2")
    opts |> call({:stop, id, :stopped, opts[:reason] || :disabled, patience(opts)}) |> result(:disable, id)
  end

  @doc "As `disable_plugin/2`, but raises the error."
  @spec disable_plugin!(Plugin.plugin_id(), keyword) :: :ok
  def disable_plugin!(id, opts \\ []), do: id |> disable_plugin(opts) |> value!()

  @doc """
  Starts a plugin that is stopped, held or failed, and then those that were held for want of it.

  `{:ok, :held}` says that it waits for a plugin that it depends on, and starts when that does; `{:ok, :not_loaded}` that
  it was disabled and can be loaded now. One that cannot be started is failed. Option: `:instance`.
  """
  @spec enable_plugin(Plugin.plugin_id(), keyword) ::
          {:ok, :started | :held | :not_loaded} | {:error, Error.t()}
  def enable_plugin(id, opts \\ []) do
    Options.validate!(opts, [:instance], "Pipeline.Plugin.Manager.enable_plugin/2")
    opts |> call({:enable, id}) |> result(:enable, id)
  end

  @doc "As `enable_plugin/2`, but returns the state, and raises the error."
  @spec enable_plugin!(Plugin.plugin_id(), keyword) :: :started | :held | :not_loaded
  def enable_plugin!(id, opts \\ []), do: id |> enable_plugin(opts) |> value!()

  @doc """
  Holds a plugin: as `disable_plugin/2`, but for the life of the instance only.

  Options as for `disable_plugin/2`.
  """
  @spec hold_plugin(Plugin.plugin_id(), keyword) :: :ok | {:error, Error.t()}
  def hold_plugin(id, opts \\ []) do
    Options.validate!(opts, @stop_options, "Pipeline.Plugin.Manager.hold_plugin/2")
    opts |> call({:stop, id, :held, {:asked, opts[:reason]}, patience(opts)}) |> result(:hold, id)
  end

  @doc "As `hold_plugin/2`, but raises the error."
  @spec hold_plugin!(Plugin.plugin_id(), keyword) :: :ok
  def hold_plugin!(id, opts \\ []), do: id |> hold_plugin(opts) |> value!()

  @doc """
  Ends the process of a plugin that runs and starts it anew, with its hooks in place all the while.

  `c:Pipeline.Plugin.stop/1` runs, then `c:Pipeline.Plugin.init/1` and `c:Pipeline.Plugin.start/1`. A plugin whose
  process cannot be started again is failed. `{:error, {state, id}}` for a plugin that does not run.

  ## Options

    * `:instance` - by default the application's own
    * `:runs` - `:wait` has runs of the points on which the plugin has hooks wait until its `c:Pipeline.Plugin.init/1` has
      returned, for hooks that read what the process owns, such as an ETS table; runs that are under way are not waited
      for. Such a plugin must not run these points in `c:Pipeline.Plugin.init/1`. By default, `:go_on`, they go on. On
      closed points (`fail: :closed` in `Pipeline.Hook.Spec`) they return an error meanwhile, with the reason
      `{:plugin_down, id, :restarting}`
  """
  @spec restart_plugin(Plugin.plugin_id(), keyword) :: :ok | {:error, Error.t()}
  def restart_plugin(id, opts \\ []) do
    Options.validate!(opts, [:instance, :runs], "Pipeline.Plugin.Manager.restart_plugin/2")
    runs = Keyword.get(opts, :runs, :go_on)

    unless runs in [:go_on, :wait],
      do: raise(ArgumentError, "runs: is :go_on or :wait, got: #{inspect(runs)}")

    opts |> call({:restart, id, runs}) |> result(:restart, id)
  end

  @doc "As `restart_plugin/2`, but raises the error."
  @spec restart_plugin!(Plugin.plugin_id(), keyword) :: :ok
  def restart_plugin!(id, opts \\ []), do: id |> restart_plugin(opts) |> value!()

  @doc """
  Puts another version in the place of a plugin that runs, while traffic flows, and returns the version.

  The new version is a module (another one, or the same where its file has changed since), the path of a BEAM file, the
  bytes of one, or the path of a package: a directory or an `.ez`. All modules of a package change in one step, and its
  OTP application is started anew. A plugin whose code was loaded with the modules beside it
  (`Pipeline.Plugin.Discovery.load_code/1`) is upgraded with those beside the BEAM file.

  The manifest of the new version has the id of the plugin; it has to be what the plugins that depend on it need, and
  what it needs itself has to be there. `c:Pipeline.Plugin.code_change/3` takes the state over; what is sent to the
  plugin meanwhile waits, and is answered by the new version. Hooks, manifest and state change in one step. When anything
  fails the old version stays, with its code, state and hooks.

  Where the new version is another module, runs go on meanwhile, each on one version. Where it takes the place of a
  module of its name, runs of the points on which the plugin has Elixir hooks wait until those under way have ended and
  the code is replaced. That is refused with `{:used_by, [{instance, id}]}` where other plugins have the module, in this
  instance or in others: they would run the new code with their old state. `instances: :all` upgrades them along.

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
    * `:instances` - `:all` upgrades all plugins with this one's module, in all instances of the VM and under whatever
      ids, in one step or not at all. Each keeps its configuration, so `:config` cannot be given, and each has to run;
      `{:error, {:in_instance, instance, reason}}` says which could not be upgraded. Not together with `:nodes`
    * `:rollback` - when `false`, a module is replaced also where the code that runs is in no file any more, and cannot
      be put back: a plugin whose upgrade fails after that is failed
  """
  @spec upgrade_plugin(Plugin.plugin_id(), module | Path.t() | binary, keyword) ::
          {:ok, Plugin.version()} | {:error, Error.t()}
  def upgrade_plugin(id, new_version, opts \\ []) when is_atom(new_version) or is_binary(new_version) do
    Options.validate!(
      opts,
      [:instance, :config, :extra, :timeout, :drain_timeout, :rollback, :nodes, :modules, :instances],
      "Pipeline.Plugin.Manager.upgrade_plugin/3"
    )

    :ok = check_instances!(opts[:instances], opts)

    opts
    |> everywhere(& &1.upgrade(&2, id, new_version, opts), fn -> upgrade_here(id, new_version, opts) end)
    |> result(:upgrade, id)
  end

  @doc "As `upgrade_plugin/3`, but returns the version, and raises the error."
  @spec upgrade_plugin!(Plugin.plugin_id(), module | Path.t() | binary, keyword) :: Plugin.version()
  def upgrade_plugin!(id, new_version, opts \\ []), do: id |> upgrade_plugin(new_version, opts) |> value!()

  defp check_instances!(nil, _opts), do: :ok

  defp check_instances!(:all, opts) do
    case Enum.filter([:config, :nodes, :modules], &opts[&1]) do
      [] -> :ok
      [key | _] -> raise ArgumentError, "#{key}: cannot be given with instances: :all"
    end
  end

  defp check_instances!(other, _opts),
    do: raise(ArgumentError, "instances: is :all or is left out, got: #{inspect(other)}")

  defp upgrade_here(id, new_version, opts) do
    call(
      opts,
      {:upgrade, id, new_version,
       %{
         config: opts[:config],
         extra: opts[:extra],
         timeout: opts[:timeout] || 30_000,
         drain_timeout: opts[:drain_timeout] || 5_000,
         rollback: Keyword.get(opts, :rollback, true),
         instances: opts[:instances]
       }}
    )
  end

  @doc """
  The names of the instances of this VM, sorted.

      iex> Pipeline.Plugin in Pipeline.Plugin.Manager.instances()
      true
  """
  @spec instances() :: [term]
  defdelegate instances, to: Pipeline.Instance.Names

  @doc "All plugins, in load order. Option: `:instance`."
  @spec list_plugins(keyword) :: [info]
  def list_plugins(opts \\ []) do
    for info <- Registry.list(registry(opts, "list_plugins/1")), do: with_pid(info, opts)
  end

  @doc "A plugin, `:error` if it is not loaded. Option: `:instance`."
  @spec plugin_info(Plugin.plugin_id(), keyword) :: {:ok, info} | :error
  def plugin_info(id, opts \\ []) do
    with {:ok, info} <- Registry.get(registry(opts, "plugin_info/2"), id), do: {:ok, with_pid(info, opts)}
  end

  @doc "As `plugin_info/2`, but returns the plugin. Raises `Pipeline.Plugin.Error` if it is not loaded."
  @spec plugin_info!(Plugin.plugin_id(), keyword) :: info
  def plugin_info!(id, opts \\ []) do
    case plugin_info(id, opts) do
      {:ok, info} -> info
      :error -> raise Error.of({:not_loaded, id}, :find, id)
    end
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
    * `{:unhealthy, reason}` - it said so; or raised, then the reason is the exception; or `{:too_large, id}`, its
      answer was larger than its limit `:max_heap`
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
    * a `Pipeline.Plugin.Error` - it is configured and could not be loaded
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

  @doc """
  The instance at a glance, for operators: `IO.puts(Pipeline.Plugin.Manager.summary())` prints a table of its plugins, the
  closed points whose guards are down, and what is missing before it is ready. Option: `:instance`.
  """
  @spec summary(keyword) :: Summary.t()
  def summary(opts \\ []) do
    Options.validate!(opts, [:instance], "Pipeline.Plugin.Manager.summary/1")
    instance = opts[:instance] || @default
    Summary.of(instance, list_plugins(instance: instance), Readiness.lacking(instance))
  end

  @doc "The ids of the plugins that have a capability, in load order. Option: `:instance`."
  @spec get_by_capability(atom, keyword) :: [Plugin.plugin_id()]
  def get_by_capability(capability, opts \\ []) do
    Registry.find_by_capability(registry(opts, "get_by_capability/2"), capability)
  end

  @doc """
  The plugin that provides a type, and the module that it names for it.

  Among several it is the default one, then the one with the highest priority, then the one loaded first.
  Option: `:instance`.
  """
  @spec get_provider(atom, keyword) :: {:ok, {Plugin.plugin_id(), module}} | :error
  def get_provider(type, opts \\ []) do
    Registry.get_provider(registry(opts, "get_provider/2"), type)
  end

  defp timeout!(opts, default) do
    case opts[:timeout] || default do
      timeout when timeout == :infinity or (is_integer(timeout) and timeout >= 0) ->
        timeout

      other ->
        raise ArgumentError, "timeout: is a number of milliseconds or :infinity, got: #{inspect(other)}"
    end
  end

  defp result({:error, reason}, operation, id), do: {:error, Error.of(reason, operation, id)}
  defp result(done, _operation, _id), do: done

  # With several plugins, the error itself names the one that failed.
  defp result(done, operation), do: result(done, operation, nil)

  defp value!(:ok), do: :ok
  defp value!({:ok, value}), do: value
  defp value!({:error, error}), do: raise(error)

  # A change on all nodes runs in a process of its own, which asks the manager of each node.
  defp everywhere(opts, on_all, here) do
    instance = opts[:instance] || @default

    case {opts[:nodes], Instance.Caller.callback()} do
      {nil, _} -> here.()
      {:all, nil} -> on_all.(Distribution.of(running!(instance)), instance)
      {:all, callback} -> {:error, {:called_from_callback, callback}}
      {other, _} -> raise ArgumentError, "nodes: is :all or left out, got: #{inspect(other)}"
    end
  end

  defp call(opts, request) do
    with :ok <- check_callable(opts) do
      # In a function, configurations are in no report of this call.
      GenServer.call(Server.name(opts[:instance] || @default), {:hidden, fn -> request end}, :infinity)
    end
  end

  # An operation waits for these callbacks, and could itself be waited for by the one that is asked for.
  defp check_callable(opts) do
    _ = running!(opts[:instance] || @default)

    case Instance.Caller.callback() do
      nil -> :ok
      callback -> {:error, {:called_from_callback, callback}}
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
    Map.put(info, :pid, Names.whereis(opts[:instance] || @default, {:plugin, info.id}))
  end
end
