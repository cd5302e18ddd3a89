defmodule Pipeline.Events.Server do
  @moduledoc false
  # Writes the tables of subscriptions, ends those of processes that end, and has subscribers looked at. All that it
  # knows is in the tables.

  use GenServer

  alias Pipeline.Events.{Credit, Replay, Subscription, Subscriptions}

  @table Pipeline.Events.Subscribers

  @spec create_table() :: :ok
  def create_table do
    :ets.new(@table, [:named_table, :public, read_concurrency: true])
    :ok
  end

  @spec start_link(term) :: GenServer.on_start()
  def start_link(_opts), do: GenServer.start_link(__MODULE__, [], name: __MODULE__)

  @doc "Subscribes the calling process, unless it is."
  @spec subscribe(Subscription.t(), nil | Replay.t()) :: :ok | :already
  def subscribe(subscription, replay) do
    GenServer.call(__MODULE__, {:subscribe, subscription, replay}, :infinity)
  end

  @spec unsubscribe(Subscription.t()) :: :ok
  def unsubscribe(subscription), do: GenServer.call(__MODULE__, {:unsubscribe, subscription}, :infinity)

  @doc "Has a subscriber looked at, without waiting. A server that is just being started looks at all anyway."
  @spec look(pid) :: :ok
  def look(pid), do: GenServer.cast(__MODULE__, {:look, pid})

  @spec dropped(pid) :: non_neg_integer
  def dropped(pid) do
    case :ets.lookup(@table, pid) do
      [{_, gauge, _}] -> Credit.dropped(gauge)
      [] -> 0
    end
  end

  @impl GenServer
  def init([]) do
    # The watchers are linked, to end with this server and not to end it.
    Process.flag(:trap_exit, true)
    # It does little at a time, and a subscriber that keeps up must not be taken for one that does not.
    Process.flag(:priority, :high)

    state = %{monitors: %{}, watchers: %{}}

    {:ok,
     for {pid, gauge, _rows} <- :ets.tab2list(@table), reduce: state do
       state -> state |> monitor(pid) |> watch(pid, gauge)
     end}
  end

  @impl GenServer
  def handle_call({:subscribe, subscription, replay}, {pid, _tag}, state) do
    {gauge, rows, state} = subscriber(pid, subscription.max_queue, state)
    row = Subscriptions.row(subscription, pid, gauge, replay)

    if Enum.any?(rows, &same?(&1, row)) do
      {:reply, :already, state}
    else
      # First what a server after this one would have to take out again.
      :ets.insert(@table, {pid, gauge, [row | rows]})
      if replay, do: Replay.open(replay)
      Subscriptions.insert(row)
      {:reply, :ok, state}
    end
  end

  def handle_call({:unsubscribe, subscription}, {pid, _tag}, state) do
    case :ets.lookup(@table, pid) do
      [{_, gauge, rows}] ->
        row = Subscriptions.row(subscription, pid, gauge, nil)
        {ending, left} = Enum.split_with(rows, &same?(&1, row))
        Enum.each(ending, &delete/1)
        {:reply, :ok, keep(pid, gauge, left, state)}

      [] ->
        {:reply, :ok, state}
    end
  end

  @impl GenServer
  def handle_cast({:look, pid}, state) do
    case {:ets.lookup(@table, pid), state.watchers} do
      {[], _} -> {:noreply, state}
      {_, %{^pid => watcher}} -> {:noreply, put_in(state.watchers[watcher], {pid, :again})}
      {[{_, gauge, _}], _} -> {:noreply, watch(state, pid, gauge)}
    end
  end

  @impl GenServer
  def handle_info({:DOWN, _monitor, :process, pid, _reason}, state) do
    for {_, _, rows} <- :ets.lookup(@table, pid), do: Enum.each(rows, &delete/1)
    :ets.delete(@table, pid)
    {:noreply, %{state | monitors: Map.delete(state.monitors, pid)}}
  end

  def handle_info({:EXIT, watcher, reason}, state) do
    case pop_in(state.watchers[watcher]) do
      {nil, state} ->
        {:noreply, state}

      {{pid, again}, state} ->
        state = %{state | watchers: Map.delete(state.watchers, pid)}
        # It was asked for once more when it was about to be done, or was killed.
        if again == :again or reason != :normal, do: look(pid)
        {:noreply, state}
    end
  end

  def handle_info(_message, state), do: {:noreply, state}

  defp subscriber(pid, max, state) do
    case :ets.lookup(@table, pid) do
      [{_, gauge, rows}] ->
        if max, do: Credit.limit(gauge, max)
        if max, do: look(pid)
        {gauge, rows, state}

      [] ->
        gauge = Credit.new(max || 10_000)
        :ets.insert(@table, {pid, gauge, []})
        {gauge, [], monitor(state, pid)}
    end
  end

  defp keep(pid, _gauge, [], state) do
    :ets.delete(@table, pid)
    {monitor, state} = pop_in(state.monitors[pid])
    Process.demonitor(monitor, [:flush])
    state
  end

  defp keep(pid, gauge, rows, state) do
    :ets.insert(@table, {pid, gauge, rows})
    state
  end

  defp delete({_key, {_pid, _gauge, _meta?, _pattern, replay}} = row) do
    Subscriptions.delete(row)
    if replay, do: Replay.delete(replay)
  end

  # Two subscriptions to the same events, whatever else they differ in.
  defp same?({key, {_, _, _, pattern, _}}, {key, {_, _, _, pattern, _}}), do: true
  defp same?(_row, _other), do: false

  defp monitor(state, pid), do: put_in(state.monitors[pid], Process.monitor(pid))

  # A watcher is found by the subscriber that it watches, and that by the watcher.
  defp watch(state, pid, gauge) do
    watcher = :erlang.spawn_opt(fn -> Credit.watch(gauge, pid) end, [:link, priority: :high])
    %{state | watchers: Map.merge(state.watchers, %{pid => watcher, watcher => {pid, :once}})}
  end
end
