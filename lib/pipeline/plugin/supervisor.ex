defmodule Pipeline.Plugin.Supervisor do
  @moduledoc """
  Supervises the plugins of an instance.

  Each plugin has a supervisor of its own, with its `c:Pipeline.Plugin.children/1` and its process. A plugin that crashes
  is restarted, as often as its option `:restart` says (see `Pipeline.Plugin`). One that crashes more often ends alone:
  the other plugins do not notice, and the manager takes its hooks out.
  """

  use Supervisor

  alias Pipeline.Instance.Names
  alias Pipeline.Plugin.Resources.Limits
  alias Pipeline.Plugin.{Restart, StartPhase, Tree}

  @doc "Starts the supervisor of an instance. Option: `:instance`, by default the application's own."
  @spec start_link(keyword) :: Supervisor.on_start()
  def start_link(opts) do
    instance = opts[:instance] || Pipeline.Plugin
    Supervisor.start_link(__MODULE__, instance, name: Names.via(instance, :plugins))
  end

  @impl Supervisor
  def init(instance) do
    :ok = Names.label(instance, :plugins)

    # It restarts no plugin's supervisor, so it never gives up: the manager starts them anew. A `DynamicSupervisor` would
    # not do, since Elixir's has no answer to `:supervisor.get_childspec/2` and ends. This one also ends plugins in the
    # reverse order of their start, each before what it needs.
    Supervisor.init([], strategy: :one_for_one)
  end

  @doc """
  Starts a plugin, and returns its process once `c:Pipeline.Plugin.init/1` has returned.

  Options are those of `Pipeline.Plugin.Wrapper.start_link/1` but `:config`. The error is the reason with which
  `c:Pipeline.Plugin.init/1` failed. The plugin is not registered: that is the manager's work, see
  `Pipeline.Plugin.Manager.load_plugin/3`.
  """
  @spec start_plugin(module, Pipeline.Plugin.config(), keyword) :: {:ok, pid} | {:error, term}
  def start_plugin(plugin_module, config, opts \\ []) do
    instance = opts[:instance] || Pipeline.Plugin
    id = plugin_module.__plugin__().id

    plugin = %{
      id: id,
      module: plugin_module,
      config: config,
      limits: Limits.of(instance, plugin_module, id, opts[:limits]),
      restart: Restart.merge(Restart.default(), Restart.declared(plugin_module)),
      phase: StartPhase.started()
    }

    with {:error, {_step, reason}} <- plugin |> Tree.new(instance, opts[:timeout] || 30_000) |> Tree.start(),
         do: {:error, reason}
  end

  @doc "Stops a plugin, given its id. Its `c:Pipeline.Plugin.stop/1` runs. Option: `:instance`."
  @spec stop_plugin(Pipeline.Plugin.plugin_id(), keyword) :: :ok
  def stop_plugin(id, opts \\ []), do: Tree.stop(opts[:instance] || Pipeline.Plugin, id)
end
