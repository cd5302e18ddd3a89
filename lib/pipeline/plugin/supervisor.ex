defmodule Pipeline.Plugin.Supervisor do
  @moduledoc """
  Supervises the processes of an instance's plugins.

  Each plugin has a small supervisor of its own, which restarts it when it crashes, up to 3 times in 5 seconds. One
  that crashes more often ends alone: the other plugins do not notice, and the manager takes its hooks out.
  """

  use Supervisor

  alias Pipeline.Plugin.{Names, Wrapper}

  @max_restarts 3
  @max_seconds 5

  # Milliseconds, as long as a supervisor gives a worker.
  @patience 5_000

  @doc "Starts the supervisor of an instance. Option: `:instance`, by default the application's own."
  @spec start_link(keyword) :: Supervisor.on_start()
  def start_link(opts) do
    instance = opts[:instance] || Pipeline.Plugin
    Supervisor.start_link(__MODULE__, instance, name: Names.via(instance, :plugin_supervisor))
  end

  @impl Supervisor
  def init(instance) do
    await_end(instance, :plugins)
    children = [{DynamicSupervisor, strategy: :one_for_one, name: Names.via(instance, :plugins)}]

    # Without the plugins this supervisor is of no use: it ends with them, so that the manager after it in the instance
    # is restarted too, and starts them again.
    Supervisor.init(children, strategy: :one_for_one, max_restarts: 0)
  end

  @doc """
  Starts the process of a plugin under its own supervisor.

  Options are those of `Pipeline.Plugin.Wrapper.start_link/1` but `:config`. The error is the reason with which
  `c:Pipeline.Plugin.init/1` failed. The plugin is not registered: that is the manager's work, see
  `Pipeline.Plugin.Manager.load_plugin/3`.
  """
  @spec start_plugin(module, Pipeline.Plugin.config(), keyword) :: {:ok, pid} | {:error, term}
  def start_plugin(plugin_module, config, opts \\ []) do
    instance = opts[:instance] || Pipeline.Plugin
    id = plugin_module.__plugin__().id

    # Not by the module's own child_spec/1, which is for supervision trees of the user's: the manager runs no code of a
    # plugin in its own process that it can do without.
    plugin = %{
      id: plugin_module,
      start: {Wrapper, :start_link, [{plugin_module, [config: config] ++ opts}]}
    }

    spec = %{
      id: plugin_module,
      start:
        {Supervisor, :start_link,
         [
           [plugin],
           [
             strategy: :one_for_one,
             max_restarts: @max_restarts,
             max_seconds: @max_seconds,
             name: Names.via(instance, {:supervisor, id})
           ]
         ]},
      type: :supervisor,
      restart: :temporary
    }

    case DynamicSupervisor.start_child(Names.via(instance, :plugins), spec) do
      {:ok, supervisor} -> {:ok, supervisor}
      {:error, {:shutdown, {:failed_to_start_child, _id, reason}}} -> {:error, reason}
      {:error, reason} -> {:error, reason}
    end
  end

  @doc "Stops a plugin, given the pid that `start_plugin/3` returned. Its `c:Pipeline.Plugin.stop/1` runs."
  @spec stop_plugin(pid, keyword) :: :ok
  def stop_plugin(supervisor, opts \\ []) do
    instance = opts[:instance] || Pipeline.Plugin
    # `:not_found` means that it has ended by itself.
    _ = DynamicSupervisor.terminate_child(Names.via(instance, :plugins), supervisor)
    :ok
  end

  @doc false
  # Ends the process of a plugin and starts it anew, which does not count as a crash.
  @spec restart_process(pid) :: :ok | {:error, reason :: term}
  def restart_process(supervisor) do
    [{child, _pid, _type, _modules}] = Supervisor.which_children(supervisor)
    :ok = Supervisor.terminate_child(supervisor, child)
    with {:ok, _pid} <- Supervisor.restart_child(supervisor, child), do: :ok
  catch
    # It crashed too often meanwhile.
    :exit, reason -> {:error, reason}
  end

  @doc false
  # Whether plugins can be started. A supervisor that is ending is alive for a while; it does not answer.
  @spec running?(atom) :: boolean
  def running?(instance) do
    %{} = DynamicSupervisor.count_children(Names.via(instance, :plugins))
    true
  catch
    :exit, _ -> false
  end

  @doc false
  # Stops all plugins but those that these supervisors have, one that is about to start too.
  @spec stop_others(atom, [pid]) :: :ok
  def stop_others(instance, supervisors) do
    for {_, pid, _, _} <- DynamicSupervisor.which_children(Names.via(instance, :plugins)),
        pid not in supervisors do
      stop_plugin(pid, instance: instance)
    end

    :ok
  end

  @doc false
  # The supervisor of a plugin that runs, or of one that is started again for want of it.
  @spec ensure_plugin(module, Pipeline.Plugin.plugin_id(), Pipeline.Plugin.config(), atom) ::
          {:ok, pid} | {:error, term}
  def ensure_plugin(plugin_module, id, config, instance) do
    case Names.whereis(instance, {:supervisor, id}) do
      nil ->
        await_end(instance, {:plugin, id})
        start_plugin(plugin_module, config, instance: instance)

      supervisor ->
        with :ok <- ensure_process(supervisor), do: {:ok, supervisor}
    end
  end

  # A manager that was killed while it restarted the process has left the supervisor without one.
  defp ensure_process(supervisor) do
    with [{child, :undefined, _type, _modules}] <- Supervisor.which_children(supervisor),
         {:error, reason} when reason not in [:running, :restarting] <-
           Supervisor.restart_child(supervisor, child) do
      {:error, reason}
    else
      _there -> :ok
    end
  catch
    # It ends, of which who watches it is told.
    :exit, _reason -> :ok
  end

  # After a supervisor was killed, what was below it is still ending when it is started again.
  defp await_end(instance, role) do
    with pid when pid != nil <- Names.whereis(instance, role) do
      monitor = Process.monitor(pid)

      receive do
        {:DOWN, ^monitor, :process, ^pid, _reason} -> :ok
      after
        # One that hangs does not see that it is to end.
        @patience ->
          Process.exit(pid, :kill)

          receive do
            {:DOWN, ^monitor, :process, ^pid, _reason} -> :ok
          end
      end
    end
  end

  @doc false
  @spec start_callback(atom, Pipeline.Plugin.plugin_id(), timeout) :: :ok | {:error, term}
  def start_callback(instance, id, timeout) do
    case Names.whereis(instance, {:plugin, id}) do
      nil -> {:error, :noproc}
      pid -> Wrapper.start_plugin(pid, timeout)
    end
  end
end
