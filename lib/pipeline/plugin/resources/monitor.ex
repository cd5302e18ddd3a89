defmodule Pipeline.Plugin.Resources.Monitor do
  @moduledoc false
  # Looks at the processes of an instance's plugins, again and again. What follows from a limit it leaves to a task,
  # since the manager may be busy with something else for long.

  use GenServer

  require Logger

  alias Pipeline.Plugin.{Events, Names, Registry}
  alias Pipeline.Plugin.Resources.{Action, Limits, Usage}

  @interval 1_000

  @spec start_link(keyword) :: GenServer.on_start()
  def start_link(opts), do: GenServer.start_link(__MODULE__, opts, name: Names.via(opts[:name], :monitor))

  @doc "Tells that the process of a plugin has started. Whoever starts one does not wait."
  @spec watch(GenServer.on_start(), atom, Pipeline.Plugin.plugin_id(), Limits.t()) :: GenServer.on_start()
  def watch({:ok, pid} = started, instance, id, limits) do
    # A plugin that runs already, for all that the registry knows, comes back.
    again? = to_run?(instance, id)
    GenServer.cast(Names.via(instance, :monitor), {:watch, id, pid, limits, now(), again?})
    started
  end

  def watch(not_started, _instance, _id, _limits), do: not_started

  @spec sample(atom) :: [Pipeline.Plugin.Resources.exceeded()]
  def sample(instance) do
    _ = Registry.of(instance)
    GenServer.call(Names.via(instance, :monitor), :sample, :infinity)
  catch
    # It is being restarted and has seen nothing.
    :exit, {reason, _} when reason in [:noproc, :shutdown, :normal, :killed] -> []
  end

  @doc "What it knows beyond what the VM tells, of those of the plugins that it knows."
  @spec known(atom, [Pipeline.Plugin.plugin_id()]) :: %{Pipeline.Plugin.plugin_id() => map}
  def known(instance, ids) do
    GenServer.call(Names.via(instance, :monitor), {:known, ids})
  catch
    :exit, _ -> %{}
  end

  @impl GenServer
  def init(opts) do
    state = %{
      instance: opts[:name],
      interval: opts[:sample_interval] || @interval,
      # id => what is known of the plugin
      plugins: %{},
      # monitor of a process => {:plugin, id} or {:action, id}
      monitors: %{},
      # ids of plugins of which something is being done
      busy: MapSet.new()
    }

    {:ok, schedule(find(state))}
  end

  # Those that a monitor before this one has left behind. When they started nobody knows.
  defp find(%{instance: instance} = state) do
    for %{id: id} = info <- Registry.list(Registry.of(instance)),
        pid = Names.whereis(instance, {:plugin, id}),
        reduce: state do
      state -> enter(state, id, pid, Map.get(info, :limits, %{}), nil, nil)
    end
  end

  @impl GenServer
  def handle_cast({:watch, id, pid, limits, at, again?}, state) do
    case state.plugins do
      # Found already.
      %{^id => %{pid: ^pid}} -> {:noreply, state}
      %{^id => %{restarts: n}} when again? -> {:noreply, enter(state, id, pid, limits, at, n && n + 1)}
      %{} -> {:noreply, enter(state, id, pid, limits, at, if(again?, do: nil, else: 0))}
    end
  end

  @impl GenServer
  def handle_call(:sample, _from, state) do
    {exceeded, state} = look(state)
    {:reply, exceeded, state}
  end

  def handle_call({:known, ids}, _from, state) do
    now = now()
    known = for {id, plugin} <- Map.take(state.plugins, ids), into: %{}, do: {id, tell(plugin, now)}
    {:reply, known, state}
  end

  @impl GenServer
  def handle_info(:sample, state) do
    {_exceeded, state} = look(state)
    {:noreply, schedule(state)}
  end

  def handle_info({:DOWN, monitor, :process, pid, reason}, state) do
    case Map.pop(state.monitors, monitor) do
      {{:plugin, id}, monitors} ->
        {:noreply, ended(%{state | monitors: monitors}, id, pid, reason)}

      {{:action, id}, monitors} ->
        {:noreply, %{state | monitors: monitors, busy: MapSet.delete(state.busy, id)}}

      {nil, _} ->
        {:noreply, state}
    end
  end

  def handle_info(_message, state), do: {:noreply, state}

  defp schedule(%{interval: :infinity} = state), do: state

  defp schedule(%{interval: interval} = state) do
    Process.send_after(self(), :sample, interval)
    state
  end

  defp enter(state, id, pid, limits, at, restarts) do
    plugin = %{
      pid: pid,
      limits: limits,
      started_at: at,
      restarts: restarts,
      last: nil,
      rate: nil,
      over: MapSet.new()
    }

    %{
      state
      | plugins: Map.put(state.plugins, id, plugin),
        monitors: Map.put(state.monitors, Process.monitor(pid), {:plugin, id})
    }
  end

  defp ended(state, id, pid, reason) do
    case state.plugins do
      %{^id => %{pid: ^pid} = plugin} ->
        with %{max_heap: {limit, :kill}} when reason == :killed <- plugin.limits do
          report(%{id: id, what: :max_heap, limit: limit, value: nil, action: :kill}, state)
        end

        # The number of restarts is kept for the process that comes next, if one does.
        if to_run?(state.instance, id),
          do: put_in(state.plugins[id].pid, nil),
          else: %{state | plugins: Map.delete(state.plugins, id)}

      %{} ->
        state
    end
  end

  defp tell(plugin, now) do
    %{
      pid: plugin.pid,
      reductions_per_second: plugin.rate,
      uptime: plugin.started_at && System.convert_time_unit(now - plugin.started_at, :native, :millisecond),
      restarts: plugin.restarts
    }
  end

  # Sampling

  defp look(state) do
    # It was not started again.
    gone = for {id, %{pid: nil}} <- state.plugins, not to_run?(state.instance, id), do: id
    state = %{state | plugins: Map.drop(state.plugins, gone)}

    Enum.reduce(state.plugins, {[], state}, fn {id, plugin}, {exceeded, state} ->
      case plugin.pid && Usage.figures(plugin.pid) do
        nil ->
          {exceeded, state}

        figures ->
          {found, state} = judge(id, plugin, figures, state)
          {exceeded ++ found, state}
      end
    end)
  end

  defp judge(id, plugin, figures, state) do
    now = now()
    plugin = %{plugin | rate: rate(plugin, figures, now), last: {figures.reductions, now}}
    usage = Map.put(figures, :reductions_per_second, plugin.rate)

    found =
      for {what, limit, value, action} <- Limits.exceeded(plugin.limits, usage) do
        %{id: id, what: what, limit: limit, value: value, action: action}
      end

    new = Enum.reject(found, &(&1.action == :warn and &1.what in plugin.over))
    plugin = %{plugin | over: MapSet.new(found, & &1.what)}
    state = put_in(state.plugins[id], plugin)
    {found, if(id in state.busy, do: state, else: act(new, plugin.pid, state))}
  end

  defp rate(%{last: nil, rate: rate}, _figures, _now), do: rate
  defp rate(%{last: {_reductions, now}, rate: rate}, _figures, now), do: rate

  defp rate(%{last: {reductions, at}}, figures, now) do
    div((figures.reductions - reductions) * System.convert_time_unit(1, :second, :native), now - at)
  end

  # Everything is told; what is done is the harshest of it.
  defp act([], _pid, state), do: state

  defp act(exceeded, pid, state) do
    for one <- exceeded, do: report(one, state)
    harshest = Enum.max_by(exceeded, &Action.severity(&1.action))

    case Action.begin(harshest, pid, state.instance) do
      nil ->
        state

      task ->
        monitor = Process.monitor(task)

        %{
          state
          | monitors: Map.put(state.monitors, monitor, {:action, harshest.id}),
            busy: MapSet.put(state.busy, harshest.id)
        }
    end
  end

  defp report(exceeded, state) do
    Logger.warning(Action.sentence(exceeded))
    Events.emit(:plugin_limit_exceeded, exceeded, instance: state.instance)
  end

  # Whether it is to have a process, for all that the registry knows.
  defp to_run?(instance, id) do
    match?(%{state: state} when state in [:starting, :started], Registry.get(Registry.of(instance), id))
  end

  defp now, do: System.monotonic_time()
end
