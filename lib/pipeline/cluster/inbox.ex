defmodule Pipeline.Cluster.Inbox do
  @moduledoc false
  # Receives events and messages for plugins from other nodes, and delivers them here in order.

  use GenServer

  alias Pipeline.Events
  alias Pipeline.Cluster.{Scope, Table}
  alias Pipeline.Instance.Names
  alias Pipeline.Plugin.RPC

  # With more messages in the mailbox, events are dropped and counted until half as many are left. The length is checked
  # once in so many events, and at each event while they are dropped.
  @max_queue 100_000
  @look 1_000

  @spec start_link(atom) :: GenServer.on_start()
  def start_link(instance) do
    GenServer.start_link(__MODULE__, instance, name: Names.via(instance, :cluster_inbox))
  end

  @impl GenServer
  def init(instance) do
    # Messages off the heap spare each garbage collection a walk over them: dropping 129,000 took 14 s, now 0.1 s.
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
