defmodule Pipeline.Plugin.Manager.Server do
  @moduledoc false
  # Serialises what changes an instance. What it knows, it knows from the registry, so that after a crash it goes on
  # where it was: its own state is a cache of that, and the monitors.

  use GenServer

  require Logger

  alias Pipeline.Hook.Table
  alias Pipeline.Plugin.{Anchor, Config, Dependents, Events, Names, Registry}
  alias Pipeline.Plugin.Manager.{Candidate, Load, Recovery, Wanted}

  @spec start_link(keyword) :: GenServer.on_start()
  def start_link(opts), do: GenServer.start_link(__MODULE__, opts, name: name(opts[:name]))

  @spec name(atom) :: GenServer.name()
  def name(instance), do: Names.via(instance, :manager)

  @doc "Waits until the manager has done what it does first. A child that starts nothing."
  @spec await_ready(atom) :: :ignore
  def await_ready(instance) do
    GenServer.call(name(instance), :await_ready, :infinity)
  catch
    # It ended before it was done; the supervisor, which waits here, is about to start it again.
    :exit, _ -> :ignore
  end

  @impl GenServer
  def init(opts) do
    state = %{
      instance: opts[:name],
      spec: opts[:hooks],
      # id => manifest
      plugins: %{},
      # monitor of a plugin's supervisor => id, and back
      monitors: %{},
      supervisors: %{}
    }

    {:ok, state, {:continue, {:begin, opts[:plugins] || []}}}
  end

  @impl GenServer
  def handle_continue({:begin, plugins}, state) do
    Table.settle(state.instance)
    state = Recovery.run(state.instance) |> Enum.reduce(state, &recovered/2)

    if Anchor.configured?(state.instance) do
      {:noreply, state}
    else
      state = load_configured(plugins, state)
      :ok = Anchor.configured(state.instance)
      {:noreply, state}
    end
  end

  @impl GenServer
  def handle_call(:await_ready, _from, state), do: {:reply, :ignore, state}

  def handle_call({:load, plugins, timeout}, _from, state) do
    case load(plugins, timeout, state) do
      {:ok, ids, state} -> {:reply, {:ok, ids}, state}
      {:error, error} -> {:reply, {:error, error}, state}
    end
  end

  def handle_call({:unload, id, cascade?}, {caller, _tag}, state) do
    with :ok <- check_loaded(id, state),
         {:ok, leaving} <- leaving(id, cascade?, state),
         :ok <- check_caller(caller, leaving, state) do
      {:reply, :ok, unload(leaving, state)}
    else
      error -> {:reply, error, state}
    end
  end

  def handle_call({:update_config, id, config, timeout}, {caller, _tag}, state) do
    with :ok <- check_loaded(id, state),
         :ok <- check_caller(caller, [id], state),
         {:ok, info} <- Config.Update.run(id, config, timeout, state.instance) do
      Events.emit(:plugin_config_updated, %{id: id}, instance: state.instance)
      {:reply, :ok, %{state | plugins: Map.put(state.plugins, id, info)}}
    else
      error -> {:reply, error, state}
    end
  end

  @impl GenServer
  def handle_info({:DOWN, monitor, :process, _pid, reason}, state) do
    case state.monitors do
      %{^monitor => id} -> {:noreply, lost(id, reason, forget_monitor(id, state))}
      %{} -> {:noreply, state}
    end
  end

  def handle_info(_message, state), do: {:noreply, state}

  # Loading

  defp load(plugins, timeout, state) do
    with {:ok, candidates} <- Candidate.prepare(plugins, state.plugins),
         {:ok, candidates} <- Load.resolve(candidates, running(state)),
         {:ok, candidates} <- Config.complete(candidates, timeout),
         {:ok, chains} <- Load.hooks(candidates, &Table.chain(state.instance, &1), state),
         {:ok, supervisors} <- Load.start(candidates, state.instance, timeout) do
      # Everything has started: from here nothing fails.
      Table.publish(state.instance, chains)
      ids = Enum.map(candidates, & &1.manifest.id)
      Load.mark(ids, :started, state.instance)
      Wanted.loaded(state.instance, Enum.map(candidates, & &1.module))
      state = candidates |> Enum.zip(supervisors) |> Enum.reduce(state, &remember/2)
      for id <- ids, do: Events.emit(:plugin_loaded, %{id: id}, instance: state.instance)
      {:ok, ids, state}
    end
  end

  # A plugin that has failed meets nobody's dependencies.
  defp running(state), do: Map.reject(state.plugins, fn {_id, info} -> info[:state] == :failed end)

  defp load_configured(plugins, state) do
    loaded = for {_id, info} <- state.plugins, module = info[:module], do: module
    load_left(Enum.reject(plugins, fn {module, _config} -> module in loaded end), state)
  end

  defp load_left([], state), do: state

  defp load_left(plugins, state) do
    case load(plugins, 30_000, state) do
      {:ok, _ids, state} -> state
      # One bad plugin stops neither the boot nor the others: find those that can be loaded one by one.
      {:error, _error} -> load_alone(plugins, state)
    end
  end

  # A plugin can come before one that it needs, so those that are left are tried again as long as one of them loads.
  defp load_alone(plugins, state) do
    {left, state} =
      Enum.flat_map_reduce(plugins, state, fn plugin, state ->
        case load([plugin], 30_000, state) do
          {:ok, _ids, state} -> {[], state}
          {:error, error} -> {[{plugin, error}], state}
        end
      end)

    if left == [] or length(left) == length(plugins) do
      for {{module, _config}, error} <- left do
        Logger.error(Exception.message(error))
        Wanted.missing(state.instance, module, error)
      end

      state
    else
      left |> Enum.map(&elem(&1, 0)) |> load_alone(state)
    end
  end

  defp remember({candidate, supervisor}, state) do
    remember(candidate.manifest, supervisor, state)
  end

  defp remember(manifest, supervisor, state) do
    monitor = Process.monitor(supervisor)

    %{
      state
      | plugins: Map.put(state.plugins, manifest.id, manifest),
        monitors: Map.put(state.monitors, monitor, manifest.id),
        supervisors: Map.put(state.supervisors, manifest.id, {supervisor, monitor})
    }
  end

  # Unloading

  defp check_loaded(id, state) do
    if is_map_key(state.plugins, id), do: :ok, else: {:error, {:not_loaded, id}}
  end

  defp leaving(id, true, state), do: {:ok, Dependents.all(state.plugins, id) ++ [id]}

  defp leaving(id, false, state) do
    case Dependents.direct(state.plugins, id) do
      [] -> {:ok, [id]}
      dependents -> {:error, {:required_by, dependents}}
    end
  end

  # A plugin cannot wait for its own end.
  defp check_caller(caller, leaving, state) do
    if Enum.any?(leaving, &(Names.whereis(state.instance, {:plugin, &1}) == caller)) do
      {:error, {:called_from_callback, :itself}}
    else
      :ok
    end
  end

  defp unload(ids, state) do
    Load.mark(ids, :stopping, state.instance)
    remove_hooks(ids, state)

    Enum.reduce(ids, state, fn id, state ->
      supervisor = state.supervisors[id]
      state = forget_monitor(id, state)

      with {pid, _monitor} <- supervisor,
           do: Pipeline.Plugin.Supervisor.stop_plugin(pid, instance: state.instance)

      {:ok, _} = Registry.unregister(Registry.of(state.instance), id)
      Events.emit(:plugin_unloaded, %{id: id}, instance: state.instance)
      %{state | plugins: Map.delete(state.plugins, id)}
    end)
  end

  defp remove_hooks(ids, %{instance: instance, plugins: plugins}) do
    Load.remove_hooks(Map.take(plugins, ids), Dependents.graph(plugins), instance)
  end

  defp forget_monitor(id, state) do
    case state.supervisors do
      %{^id => {_pid, monitor}} ->
        Process.demonitor(monitor, [:flush])

        %{
          state
          | monitors: Map.delete(state.monitors, monitor),
            supervisors: Map.delete(state.supervisors, id)
        }

      %{} ->
        state
    end
  end

  # The supervisor of a plugin ended, which nobody here asked for.
  defp lost(id, reason, state) do
    cond do
      # All plugins are ending, and so is this manager: the next one starts them again.
      not Pipeline.Plugin.Supervisor.running?(state.instance) -> state
      # It gave the plugin up.
      reason == :shutdown -> fail(id, reason, state)
      true -> id |> Recovery.restart(state.instance) |> recovered(state)
    end
  end

  # A plugin whose supervisor gave it up keeps its entry, so that plugin_info/2 can tell, and loses its hooks.
  defp fail(id, reason, state) do
    Load.mark([id], :failed, state.instance)
    state = %{state | plugins: Map.update!(state.plugins, id, &Map.put(&1, :state, :failed))}
    remove_hooks([id], state)
    Events.emit(:plugin_failed, %{id: id, reason: reason}, instance: state.instance)
    state
  end

  # Recovery

  defp recovered({:running, info, supervisor}, state), do: remember(info, supervisor, state)
  defp recovered({:failed, info}, state), do: keep(info, state)
  defp recovered({:lost, info, reason}, state), do: fail(info.id, reason, keep(info, state))

  defp keep(info, state), do: %{state | plugins: Map.put(state.plugins, info.id, info)}
end
