defmodule Pipeline.Cluster.Watch do
  @moduledoc false
  # Watches nodes join and leave the cluster, emits events about it, and has the member compare its table with nodes that
  # join.
  #
  # The member cannot do this itself: before OTP 26.2 the scope crashes when a process ends that both monitors a group and
  # is in it (erlang/otp issue 7625).

  use GenServer

  alias Pipeline.Cluster.{Member, Scope}
  alias Pipeline.Plugin.Events
  alias Pipeline.Instance.Names

  @spec start_link(atom) :: GenServer.on_start()
  def start_link(instance) do
    GenServer.start_link(__MODULE__, instance, name: Names.via(instance, :cluster_watch))
  end

  @impl GenServer
  def init(instance) do
    scope = Scope.watch()
    group = {instance, :members}
    :ok = Scope.follow(group)
    Member.met(instance, Scope.others(group))
    {:ok, %{instance: instance, group: group, scope: scope}}
  end

  @impl GenServer
  def handle_info({_reference, :join, group, pids}, %{group: group} = state) do
    pids = others(pids)
    for pid <- pids, do: Events.emit(:node_joined, %{node: node(pid)}, instance: state.instance)
    Member.met(state.instance, pids)
    {:noreply, state}
  end

  def handle_info({_reference, :leave, group, pids}, %{group: group} = state) do
    for pid <- others(pids), do: Events.emit(:node_left, %{node: node(pid)}, instance: state.instance)
    {:noreply, state}
  end

  # Before OTP 25.1. The member's comparisons find nodes that have not joined yet.
  def handle_info({:nodeup, _node}, state) do
    Member.met(state.instance, Scope.others(state.group))
    {:noreply, state}
  end

  def handle_info({:DOWN, scope, :process, _pid, _reason}, %{scope: scope} = state) do
    {:stop, {:shutdown, :scope_ended}, state}
  end

  def handle_info(_message, state), do: {:noreply, state}

  defp others(pids), do: Enum.reject(pids, &(node(&1) == node()))
end
