defmodule Pipeline.Cluster.SyncTest do
  use Pipeline.ClusterCase, async: true

  alias Pipeline.Plugin.Manager

  @source """
  defmodule SyncTest.Joined do
    use Pipeline.Plugin, id: :joined
    def config_schema, do: [token: [type: :string, secret: true]]
    def handle_rpc(:token, state), do: {:reply, state.token, state}
  end
  """

  setup_all do
    nodes = if Pipeline.ClusterCase.unavailable(), do: [], else: start_nodes(2)
    for node <- nodes, do: compile_on(node, @source)
    {:ok, nodes: nodes}
  end

  # The groups of :pg arrive some time after Node.connect/1 has returned, so once is not enough.
  test "right after Node.connect/1 both sides have what the other had", %{nodes: [one, two]} do
    for round <- 1..20 do
      name = :"sync_#{round}"
      # The node that asks has the plugin, and the other; in turn.
      {has, asks} = if rem(round, 2) == 0, do: {one, two}, else: {two, one}
      start_alone(one, name)
      start_alone(two, name)
      opts = [instance: name]
      # Only this node is in the cluster yet.
      {:ok, :joined} =
        call(has, Manager, :load_plugin, [SyncTest.Joined, %{token: "t"}, opts ++ [nodes: :all]])

      assert state(asks, :joined, name) == nil

      assert call(asks, Pipeline.ClusterCase, :connect_and_sync_here, [has.node, opts]) == :ok
      assert state(asks, :joined, name) == :started, "round #{round}"
      assert {:ok, "t"} = call(asks, Pipeline.Plugin.RPC, :call, [:joined, :token, 30_000, opts])

      :ok = call(has, Supervisor, :stop, [{:via, Registry, {Pipeline.Instance.Names, {name, :instance}}}])
      :ok = call(asks, Supervisor, :stop, [{:via, Registry, {Pipeline.Instance.Names, {name, :instance}}}])
      disconnect(one, two)
    end
  end

  test "what a node that is alone has changed goes to the one that asks it, and back", %{nodes: [one, two]} do
    name = :sync_both
    for node <- [one, two], do: start_alone(node, name)
    opts = [instance: name]

    {:ok, :joined} =
      call(one, Manager, :load_plugin, [SyncTest.Joined, %{token: "mine"}, opts ++ [nodes: :all]])

    assert call(one, Pipeline.ClusterCase, :connect_and_sync_here, [two.node, opts]) == :ok
    assert state(two, :joined, name) == :started
    disconnect(one, two)
    :ok = call(two, Manager, :unload_plugin, [:joined, opts ++ [nodes: :all]])
    assert call(one, Pipeline.ClusterCase, :connect_and_sync_here, [two.node, opts]) == :ok
    assert state(one, :joined, name) == nil
    disconnect(one, two)
  end
end
