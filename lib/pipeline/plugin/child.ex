defmodule Pipeline.Plugin.Child do
  @moduledoc false
  # A plugin as a child of the plugin supervisor. None of the plugin's code runs while that waits: init/1 is what the
  # process does first once it is there.

  alias Pipeline.Plugin.{Names, Registry, Restarts, Wrapper}
  alias Pipeline.Plugin.Resources.{Limits, Monitor}

  # Milliseconds that a process gets to end, as many as a supervisor gives a worker.
  @patience 5_000

  @enforce_keys [:instance, :module, :id, :config, :limits, :restarts, :starter]
  defstruct [
    :instance,
    :module,
    :id,
    :config,
    :limits,
    :restarts,
    :starter,
    :supervisor,
    then: :wait,
    registered?: true
  ]

  @type t :: %__MODULE__{
          instance: atom,
          module: module,
          id: Pipeline.Plugin.plugin_id(),
          config: Pipeline.Plugin.config(),
          limits: Limits.t(),
          restarts: Restarts.t(),
          # Whom the process tells what has become of init/1, `nil` from its second start on.
          starter: pid | nil,
          supervisor: pid | nil,
          # What comes after init/1: waiting to be told to run start/1, or running it.
          then: :wait | :start,
          # Whether the registry says as what it is started again.
          registered?: boolean
        }

  @doc "Starts a process, which sends the starter `{:plugin_done, pid, :ok | {:error, reason}}` when init/1 is through."
  @spec start(t) :: {:ok, pid} | {:error, term}
  def start(%__MODULE__{} = child) do
    spec = %{
      id: child.module,
      start: {__MODULE__, :start_link, [child]},
      restart: :permanent,
      shutdown: @patience
    }

    DynamicSupervisor.start_child(Names.via(child.instance, :plugins), spec)
  end

  @doc "In the plugin supervisor, for the first start and every other."
  @spec start_link(t) :: GenServer.on_start()
  def start_link(%__MODULE__{restarts: restarts} = child) do
    child = %{child | supervisor: self()}

    case Restarts.begin(restarts) do
      :first -> start_process(child, child.then == :start and Monitor.to_run?(child.instance, child.id))
      :again -> child |> Map.put(:starter, nil) |> start_again()
      :given_up -> give_up(child)
      :no -> :ignore
    end
  end

  # As what it is by now, which is not always what it was started as.
  defp start_again(%{registered?: false} = child), do: start_process(child, false)

  defp start_again(%{restarts: restarts} = child) do
    case Registry.get(Registry.of(child.instance), child.id) do
      %{restarts: ^restarts, state: state} = info when state in [:loading, :started] ->
        child = %{child | module: info.module, config: info.config, limits: info.limits}

        # Its name is taken by one that was started in its place.
        with {:error, {:already_started, _pid}} <- start_process(child, state == :started), do: :ignore

      # It crashed while the manager was about to stop it.
      _ ->
        Restarts.disarm(restarts)
        give_up(child)
    end
  end

  defp start_process(%{instance: instance, id: id, limits: limits} = child, again?) do
    Wrapper
    |> GenServer.start_link(child,
      name: Names.via(instance, {:plugin, id}, {self(), child.restarts}),
      spawn_opt: Limits.spawn_options(limits)
    )
    |> Monitor.watch(instance, id, limits, again?)
  end

  # A manager that is just being started finds out by itself.
  defp give_up(%{instance: instance, id: id, restarts: restarts}) do
    with pid when pid != nil <- Names.whereis(instance, :manager), do: send(pid, {:given_up, id, restarts})
    :ignore
  end

  @doc "Ends the process of a plugin, after its stop/1, and lets it not come back."
  @spec stop(atom, Pipeline.Plugin.plugin_id(), Restarts.t() | nil) :: :ok
  def stop(instance, id, restarts) do
    if restarts, do: Restarts.disarm(restarts)

    with nil <- find(instance, id),
         # One that the supervisor was about to start is there when it answers.
         true <- Pipeline.Plugin.Supervisor.running?(instance),
         nil <- find(instance, id) do
      :ok
    else
      false -> :ok
      {pid, {supervisor, restarts}} -> stop_process(pid, supervisor, restarts)
    end
  end

  @doc "The process of a plugin with its supervisor, if a plugin supervisor has started it."
  @spec find(atom, Pipeline.Plugin.plugin_id()) :: {pid, {supervisor :: pid, Restarts.t()}} | nil
  def find(instance, id) do
    with {_pid, nil} <- Names.lookup(instance, {:plugin, id}), do: nil
  end

  # stop/1 may take its time, in which the supervisor is there for others: it is asked only when that is over.
  defp stop_process(pid, supervisor, restarts) do
    Restarts.disarm(restarts)
    monitor = Process.monitor(pid)
    Process.exit(pid, :shutdown)

    receive do
      {:plugin_stopped, ^pid} -> :ok
      {:DOWN, ^monitor, :process, ^pid, _reason} -> :ok
    after
      @patience -> Process.exit(pid, :kill)
    end

    try do
      DynamicSupervisor.terminate_child(supervisor, pid)
    catch
      # It is ending, with all its children.
      :exit, _ -> :ok
    end

    await_end(pid)
    Process.demonitor(monitor, [:flush])

    receive do
      {:plugin_stopped, ^pid} -> :ok
    after
      0 -> :ok
    end
  end

  @doc "Waits for a process whose end has begun, and ends one that does not see it."
  @spec await_end(pid) :: :ok
  def await_end(pid) do
    monitor = Process.monitor(pid)

    receive do
      {:DOWN, ^monitor, :process, ^pid, _reason} -> :ok
    after
      @patience ->
        Process.exit(pid, :kill)

        receive do
          {:DOWN, ^monitor, :process, ^pid, _reason} -> :ok
        end
    end
  end
end
