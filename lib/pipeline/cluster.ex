defmodule Pipeline.Cluster do
  @moduledoc """
  Instances of one name on connected nodes, as one: their events and calls reach each other's plugins, and plugins are loaded
  on all of them.

      {:ok, _} = Pipeline.Plugin.Manager.start_link(name: MyApp.Plugins, cluster: true)
      {:ok, :greeter} = Pipeline.Plugin.Manager.load_plugin(MyApp.Greeter, %{}, instance: MyApp.Plugins, nodes: :all)
      :ok = Pipeline.Plugin.Events.emit(:greeted, %{who: "Ada"}, instance: MyApp.Plugins, nodes: :all)

  It is off unless an instance is started with `cluster:`, the application's own by `config :pipeline_plugin, cluster: true`.
  Connecting nodes is left to the host: `Node.connect/1`, or a library that does it. Who can connect can run any code, as
  ever with distributed Erlang.

  ## Options of `cluster:`

    * `:events` - types of events that travel always, or `:all`; by default only those emitted with `nodes: :all`
    * `:rpc` - `:any` to have calls answered by another node where the plugin does not run here; by default `:local`
    * `:timeout` - milliseconds that a node may take for each step of a change on all nodes, by default a minute
    * `:interval` - milliseconds after which a node compares what it knows with another one, whatever happens; by default 10
      seconds

  ## Events

  `Pipeline.Plugin.Events.emit/3` with `nodes: :all` delivers an event once to each subscriber on each node, in the order in
  which a process emits. The emitter does not wait: what a node does not take at once, because it hangs or the network is
  slow, is dropped for it and counted (`dropped/1`), and an event is not kept for a node that is cut off. Where a node
  records events, it numbers those of others as they arrive: sequence numbers, `replay:` and `{:since, sequence}` are
  each node's own.

  ## Calls

  `Pipeline.Plugin.RPC.call/4` takes `node: node` or `node: :any`. It does not go to another node by itself: a call that has
  always worked on the state of this node's plugin would silently work on that of another.

  ## Changes on all nodes

  `nodes: :all` for `load_plugin/3`, `load_plugins/2`, `unload_plugin/2` and `upgrade_plugin/3` of `Pipeline.Plugin.Manager`:

    1. all nodes are locked for the change, in the order of their names
    2. each prepares it: the code is shipped to those that do not have it, and it is checked that the plugin can be loaded
    3. each performs it
    4. each commits it

  A failure, a node that takes longer than `:timeout` and a connection that is lost are an error that names the node, and all
  take back what they have done: what was loaded is unloaded, and shipped code removed. The code of the plugin's module and of those
  in `modules:` has to stand in files. A node that has one of them in another version refuses (`{:other_code, module}`);
  what stands in no file is `{:no_object_code, module}`, and a file that is not what runs `{:code_changed, module}`. Native
  libraries are not shipped.

  ## Nodes that come later, and splits

  Each node keeps for each such plugin what is to hold, with a clock that counts its changes. Nodes that meet compare these,
  and each carries out what it has missed: in the order of dependencies, with the code from the other. After a split the
  change with the higher clock holds, and of two with the same that of the node whose name is later. What was unloaded on
  one side does not come back, unless the other side has changed it more often since.

  Two sides may have made changes that contradict each other. Where one has unloaded a plugin, or upgraded it, and the other
  has loaded what needs it as it was, the plugin is unloaded or upgraded everywhere, and what needs it waits everywhere.

  What cannot be carried out is logged, emitted as `:cluster_failed`, shown with what to do by
  `Pipeline.Plugin.Manager.health/1`, and tried again when something has changed. What was
  carried out is done with: a plugin that is unloaded or disabled on one node by its operator stays so there, until the
  next change of it on all nodes. A plugin that a node has loaded by itself is not replaced.

  The list lives as long as one node does. Plugins that are to be there after a restart of all belong into the configuration.

  ## Events of the system

    * `:node_joined`, `:node_left` - with `%{node: node}`
    * `:cluster_failed` - with `%{id: id, node: node, state: :loaded | :unloaded, reason: reason, advice: sentence}`
  """

  alias Pipeline.Plugin
  alias Pipeline.Cluster.{Scope, Sync, Table}
  alias Pipeline.Options

  @typedoc """
  A plugin of the cluster: what is to hold for it, the clock of that, and on this node whether it is carried out, or why it
  could not be.
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
  Compares what this node knows with each other one, and waits until both sides have carried out what they had missed.

  It happens by itself whenever nodes meet; this is to know that it is done. `pending` are the plugins that this node could
  not bring to what is to hold. Options: `:instance`, and `:timeout` for each step, by default a minute.
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
