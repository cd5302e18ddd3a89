defmodule Pipeline.Events.Server do
  @moduledoc false
  # Writes the tables of subscriptions, removes those of processes that end, and starts watchers of slow
  # subscribers. All its state can be rebuilt from the tables.

  use GenServer

  alias Pipeline.Events.{Credit, Replay, Subscription, Subscriptions}

  @table Pipeline.Events.Subscribers

  # Subscriptions of one process. This server, which all instances share, walks over those of a process for each change,
  # and every emitter over all patterns.
  @most 1_000

  @spec create_table() :: :ok
  def create_table do
    :ets.new(@table, [:named_table, :public, read_concurrency: true])
    :ok
  end

  @spec start_link(term) :: GenServer.on_start()
  def start_link(_opts), do: GenServer.start_link(__MODULE__, [], name: __MODULE__)

  @doc "Subscribes the calling process, unless it is subscribed already or has too many subscriptions."
  @spec subscribe(Subscription.t(), nil | Replay.t()) :: :ok | :already | :too_many
  def subscribe(subscription, replay) do
    GenServer.call(__MODULE__, {:subscribe, subscription, replay}, :infinity)
  end

  @spec unsubscribe(Subscription.t()) :: :ok
  def unsubscribe(subscription), do: GenServer.call(__MODULE__, {:unsubscribe, subscription}, :infinity)

  @doc "Asks for a check of a subscriber's mailbox, without waiting. A server that starts checks all of them."
  @spec look(pid) :: :ok
  def look(pid), do: GenServer.cast(__MODULE__, {:look, pid})

  @spec dropped(pid) :: non_neg_integer
  def dropped(pid) do
    case :ets.lookup(@table, pid) do
      [{_, credit, _}] -> Credit.dropped(credit)
      [] -> 0
    end
  end

  @impl GenServer
  def init([]) do
    # Watchers are linked so that they end with this server, but they must not end it.
    Process.flag(:trap_exit, true)
    # Each step is short, and a late check would take a subscriber that keeps up for a slow one.
    Process.flag(:priority, :high)

    state = %{monitors: %{}, watchers: %{}}

    {:ok,
     for {pid, credit, _rows} <- :ets.tab2list(@table), reduce: state do
       state -> state |> monitor(pid) |> watch(pid, credit)
     end}
  end

  @impl GenServer
  def handle_call({:subscribe, subscription, replay}, {pid, _tag}, state) do
    {credit, rows, state} = subscriber(pid, subscription.max_queue, state)
    row = Subscriptions.row(subscription, pid, credit, replay)

    cond do
      Enum.any?(rows, &same?(&1, row)) ->
        {:reply, :already, state}

      length(rows) >= @most ->
        {:reply, :too_many, state}

      true ->
        # In this order, a restarted server finds every row that it may have to remove.
        :ets.insert(@table, {pid, credit, [row | rows]})
        if replay, do: Replay.open(replay)
        Subscriptions.insert(row)
        {:reply, :ok, state}
    end
  end

  def handle_call({:unsubscribe, subscription}, {pid, _tag}, state) do
    case :ets.lookup(@table, pid) do
      [{_, credit, rows}] ->
        row = Subscriptions.row(subscription, pid, credit, nil)
        {ending, left} = Enum.split_with(rows, &same?(&1, row))
        Enum.each(ending, &delete/1)
        {:reply, :ok, keep(pid, credit, left, state)}

      [] ->
        {:reply, :ok, state}
    end
  end

  @impl GenServer
  def handle_cast({:look, pid}, state) do
    case {:ets.lookup(@table, pid), state.watchers} do
      {[], _} -> {:noreply, state}
      {_, %{^pid => watcher}} -> {:noreply, put_in(state.watchers[watcher], {pid, :again})}
      {[{_, credit, _}], _} -> {:noreply, watch(state, pid, credit)}
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
        # A further check was requested while the watcher was ending, or the watcher was killed.
        if again == :again or reason != :normal, do: look(pid)
        {:noreply, state}
    end
  end

  def handle_info(_message, state), do: {:noreply, state}

  defp subscriber(pid, max, state) do
    case :ets.lookup(@table, pid) do
      [{_, credit, rows}] ->
        if max, do: Credit.limit(credit, max)
        if max, do: look(pid)
        {credit, rows, state}

      [] ->
        credit = Credit.new(max || 10_000)
        :ets.insert(@table, {pid, credit, []})
        {credit, [], monitor(state, pid)}
    end
  end

  defp keep(pid, _credit, [], state) do
    :ets.delete(@table, pid)
    {monitor, state} = pop_in(state.monitors[pid])
    Process.demonitor(monitor, [:flush])
    state
  end

  defp keep(pid, credit, rows, state) do
    :ets.insert(@table, {pid, credit, rows})
    state
  end

  defp delete({_key, {_pid, _credit, _meta?, _pattern, replay}} = row) do
    Subscriptions.delete(row)
    if replay, do: Replay.delete(replay)
  end

  # Two subscriptions to the same events, whatever their options.
  defp same?({key, {_, _, _, pattern, _}}, {key, {_, _, _, pattern, _}}), do: true
  defp same?(_row, _other), do: false

  defp monitor(state, pid), do: put_in(state.monitors[pid], Process.monitor(pid))

  # The map leads from a subscriber to its watcher and back.
  defp watch(state, pid, credit) do
    watcher = :erlang.spawn_opt(fn -> Credit.watch(credit, pid) end, [:link, priority: :high])
    %{state | watchers: Map.merge(state.watchers, %{pid => watcher, watcher => {pid, :once}})}
  end
end
