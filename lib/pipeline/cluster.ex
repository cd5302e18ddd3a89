defmodule Pipeline.Cluster do
  @moduledoc """
  Joins instances of one name on connected nodes: events and calls reach plugins on other nodes, and plugins can be loaded
  on all nodes.

      {:ok, _} = Pipeline.Plugin.Manager.start_link(name: MyApp.Plugins, cluster: true)
      {:ok, :greeter} = Pipeline.Plugin.Manager.load_plugin(MyApp.Greeter, %{}, instance: MyApp.Plugins, nodes: :all)
      :ok = Pipeline.Plugin.Events.emit(:greeted, %{who: "Ada"}, instance: MyApp.Plugins, nodes: :all)

  An instance is in a cluster if it is started with `cluster:`; for the application's own, write
  `config :pipeline_plugin, cluster: true`. The host connects the nodes, by `Node.connect/1` or a library. As always with
  distributed Erlang, a node that can connect can run any code.

  ## Options of `cluster:`

    * `:events` - a list of event types that always travel, or `:all`; by default only events emitted with `nodes: :all` do
    * `:rpc` - `:any` to have another node answer calls if the plugin does not run here; by default `:local`
    * `:timeout` - milliseconds that a node may take for each step of a change on all nodes, by default 60,000
    * `:interval` - milliseconds between two comparisons with another node, by default 10,000

  ## Events

  `Pipeline.Plugin.Events.emit/3` with `nodes: :all` delivers an event once to each subscriber on each node. The events of
  one process arrive in order. The emitter does not wait: if a node does not take an event at once, because it hangs or the
  network is slow, the event is dropped for that node and counted (`dropped/1`). Events are not kept for a node that is cut
  off. A node that records events numbers those of other nodes as they arrive, so sequence numbers, `replay:` and
  `{:since, sequence}` differ between nodes.

  ## Calls

  `Pipeline.Plugin.RPC.call/4` takes `node: node` or `node: :any`. Without it a call stays on this node: going elsewhere
  silently would work on the state of another plugin process.

  ## Changes on all nodes

  `load_plugin/3`, `load_plugins/2`, `unload_plugin/2` and `upgrade_plugin/3` of `Pipeline.Plugin.Manager` take
  `nodes: :all`. Such a change has four steps:

    1. All nodes are locked for the change, in the order of their names.
    2. Each node prepares it: missing code is shipped, and the node checks that the plugin can be loaded.
    3. Each node performs it.
    4. Each node commits it.

  If a node fails, takes longer than `:timeout`, or is cut off, the error names it, and all nodes take back their part:
  loaded plugins are unloaded, and shipped code is removed.

  The code of the plugin's module and of the modules in `modules:` must be in files. A node that has another version of one
  refuses the change with `{:other_code, module}`. Code that is in no file is refused with `{:no_object_code, module}`, and
  a file that differs from the running code with `{:code_changed, module}`. Native libraries are not shipped.

  ## Nodes that join later, and splits

  Each node keeps the state that a plugin should have on all nodes, with a clock that counts its changes. Nodes that meet
  compare these entries, and carry out those that they missed, in the order of dependencies and with the code from the
  other node. After a split the entry with the higher clock holds. With equal clocks, the entry of the node with the later
  name holds. A plugin that one side has unloaded does not come back, unless the other side has changed it more often since.

  Changes of two sides can contradict each other: one side has unloaded or upgraded a plugin, and the other has loaded a
  dependent that needs the old one. The plugin is then unloaded or upgraded everywhere, and the dependent waits everywhere.

  An entry that cannot be carried out is logged, emitted as `:cluster_failed`, shown with advice by
  `Pipeline.Plugin.Manager.health/1`, and tried again when plugins change. An entry is carried out once: a plugin that an
  operator unloads or disables on one node stays so there until it is next changed on all nodes. A plugin that a node has
  loaded by itself is not replaced.

  The entries live as long as one of the nodes. Put plugins that must survive a restart of all nodes into the
  configuration.

  Configurations travel to all nodes with their secrets (`Pipeline.Plugin.ConfigSchema`), since each node starts the plugin
  with its own copy. Use distribution over TLS where the network is not trusted.

  ## Events of the system

    * `:node_joined`, `:node_left` - with `%{node: node}`
    * `:cluster_failed` - with `%{id: id, node: node, state: :loaded | :unloaded, reason: reason, advice: sentence}`
  """

  alias Pipeline.Plugin
  alias Pipeline.Cluster.{Scope, Sync, Table}
  alias Pipeline.Options

  @typedoc """
  A plugin that was changed on all nodes.

    * `:state` - the state that it should have, with the clock of that change
    * `:applied` - whether this node has carried the change out
    * `:failed` - the reason if it could not, otherwise `nil`
  """
  @type plugin :: %{
          id: Plugin.plugin_id(),
          state: :loaded | :unloaded,
          clock: {non_neg_integer, node},
          module: module | nil,
          applied: boolean,
          failed: term
        }

  @doc "The nodes on which the instance is in the cluster, this one too. Option: `:instance`."
  @spec nodes(keyword) :: [node]
  def nodes(opts \\ []), do: for(pid <- Scope.members({instance(opts, "nodes/1"), :members}), do: node(pid))

  @doc "The plugins that were changed on all nodes. Option: `:instance`."
  @spec plugins(keyword) :: [plugin]
  def plugins(opts \\ []) do
    instance = instance(opts, "plugins/1")

    for {entry, here} <- if(Table.settings(instance), do: Enum.sort(Table.all(instance)), else: []) do
      entry
      |> Map.take([:id, :state, :clock, :module])
      |> Map.merge(%{applied: here.applied == entry.clock, failed: here.failed})
    end
  end

  @doc "How many events this node has not sent to, or not taken from, others because they came too fast. Option: `:instance`."
  @spec dropped(keyword) :: non_neg_integer
  def dropped(opts \\ []) do
    case Table.settings(instance(opts, "dropped/1")) do
      nil -> 0
      %{dropped: dropped} -> :counters.get(dropped, 1)
    end
  end

  @doc """
  Compares the entries of this node with those of each other node, and waits until both sides have carried out what they
  missed. It asks every node that is connected, also one that has only just been: `Node.connect/1` and then `sync/1` is
  enough to know.

  Nodes do this by themselves when they meet; call it to know that it is done. `{:pending, ids}` are the plugins that this
  node could not bring to their state. Options: `:instance`, and `:timeout` in milliseconds for each step, by default
  60,000.
  """
  @spec sync(keyword) ::
          :ok
          | {:error,
             {:pending, [Plugin.plugin_id()]}
             | {:not_clustered, atom}
             | {:on_node, node, :timeout | :nodedown | term}}
  def sync(opts \\ []) do
    Options.validate!(opts, [:instance, :timeout], "Pipeline.Cluster.sync/1")
    Sync.run(opts[:instance] || Plugin, opts[:timeout] || 60_000)
  end

  defp instance(opts, function) do
    Options.validate!(opts, [:instance], "Pipeline.Cluster." <> function)
    opts[:instance] || Plugin
  end
end
