defmodule Pipeline.Cluster.Inbox do
  @moduledoc false
  # Takes what other nodes send, events and messages for plugins, in the order in which it comes, and hands it on here.

  use GenServer

  alias Pipeline.Events
  alias Pipeline.Cluster.{Scope, Table}
  alias Pipeline.Instance.Names
  alias Pipeline.Plugin.RPC

  # Above this many messages in the mailbox events are dropped and counted, until there are half as many. It is looked at once in
  # so many events, and at each while they are dropped.
  @max_queue 100_000
  @look 1_000

  @spec start_link(atom) :: GenServer.on_start()
  def start_link(instance) do
    GenServer.start_link(__MODULE__, instance, name: Names.via(instance, :cluster_inbox))
  end

  @impl GenServer
  def init(instance) do
    # With many waiting each garbage collection would go through them all: to drop 129,000 took 14 s, and takes 0.1 s so.
    Process.flag(:message_queue_data, :off_heap)
    scope = Scope.watch()
    :ok = Scope.join({instance, :inboxes})
    {:ok, %{instance: instance, scope: scope, dropping?: false, until_look: @look}}
  end

  @impl GenServer
  def handle_info({:pipeline_cluster_event, event, payload}, state) do
    state = look(state)

    if state.dropping?,
      do: :counters.add(Table.settings(state.instance).dropped, 1, 1),
      else: Events.emit(event, payload, instance: state.instance)

    {:noreply, state}
  end

  def handle_info({:pipeline_cluster_message, id, message}, state) do
    _ = RPC.cast(id, message, instance: state.instance, node: node())
    {:noreply, state}
  end

  def handle_info({:DOWN, scope, :process, _pid, _reason}, %{scope: scope} = state) do
    {:stop, {:shutdown, :scope_ended}, state}
  end

  def handle_info(_message, state), do: {:noreply, state}

  defp look(%{dropping?: true} = state), do: %{state | dropping?: waiting() > div(@max_queue, 2)}
  defp look(%{until_look: 0} = state), do: %{state | until_look: @look, dropping?: waiting() > @max_queue}
  defp look(state), do: %{state | until_look: state.until_look - 1}

  defp waiting do
    {:message_queue_len, length} = Process.info(self(), :message_queue_len)
    length
  end
end
