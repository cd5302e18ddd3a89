defmodule Pipeline.Cluster.PackagesTest do
  # Packages on all nodes: with all their modules, their application and their files.
  use Pipeline.ClusterCase, async: true

  alias Pipeline.{Hook, Package, Packages}
  alias Pipeline.Plugin.{Error, Manager}

  @name :cluster_packages_test

  @source """
  defmodule ClusterPackagesTest.Plugin do
    use Pipeline.Plugin, id: :cluster_packages_test, version: "V"

    hook :before, :shipped do
      def shipped(_context, _next) do
        words = File.read!(Path.join(:code.priv_dir(:cluster_packages_test), "words.txt"))
        {"V", ClusterPackagesTest.Helper.version(), Agent.get(ClusterPackagesTest.Words, & &1), words}
      end
    end

    @impl true
    def init(%{refuses: true}), do: {:error, :refused}
    def init(config), do: {:ok, config}
  end

  defmodule ClusterPackagesTest.Helper do
    def version, do: "V"
  end

  defmodule ClusterPackagesTest.App do
    use Application
    def start(_type, _args), do: Supervisor.start_link([%{id: 1, start: {Agent, :start_link, [fn -> "V" end, [name: ClusterPackagesTest.Words]]}}], strategy: :one_for_one)
  end
  """

  setup_all do
    if Pipeline.ClusterCase.unavailable() do
      {:ok, nodes: [], archives: %{}}
    else
      archives =
        for version <- ["1.0.0", "2.0.0"], into: %{} do
          app =
            Packages.app!(@name, version, String.replace(@source, "V", version),
              priv: [{"words.txt", "words of #{version}"}],
              properties: [mod: {:"Elixir.ClusterPackagesTest.App", []}]
            )

          {version, Packages.build!(app).bytes}
        end

      {:ok, nodes: start_nodes(3), archives: archives}
    end
  end

  # Each node has a folder of its own.
  setup %{nodes: nodes} = context do
    name = :"packages_#{System.unique_integer([:positive])}"
    folders = for node <- nodes, into: %{}, do: {node.node, Packages.folder!()}
    connect(nodes, nodes)

    start = fn node, opts ->
      start_alone(node, name, [cluster: true, packages: folders[node.node]] ++ opts)
    end

    on_exit(fn -> :ok end)
    {:ok, name: name, opts: [instance: name], folders: folders, start: start, line: context.line}
  end

  defp start_all(context) do
    for node <- context.nodes, do: context.start.(node, [])
    await_members(context.nodes, context.name)
  end

  defp run(node, name), do: call(node, Hook, :run, [name, :shipped, :asked, nil])
  defp of(version), do: {:ok, {version, version, version, "words of #{version}"}}

  defp stop(nodes, name) do
    for node <- nodes,
        do:
          :ok =
            call(node, Supervisor, :stop, [{:via, Registry, {Pipeline.Instance.Names, {name, :instance}}}])
  end

  test "are shipped, upgraded, taken back to and unloaded whole; a node that joins has them too", context do
    %{nodes: [one, two, three] = nodes, name: name, opts: opts} = context
    for node <- [one, two], do: context.start.(node, [])
    await_members([one, two], name)

    {:ok, _} = call(one, Package, :install, [context.archives["1.0.0"], opts])
    assert {:ok, @name} = call(one, Manager, :load_plugin, ["#{@name}", %{}, opts ++ [nodes: :all]])
    for node <- [one, two], do: assert(run(node, name) == of("1.0.0"))
    assert File.exists?(Path.join(context.folders[two.node], "#{@name}-1.0.0/plugin.json"))

    context.start.(three, [])
    await_members(nodes, name)
    assert call(three, Pipeline.Cluster, :sync, [opts]) == :ok
    assert run(three, name) == of("1.0.0")

    {:ok, _} = call(two, Package, :install, [context.archives["2.0.0"], opts])
    assert {:ok, "2.0.0"} = call(two, Package, :upgrade, [@name, "#{@name}-2.0.0", opts ++ [nodes: :all]])
    for node <- nodes, do: assert(run(node, name) == of("2.0.0"))
    assert {:ok, "1.0.0"} = call(three, Package, :upgrade, [@name, "#{@name}-1.0.0", opts ++ [nodes: :all]])
    for node <- nodes, do: assert(run(node, name) == of("1.0.0"))

    :ok = call(one, Manager, :unload_plugin, [@name, opts ++ [nodes: :all, purge: true]])

    for node <- nodes do
      assert state(node, @name, name) == nil
      refute loaded?(node, :"Elixir.ClusterPackagesTest.Helper")
    end

    stop(nodes, name)
  end

  test "are nowhere when a node cannot take them", context do
    %{nodes: [one, two, three] = nodes, name: name, opts: opts} = context
    for node <- [one, two], do: context.start.(node, [])
    start_alone(three, name, cluster: true)
    await_members(nodes, name)
    {:ok, _} = call(one, Package, :install, [context.archives["1.0.0"], opts])

    assert {:error, %Error{reason: :no_packages_folder} = error} =
             call(one, Manager, :load_plugin, ["#{@name}", %{}, opts ++ [nodes: :all]])

    assert error.node == three.node
    assert Exception.message(error) =~ "folder"

    for node <- nodes do
      assert state(node, @name, name) == nil
      refute loaded?(node, :"Elixir.ClusterPackagesTest.Helper")
    end

    stop(nodes, name)
  end

  test "are taken back where the plugin does not start on a node", context do
    %{nodes: [one | _] = nodes, name: name, opts: opts} = context
    start_all(context)
    {:ok, _} = call(one, Package, :install, [context.archives["1.0.0"], opts])

    assert {:error, %Error{step: :init, reason: :refused}} =
             call(one, Manager, :load_plugin, ["#{@name}", %{refuses: true}, opts ++ [nodes: :all]])

    for node <- nodes, do: refute(loaded?(node, :"Elixir.ClusterPackagesTest.Plugin"))
    stop(nodes, name)
  end
end
