defmodule Pipeline.Cluster.Scope do
  @moduledoc false
  # The scope of :pg in which the instances of connected nodes find each other, and its groups:
  #
  #   * `{instance, :members}` - the process of each node that takes part in changes
  #   * `{instance, :inboxes}` - the process of each node that takes events and messages
  #   * `{instance, {:plugin, id}}` - of each node on which the plugin runs

  use Supervisor

  @scope Pipeline.Cluster

  # Milliseconds in which a scope that has crashed is back.
  @patience 5_000
  @pause 10

  @type group :: {instance :: term, :members | :inboxes | {:plugin, Pipeline.Plugin.plugin_id()}}

  @spec start_link(term) :: Supervisor.on_start()
  def start_link(_opts), do: Supervisor.start_link(__MODULE__, [])

  @impl Supervisor
  def init([]) do
    # Its members join again, so a restart loses nothing.
    scope = %{id: @scope, start: {:pg, :start_link, [@scope]}}
    Supervisor.init([scope], strategy: :one_for_one, max_restarts: 10, max_seconds: 5)
  end

  @doc """
  Watches the scope: who is in a group ends with it, to be started again and join the one that follows.
  """
  @spec watch() :: reference
  def watch, do: await(@patience) |> Process.monitor()

  defp await(left) do
    case Process.whereis(@scope) do
      nil when left > 0 ->
        receive do
        after
          @pause -> await(left - @pause)
        end

      nil ->
        exit(:no_scope)

      pid ->
        pid
    end
  end

  @spec join(group) :: :ok
  def join(group), do: :pg.join(@scope, group, self())

  @spec leave(group) :: :ok
  def leave(group) do
    _ = :pg.leave(@scope, group, self())
    :ok
  end

  @doc "The processes of a group on all nodes, in the order of the nodes."
  @spec members(group) :: [pid]
  def members(group), do: @scope |> :pg.get_members(group) |> Enum.sort_by(&node/1)

  @doc "The processes of a group on other nodes."
  @spec others(group) :: [pid]
  def others(group), do: for(pid <- :pg.get_members(@scope, group), node(pid) != node(), do: pid)

  @doc "The process of a node."
  @spec member(group, node) :: pid | nil
  def member(group, node), do: Enum.find(:pg.get_members(@scope, group), &(node(&1) == node))

  @doc """
  Has the caller told, by some message, that others may have joined a group.

  Before OTP 25.1 only of nodes that come; who joins later there is found by looking every now and then.
  """
  @spec follow(group) :: :ok
  def follow(group) do
    if Code.ensure_loaded?(:pg) and function_exported?(:pg, :monitor, 2) do
      {_reference, _members} = apply(:pg, :monitor, [@scope, group])
      :ok
    else
      :net_kernel.monitor_nodes(true)
    end
  end

  @doc "Sends to a process without ever waiting or connecting: `:busy` if its node does not take it."
  @spec send_now(pid, term) :: :ok | {:error, :busy | :nodedown}
  def send_now(pid, message) do
    case :erlang.send(pid, message, [:nosuspend, :noconnect]) do
      :ok -> :ok
      :nosuspend -> {:error, :busy}
      :noconnect -> {:error, :nodedown}
    end
  end
end
