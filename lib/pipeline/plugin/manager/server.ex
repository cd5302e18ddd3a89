defmodule Pipeline.Plugin.Manager.Server do
  @moduledoc false
  # Serialises what changes an instance. What it knows, it knows from the registry, so that after a crash it goes on
  # where it was: its own state is a cache of that, and the monitors.

  use GenServer

  require Logger

  alias Pipeline.Hook.Table
  alias Pipeline.Plugin.{Anchor, Dependents, Events, Names, Registry}
  alias Pipeline.Plugin.Manager.{Candidate, Load, Recovery}

  @spec start_link(keyword) :: GenServer.on_start()
  def start_link(opts), do: GenServer.start_link(__MODULE__, opts, name: name(opts[:name]))

  @spec name(atom) :: GenServer.name()
  def name(instance), do: Names.via(instance, :manager)

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
  def handle_call({:load, plugins, timeout}, _from, state) do
    case load(plugins, timeout, state) do
      {:ok, ids, state} -> {:reply, {:ok, ids}, state}
      {:error, error} -> {:reply, {:error, error}, state}
    end
  end

  def handle_call({:unload, id, cascade?}, _from, state) do
    cond do
      not is_map_key(state.plugins, id) ->
        {:reply, {:error, {:not_loaded, id}}, state}

      cascade? ->
        {:reply, :ok, unload(Dependents.all(state.plugins, id) ++ [id], state)}

      true ->
        case Dependents.direct(state.plugins, id) do
          [] -> {:reply, :ok, unload([id], state)}
          dependents -> {:reply, {:error, {:required_by, dependents}}, state}
        end
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
         {:ok, candidates} <- Load.resolve(candidates, state.plugins),
         {:ok, chains} <- Load.hooks(candidates, &Table.chain(state.instance, &1), state),
         {:ok, supervisors} <- Load.start(candidates, state.instance, timeout) do
      # Everything has started: from here nothing fails.
      Table.publish(state.instance, chains)
      ids = Enum.map(candidates, & &1.manifest.id)
      Load.mark(ids, :started, state.instance)
      state = candidates |> Enum.zip(supervisors) |> Enum.reduce(state, &remember/2)
      for id <- ids, do: Events.emit(:plugin_loaded, %{id: id}, instance: state.instance)
      {:ok, ids, state}
    end
  end

  defp load_configured(plugins, state) do
    loaded = for {_id, info} <- state.plugins, module = info[:module], do: module
    load_left(Enum.reject(plugins, &(elem(with_config(&1), 0) in loaded)), state)
  end

  defp load_left([], state), do: state

  defp load_left(plugins, state) do
    case load(Enum.map(plugins, &with_config/1), 30_000, state) do
      {:ok, _ids, state} ->
        state

      {:error, error} ->
        # One bad plugin stops neither the boot nor the others: find those that can be loaded one by one.
        log_failure(error)
        Enum.reduce(plugins, state, &load_alone/2)
    end
  end

  defp load_alone(plugin, state) do
    case load([with_config(plugin)], 30_000, state) do
      {:ok, _ids, state} ->
        state

      {:error, error} ->
        log_failure(error)
        state
    end
  end

  defp log_failure(error), do: Logger.error(Exception.message(error))

  defp with_config({module, config}), do: {module, config}
  defp with_config(module), do: {module, %{}}

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
