defmodule Pipeline.Cluster.RandomTest do
  # Changes, splits and crashes at random, on all nodes and on the sides of splits. After each change the nodes that see
  # each other agree on the plugin; in the end all agree on all, and do what the clocks say.
  use Pipeline.ClusterCase, async: true

  alias Pipeline.Cluster
  alias Pipeline.Plugin.Manager

  @steps 60
  @ids [:random_1, :random_2, :random_3]

  setup_all do
    {:ok, nodes: if(Pipeline.ClusterCase.unavailable(), do: [], else: start_nodes(3))}
  end

  defp module(id), do: Module.concat(ClusterRandomTest, Macro.camelize(to_string(id)))

  defp source(id, version) do
    """
    defmodule #{inspect(module(id))} do
      use Pipeline.Plugin, id: #{inspect(id)}, version: #{inspect(version)}
      def init(%{fail_on: node}) when node == node(), do: {:error, :told_to}
      def init(config), do: {:ok, config}
      def handle_rpc(:config, state), do: {:reply, state, state}
    end
    """
  end

  test "whatever happens, nodes that see each other come to the same", %{nodes: nodes} do
    seed = String.to_integer(System.get_env("PIPELINE_SEED") || "41")
    :rand.seed(:exsss, {seed, seed, seed})
    name = :random
    start_instance(nodes, name)
    for id <- @ids, node <- nodes, do: compile_on(node, source(id, "1.0.0"))

    versions =
      for id <- @ids, version <- ["1.0.0", "2.0.0"], into: %{} do
        [{_module, binary}] = compile(source(id, version))
        {{id, version}, binary}
      end

    # The sides, which are one as long as there is no split.
    {sides, trace} =
      Enum.reduce(1..@steps, {[nodes], []}, fn step, {sides, trace} ->
        action = action(sides)
        said = "#{step}: #{inspect(action)}"

        try do
          {perform(action, sides, name, versions), [said | trace]}
        rescue
          error ->
            flunk(
              "seed #{seed}\n" <>
                Enum.map_join(Enum.reverse([said | trace]), "\n", & &1) <> "\n" <> Exception.message(error)
            )
        end
      end)

    if match?([_, _], sides), do: perform(:heal, sides, name, versions)
    log = "seed #{seed}\n" <> Enum.join(Enum.reverse(trace), "\n")

    for node <- nodes, do: assert({call(node, Cluster, :sync, [[instance: name]]), log} == {:ok, log})
    [entries | others] = for node <- nodes, do: call(node, Cluster, :plugins, [[instance: name]])
    for other <- others, do: assert({other, log} == {entries, log})

    for node <- nodes, %{id: id} = entry <- entries do
      assert {entry.applied, entry.failed, log} == {true, nil, log}
      expected = if entry.state == :loaded, do: :started
      assert {node.node, id, state(node, id, name), log} == {node.node, id, expected, log}
    end

    # Of what is there, one version and one configuration.
    for %{id: id, state: :loaded} <- entries do
      infos = for node <- nodes, do: call(node, Manager, :plugin_info, [id, [instance: name]])
      assert [_one] = Enum.uniq(for({:ok, info} <- infos, do: {info.version, info.config}))

      configs =
        for node <- nodes, do: call(node, Pipeline.Plugin.RPC, :call, [id, :config, 30_000, [instance: name]])

      assert [_one] = Enum.uniq(configs)
    end
  end

  defp action(sides) do
    case :rand.uniform(10) do
      n when n in 1..3 -> {:load, Enum.random(@ids), :rand.uniform(1000)}
      4 -> {:load_failing, Enum.random(@ids)}
      n when n in 5..6 -> {:unload, Enum.random(@ids)}
      n when n in 7..8 -> {:upgrade, Enum.random(@ids), Enum.random(["1.0.0", "2.0.0"])}
      9 -> if match?([_], sides), do: :split, else: :heal
      10 -> {:kill, Enum.random([:cluster_member, :manager])}
    end
  end

  defp perform(:split, [nodes], name, _versions) do
    [one | others] = Enum.shuffle(nodes)
    split([one], others, name)
    [[one], others]
  end

  defp perform(:heal, [one, others], name, _versions) do
    heal(one, others, name)
    # Sometimes the next change meets them while they catch up.
    nodes = one ++ others
    if :rand.uniform(2) == 1, do: :ok = call(hd(nodes), Cluster, :sync, [[instance: name]])
    [nodes]
  end

  defp perform({:kill, role}, sides, name, _versions) do
    side = Enum.random(sides)
    groups = if role == :manager, do: [:members, :inboxes], else: [:members]
    kill(Enum.random(side), name, role, side, groups)
    sides
  end

  defp perform(change, sides, name, versions) do
    side = Enum.random(sides)
    on = Enum.random(side)
    all = [instance: name, nodes: :all]

    {id, _result} =
      case change do
        {:load, id, n} ->
          {id, call(on, Manager, :load_plugin, [module(id), %{n: n}, all])}

        {:load_failing, id} ->
          {id, call(on, Manager, :load_plugin, [module(id), %{fail_on: List.last(side).node}, all])}

        {:unload, id} ->
          {id, call(on, Manager, :unload_plugin, [id, all])}

        {:upgrade, id, version} ->
          {id, call(on, Manager, :upgrade_plugin, [id, versions[{id, version}], all])}
      end

    # What one has missed before is there by then.
    synced = call(on, Cluster, :sync, [[instance: name]])

    unless synced == :ok,
      do: raise("#{inspect(synced)} #{inspect(call(on, Cluster, :plugins, [[instance: name]]))}")

    seen =
      for node <- side do
        with {:ok, info} <- call(node, Manager, :plugin_info, [id, [instance: name]]),
             do: {info.state, info.version, info.config}
      end

    unless match?([_one], Enum.uniq(seen)),
      do: raise("#{inspect(id)} on #{inspect(on.node)}: #{inspect(seen)}")

    sides
  end
end
