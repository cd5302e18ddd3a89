defmodule Pipeline.Plugin.Resources.Monitor do
  @moduledoc false
  # Looks at the processes of an instance's plugins, again and again. What follows from a limit it leaves to a task,
  # since the manager may be busy with something else for long.

  use GenServer

  require Logger

  alias Pipeline.Plugin.{Events, Registry}
  alias Pipeline.Instance.Names
  alias Pipeline.Plugin.Resources.{Action, Limits, Track, Usage}

  @interval 1_000

  @spec start_link(keyword) :: GenServer.on_start()
  def start_link(opts), do: GenServer.start_link(__MODULE__, opts, name: Names.via(opts[:name], :monitor))

  @doc """
  Tells that processes of plugins have started, and whether they ran before. Whoever starts them does not wait.

  Who says `:told` calls `ended/4` too: a process may have ended before it is watched, and nobody else then knows of what.
  """
  @spec watch(atom, [{Pipeline.Plugin.plugin_id(), pid, Limits.t(), again? :: boolean}], :told | :seen) :: :ok
  def watch(instance, started, ends) do
    GenServer.cast(Names.via(instance, :monitor), {:watch, started, ends, now()})
  end

  @doc "Tells of what the process of a plugin has ended."
  @spec ended(atom, Pipeline.Plugin.plugin_id(), Limits.t(), reason :: term) :: :ok
  def ended(instance, id, limits, reason) do
    case Track.killed(id, limits, reason) do
      [] -> :ok
      exceeded -> GenServer.cast(Names.via(instance, :monitor), {:exceeded, exceeded})
    end
  end

  @doc "Whether a plugin is to have a process, for all that the registry knows. One that starts then comes back."
  @spec to_run?(atom, Pipeline.Plugin.plugin_id()) :: boolean
  def to_run?(instance, id), do: match?(%{state: :started}, Registry.info(Registry.owned(instance), id))

  @spec sample(atom) :: [Pipeline.Plugin.Resources.exceeded()]
  def sample(instance) do
    _ = Registry.owned(instance)
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
      # id => track
      plugins: %{},
      # monitor of a process => {:plugin, track as it began, ends}, or {:action, pid} of the plugin's process that it deals with
      monitors: %{},
      # pids of plugins about which something is being done
      busy: MapSet.new()
    }

    {:ok, schedule(find(state))}
  end

  # Those that a monitor before this one has left behind. When they started nobody knows.
  defp find(%{instance: instance} = state) do
    for %{id: id} = info <- Registry.list(Registry.owned(instance)),
        pid = Names.whereis(instance, {:plugin, id}),
        reduce: state do
      state ->
        limits = Map.get(info, :limits, %{})
        enter(state, %Track{id: id, pid: pid, limits: limits, started_at: nil, restarts: nil}, :told)
    end
  end

  @impl GenServer
  def handle_cast({:watch, started, ends, at}, state) do
    {:noreply, Enum.reduce(started, state, &take(&1, ends, at, &2))}
  end

  def handle_cast({:exceeded, exceeded}, state) do
    for one <- exceeded, do: report(one, state)
    {:noreply, state}
  end

  @impl GenServer
  def handle_call(:sample, _from, state) do
    {exceeded, state} = look(state)
    {:reply, exceeded, state}
  end

  def handle_call({:known, ids}, _from, state) do
    now = now()
    known = for {id, track} <- Map.take(state.plugins, ids), into: %{}, do: {id, Track.tell(track, now)}
    {:reply, known, state}
  end

  @impl GenServer
  def handle_info(:sample, state) do
    {_exceeded, state} = look(state)
    {:noreply, schedule(state)}
  end

  def handle_info({:DOWN, monitor, :process, _pid, reason}, state) do
    case Map.pop(state.monitors, monitor) do
      {{:plugin, track, ends}, monitors} ->
        {:noreply, gone(%{state | monitors: monitors}, track, ends, reason)}

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

  defp take({id, pid, limits, again?}, ends, at, state) do
    restarts =
      case state.plugins do
        %{^id => %Track{restarts: n}} when again? -> n && n + 1
        %{} -> if again?, do: nil, else: 0
      end

    # It may have been found already.
    if match?(%{^id => %Track{pid: ^pid}}, state.plugins),
      do: state,
      else: enter(state, %Track{id: id, pid: pid, limits: limits, started_at: at, restarts: restarts}, ends)
  end

  defp enter(state, track, ends) do
    %{
      state
      | plugins: Map.put(state.plugins, track.id, track),
        monitors: Map.put(state.monitors, Process.monitor(track.pid), {:plugin, track, ends})
    }
  end

  defp gone(state, %Track{id: id, pid: pid, limits: limits}, ends, reason) do
    if ends == :seen, do: for(exceeded <- Track.killed(id, limits, reason), do: report(exceeded, state))

    case state.plugins do
      # The number of restarts is kept for the process that comes next, if one does.
      %{^id => %Track{pid: ^pid} = track} ->
        keep(state, id, to_run?(state.instance, id) && %{track | pid: nil})

      # The start of the next one can be told ahead of the end of this one.
      %{} ->
        state
    end
  end

  defp keep(state, id, false), do: %{state | plugins: Map.delete(state.plugins, id)}
  defp keep(state, id, track), do: %{state | plugins: Map.put(state.plugins, id, track)}

  # Sampling

  defp look(state) do
    # It was not started again.
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

  # Everything is told; what is done is the harshest of it.
  defp act([], _pid, state), do: state

  defp act(exceeded, pid, state) do
    for one <- exceeded, do: report(one, state)

    case exceeded |> Enum.max_by(&Action.severity(&1.action)) |> Action.begin(pid, state.instance) do
      nil ->
        state

      task ->
        monitors = Map.put(state.monitors, Process.monitor(task), {:action, pid})
        %{state | monitors: monitors, busy: MapSet.put(state.busy, pid)}
    end
  end

  defp report(exceeded, state) do
    Logger.warning(Action.sentence(exceeded))
    Events.emit(:plugin_limit_exceeded, exceeded, instance: state.instance)
  end

  defp now, do: System.monotonic_time()
end
