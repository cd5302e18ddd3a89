defmodule Pipeline.Plugin.Supervisor do
  @moduledoc """
  Supervises the processes of an instance's plugins.

  A plugin that crashes is started again, up to 3 times in 5 seconds. One that crashes more often ends alone: the other
  plugins do not notice, and the manager takes its hooks out.
  """

  use Supervisor

  alias Pipeline.Plugin.{Child, Processes, Restarts, Wave}
  alias Pipeline.Instance.Names
  alias Pipeline.Plugin.Resources.Limits

  @doc "Starts the supervisor of an instance. Option: `:instance`, by default the application's own."
  @spec start_link(keyword) :: Supervisor.on_start()
  def start_link(opts) do
    instance = opts[:instance] || Pipeline.Plugin
    Supervisor.start_link(__MODULE__, instance, name: Names.via(instance, :plugin_supervisor))
  end

  @impl Supervisor
  def init(instance) do
    # One whose supervisor was killed is about to end.
    with pid when pid != nil <- Names.whereis(instance, :plugins), do: Processes.await_end([pid])

    # Without the plugins this supervisor is of no use: it ends with them, so that the manager after it in the instance
    # is restarted too, and starts them again.
    Supervisor.init([{Processes, instance}], strategy: :one_for_one, max_restarts: 0)
  end

  @doc """
  Starts the process of a plugin, and returns it once `c:Pipeline.Plugin.init/1` is through.

  Options are those of `Pipeline.Plugin.Wrapper.start_link/1` but `:config`. The error is the reason with which
  `c:Pipeline.Plugin.init/1` failed. The plugin is not registered: that is the manager's work, see
  `Pipeline.Plugin.Manager.load_plugin/3`.
  """
  @spec start_plugin(module, Pipeline.Plugin.config(), keyword) :: {:ok, pid} | {:error, term}
  def start_plugin(plugin_module, config, opts \\ []) do
    instance = opts[:instance] || Pipeline.Plugin
    id = plugin_module.__plugin__().id

    child = %Child{
      instance: instance,
      module: plugin_module,
      id: id,
      config: config,
      limits: Limits.of(instance, plugin_module, id, opts[:limits]),
      restarts: Restarts.new(),
      starter: self(),
      registered?: false
    }

    with {:ok, pid} <- start_child(child, opts[:timeout] || 30_000) do
      _ = Restarts.arm(child.restarts)
      {:ok, pid}
    end
  end

  @doc false
  @spec start_child(Child.t(), timeout) :: {:ok, pid} | {:error, term}
  def start_child(%Child{instance: instance} = child, timeout) do
    [{_child, outcome}] = Wave.run([child], timeout, &hd(Processes.start(instance, [&1])))
    outcome
  end

  @doc "Stops a plugin, given its id. Its `c:Pipeline.Plugin.stop/1` runs. Option: `:instance`."
  @spec stop_plugin(Pipeline.Plugin.plugin_id(), keyword) :: :ok
  def stop_plugin(id, opts \\ []), do: Processes.stop(opts[:instance] || Pipeline.Plugin, id, nil)
end
