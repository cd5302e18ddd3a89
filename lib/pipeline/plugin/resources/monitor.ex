defmodule Pipeline.Plugin.Resources.Monitor do
  @moduledoc false
  # Samples the processes of an instance's plugins. Actions run in tasks, since the manager may be busy for
  # long.

  use GenServer

  require Logger

  alias Pipeline.Plugin.{Events, Log, Recompiled, Registry}
  alias Pipeline.Instance.Names
  alias Pipeline.Plugin.Resources.{Action, Limits, Track, Usage}

  @interval 1_000

  # Milliseconds that the start of a plugin waits for it.
  @patience 1_000

  @spec start_link(keyword) :: GenServer.on_start()
  def start_link(opts), do: GenServer.start_link(__MODULE__, opts, name: Names.via(opts[:name], :monitor))

  @doc """
  Has the calling process, which is a plugin's, watched from here on, before it runs code of the plugin.

  A monitor that is not there finds the process when it starts.
  """
  @spec watch(atom, Pipeline.Plugin.plugin_id(), Limits.t()) :: :ok
  def watch(instance, id, limits) do
    track = %Track{id: id, pid: self(), limits: limits, started_at: now(), restarts: nil}
    GenServer.call(Names.via(instance, :monitor), {:watch, track}, @patience)
  catch
    :exit, _ -> :ok
  end

  # A plugin that is to have a process. One that starts then comes back.
  defp to_run?(instance, id), do: match?(%{state: :started}, Registry.info(Registry.owned(instance), id))

  @spec sample(atom) :: [Pipeline.Plugin.Resources.exceeded()]
  def sample(instance) do
    _ = Registry.owned(instance)
    GenServer.call(Names.via(instance, :monitor), :sample, :infinity)
  catch
    # The monitor is being restarted and has no samples.
    :exit, {reason, _} when reason in [:noproc, :shutdown, :normal, :killed] -> []
  end

  @doc "What the monitor adds to the figures of the VM, for those of the plugins that it knows."
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
      manager: opts[:manager],
      interval: opts[:sample_interval] || @interval,
      # id => track
      plugins: %{},
      # monitor of a process => {:plugin, track as it began}, or {:action, pid} of the plugin's process that it deals with
      monitors: %{},
      # pids of plugins for which an action is running
      busy: MapSet.new(),
      # Of plugins that run, in development.
      code: %{}
    }

    {:ok, state |> find() |> recompiled() |> schedule()}
  end

  # Plugins that an earlier monitor watched. Their start times are unknown.
  defp find(%{instance: instance} = state) do
    for %{id: id} = info <- Registry.list(Registry.owned(instance)),
        pid = Names.whereis(instance, {:plugin, id}),
        reduce: state do
      state ->
        limits = Map.get(info, :limits, %{})
        enter(state, %Track{id: id, pid: pid, limits: limits, started_at: nil, restarts: nil})
    end
  end

  @impl GenServer
  def handle_call({:watch, track}, _from, state), do: {:reply, :ok, take(track, state)}

  def handle_call(:sample, _from, state) do
    {exceeded, state} = look(state)
    {:reply, exceeded, recompiled(state)}
  end

  def handle_call({:known, ids}, _from, state) do
    now = now()
    known = for {id, track} <- Map.take(state.plugins, ids), into: %{}, do: {id, Track.tell(track, now)}
    {:reply, known, state}
  end

  @impl GenServer
  def handle_info(:sample, state) do
    {_exceeded, state} = look(state)
    {:noreply, state |> recompiled() |> schedule()}
  end

  def handle_info({:DOWN, monitor, :process, _pid, reason}, state) do
    case Map.pop(state.monitors, monitor) do
      {{:plugin, track}, monitors} ->
        {:noreply, gone(%{state | monitors: monitors}, track, reason)}

      {{:action, of}, monitors} ->
        {:noreply, %{state | monitors: monitors, busy: MapSet.delete(state.busy, of)}}

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

  defp take(%Track{id: id, pid: pid} = track, state) do
    again? = to_run?(state.instance, id)

    restarts =
      case state.plugins do
        %{^id => %Track{restarts: n}} when again? -> n && n + 1
        %{} -> if again?, do: nil, else: 0
      end

    # `find/1` may have found it already.
    if match?(%{^id => %Track{pid: ^pid}}, state.plugins),
      do: state,
      else: enter(state, %{track | restarts: restarts})
  end

  defp enter(state, track) do
    %{
      state
      | plugins: Map.put(state.plugins, track.id, track),
        monitors: Map.put(state.monitors, Process.monitor(track.pid), {:plugin, track})
    }
  end

  defp gone(state, %Track{id: id, pid: pid, limits: limits}, reason) do
    for exceeded <- Track.killed(id, limits, reason), do: report(exceeded, state)

    case state.plugins do
      # Keeps the number of restarts for the next process.
      %{^id => %Track{pid: ^pid} = track} ->
        keep(state, id, to_run?(state.instance, id) && %{track | pid: nil})

      # The next process may be announced before this one ends.
      %{} ->
        state
    end
  end

  defp keep(state, id, false), do: %{state | plugins: Map.delete(state.plugins, id)}
  defp keep(state, id, track), do: %{state | plugins: Map.put(state.plugins, id, track)}

  defp recompiled(state) do
    if Recompiled.look?(),
      do: %{state | code: Recompiled.look(state.code, state.instance)},
      else: state
  end

  # Sampling

  defp look(state) do
    # These were not started again.
    gone = for {id, %Track{pid: nil}} <- state.plugins, not to_run?(state.instance, id), do: id
    state = %{state | plugins: Map.drop(state.plugins, gone)}
    Enum.flat_map_reduce(Map.values(state.plugins), state, &look_at/2)
  end

  defp look_at(%Track{pid: pid} = track, state) do
    case pid && Usage.figures(pid) do
      nil ->
        {[], state}

      figures ->
        {found, new, track} = Track.take(track, figures, now())
        state = keep(state, track.id, track)
        {found, if(pid in state.busy, do: state, else: act(new, pid, state))}
    end
  end

  # Reports every exceeded limit, and takes only the most severe action.
  defp act([], _pid, state), do: state

  defp act(exceeded, pid, state) do
    for one <- exceeded, do: report(one, state)

    case exceeded
         |> Enum.max_by(&Action.severity(&1.action))
         |> Action.begin(pid, state.instance, state.manager) do
      nil ->
        state

      task ->
        monitors = Map.put(state.monitors, Process.monitor(task), {:action, pid})
        %{state | monitors: monitors, busy: MapSet.put(state.busy, pid)}
    end
  end

  defp report(exceeded, state) do
    Logger.warning(Action.sentence(exceeded), Log.metadata(exceeded.id, state.instance))
    Events.emit(:plugin_limit_exceeded, exceeded, instance: state.instance)
  end

  defp now, do: System.monotonic_time()
end
