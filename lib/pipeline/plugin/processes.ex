defmodule Pipeline.Plugin.Processes do
  @moduledoc false
  # The parent of the processes of an instance's plugins. It is a supervisor that starts many at once and waits for none: a
  # process is there, and found by its plugin's id, as soon as it is spawned, and what it does first, init/1, is its own
  # affair. Each plugin has restarts of its own (`Pipeline.Plugin.Restarts`), so none can use up those of another.
  #
  # Where they are found is a table that outlives it, so that one after it can wait for the end of those that one before it
  # has left behind.

  use GenServer

  alias Pipeline.Plugin.{Child, Registry, Restarts, Wrapper}
  alias Pipeline.Instance.Names
  alias Pipeline.Plugin.Resources.{Limits, Monitor}

  @table __MODULE__

  # Milliseconds that processes get to end, as many as a supervisor gives a worker.
  @patience 5_000

  @doc "Makes the table, for all instances."
  @spec create_table() :: :ok
  def create_table do
    :ets.new(@table, [:named_table, :public, read_concurrency: true])
    :ok
  end

  @spec child_spec(atom) :: Supervisor.child_spec()
  def child_spec(instance) do
    %{id: __MODULE__, start: {__MODULE__, :start_link, [instance]}, type: :supervisor}
  end

  @spec start_link(atom) :: GenServer.on_start()
  def start_link(instance),
    do: GenServer.start_link(__MODULE__, instance, name: Names.via(instance, :plugins))

  @doc """
  Starts processes.

  The error is for one whose plugin has a process. One that has to be initialised sends its starter `{:plugin_done, pid,
  :ok | {:error, reason}}`.
  """
  @spec start(atom, [Child.t()]) :: [{:ok, pid} | {:error, {:already_started, pid}}]
  def start(instance, children),
    do: GenServer.call(Names.via(instance, :plugins), {:start, children}, :infinity)

  @doc "Ends the process of a plugin, after its stop/1, and lets it not come back."
  @spec stop(atom, Pipeline.Plugin.plugin_id(), Restarts.t() | nil) :: :ok
  def stop(instance, id, restarts) do
    if restarts, do: Restarts.disarm(restarts)

    with nil <- find(instance, id),
         # One that was just about to be started again is there then.
         true <- running?(instance),
         nil <- find(instance, id) do
      :ok
    else
      false ->
        :ok

      {pid, restarts} ->
        Restarts.disarm(restarts)
        Process.exit(pid, :shutdown)
        await_end([pid])
    end
  end

  @doc "The process of a plugin that runs here, with its restarts."
  @spec find(atom, Pipeline.Plugin.plugin_id()) :: {pid, Restarts.t()} | nil
  def find(instance, id) do
    with [{_key, pid, restarts}] <- :ets.lookup(@table, {instance, id}), true <- Process.alive?(pid) do
      {pid, restarts}
    else
      _ -> nil
    end
  end

  @doc "The plugins that have a process."
  @spec ids(atom) :: [Pipeline.Plugin.plugin_id()]
  def ids(instance), do: GenServer.call(Names.via(instance, :plugins), :ids, :infinity)

  @doc "Whether plugins can be started. What has been asked of it before is done then."
  @spec running?(atom) :: boolean
  def running?(instance) do
    GenServer.call(Names.via(instance, :plugins), :running?, :infinity)
  catch
    :exit, _ -> false
  end

  @impl GenServer
  def init(instance) do
    # So that it outlives its children, and ends them.
    Process.flag(:trap_exit, true)
    # Those of one that was killed are about to end.
    await_end(:ets.select(@table, [{{{instance, :_}, :"$1", :_}, [], [:"$1"]}]))
    :ets.match_delete(@table, {{instance, :_}, :_, :_})
    {:ok, %{instance: instance, children: %{}}}
  end

  @impl GenServer
  def handle_call({:start, children}, _from, state) do
    {results, {state, watched}} = Enum.map_reduce(children, {state, []}, &start_one/2)
    Monitor.watch(state.instance, watched, :told)
    {:reply, results, state}
  end

  def handle_call(:ids, _from, state) do
    {:reply, for({_pid, %Child{id: id}} <- state.children, do: id), state}
  end

  def handle_call(:running?, _from, state), do: {:reply, true, state}

  # As tools ask a supervisor.
  def handle_call(:which_children, _from, state) do
    {:reply, for({pid, child} <- state.children, do: {child.id, pid, :worker, [child.module]}), state}
  end

  def handle_call(:count_children, _from, %{children: children} = state) do
    count = map_size(children)
    {:reply, [specs: count, active: count, supervisors: 0, workers: count], state}
  end

  @impl GenServer
  def handle_info({:EXIT, pid, reason}, state) do
    case Map.pop(state.children, pid) do
      {nil, _} ->
        {:noreply, state}

      {%Child{} = child, children} ->
        Monitor.ended(state.instance, child.id, child.limits, reason)
        :ets.delete(@table, {state.instance, child.id})
        {:noreply, ended(child, %{state | children: children})}
    end
  end

  def handle_info(_message, state), do: {:noreply, state}

  @impl GenServer
  def terminate(_reason, %{instance: instance, children: children}) do
    pids = Map.keys(children)
    for pid <- pids, do: Process.exit(pid, :shutdown)
    await_end(pids)
    :ets.match_delete(@table, {{instance, :_}, :_, :_})
  end

  defp start_one(%Child{id: id, restarts: restarts} = child, {state, watched}) do
    case find(state.instance, id) do
      {pid, _restarts} ->
        {{:error, {:already_started, pid}}, {state, watched}}

      nil ->
        :first = Restarts.begin(restarts)
        {pid, state} = spawn_child(child, state)
        again? = child.then == :start and Monitor.to_run?(state.instance, id)
        {{:ok, pid}, {state, [{id, pid, child.limits, again?} | watched]}}
    end
  end

  defp spawn_child(%Child{} = child, state) do
    pid = :proc_lib.spawn_opt(Wrapper, :enter, [child], [:link | Limits.spawn_options(child.limits)])
    :ets.insert(@table, {{state.instance, child.id}, pid, child.restarts})
    {pid, %{state | children: Map.put(state.children, pid, child)}}
  end

  defp ended(%Child{id: id, restarts: restarts} = child, %{instance: instance} = state) do
    with :again <- Restarts.begin(restarts), {:ok, child} <- as_it_is(child, instance) do
      {pid, state} = spawn_child(%{child | starter: nil}, state)
      Monitor.watch(instance, [{id, pid, child.limits, Monitor.to_run?(instance, id)}], :told)
      state
    else
      :no ->
        state

      :given_up ->
        # A manager that is just being started finds out by itself.
        with pid when pid != nil <- Names.whereis(instance, :manager),
             do: send(pid, {:given_up, id, restarts})

        state
    end
  end

  # As what it is by now, which is not always what it was started as.
  defp as_it_is(%Child{registered?: false} = child, _instance), do: {:ok, child}

  defp as_it_is(%Child{restarts: restarts} = child, instance) do
    case Registry.info(Registry.owned(instance), child.id) do
      %{restarts: ^restarts, state: state} = info when state in [:loading, :started] ->
        {:ok, %{child | module: info.module, config: info.config, limits: info.limits}}

      # It crashed while the manager was about to stop it.
      _ ->
        Restarts.disarm(restarts)
        :given_up
    end
  end

  @doc "Waits for processes whose end has begun. Those that do not see it within 5 seconds are killed."
  @spec await_end([pid]) :: :ok
  def await_end(pids) do
    monitors = Map.new(pids, &{Process.monitor(&1), &1})
    timer = Process.send_after(self(), {:patience_ends, monitors}, @patience)
    await_each(monitors)
    Process.cancel_timer(timer)

    receive do
      {:patience_ends, ^monitors} -> :ok
    after
      0 -> :ok
    end
  end

  defp await_each(monitors) when monitors == %{}, do: :ok

  defp await_each(monitors) do
    receive do
      {:DOWN, monitor, :process, _pid, _reason} when is_map_key(monitors, monitor) ->
        await_each(Map.delete(monitors, monitor))

      {:patience_ends, _} ->
        for {_monitor, pid} <- monitors, do: Process.exit(pid, :kill)
        await_each(monitors)
    end
  end
end
