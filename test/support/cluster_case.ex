defmodule Pipeline.ClusterCase do
  @moduledoc """
  Nodes of their own, for tests of clusters. They are driven through their standard I/O, so that the VM of the tests takes no
  part in distribution and a node stays reachable when it is cut off from the others. No node connects by itself.
  """

  use ExUnit.CaseTemplate

  alias Pipeline.Plugin.{Events, Manager}

  using do
    quote do
      import Pipeline.ClusterCase
      @moduletag skip: Pipeline.ClusterCase.unavailable()
    end
  end

  # Milliseconds that a step on a node may take on a busy machine.
  @patience 60_000

  @doc "Why there can be no nodes here, `nil` if there can."
  def unavailable do
    bin = Path.join(:code.root_dir(), "bin/epmd")
    epmd = System.find_executable("epmd") || (File.exists?(bin) && bin)

    cond do
      not Code.ensure_loaded?(:peer) -> "OTP has no peer nodes before 25"
      !epmd -> "there is no epmd, so nodes cannot find each other"
      match?({_, 0}, System.cmd(epmd, ["-daemon"], stderr_to_stdout: true)) -> nil
      true -> "epmd cannot be started, so nodes cannot find each other"
    end
  end

  @doc "Starts nodes, which end with the caller, with this library running on each."
  def start_nodes(count) do
    paths = for path <- :code.get_path(), path != ~c".", arg <- [~c"-pa", path], do: arg

    # Names are unique to this run, and those of one call in order.
    run = System.unique_integer([:positive])

    nodes =
      for n <- 1..count do
        name = :"plugin_#{System.pid()}_#{run}_#{n}"

        {:ok, peer, node} =
          apply(:peer, :start_link, [
            %{
              name: name,
              host: ~c"127.0.0.1",
              longnames: true,
              connection: :standard_io,
              wait_boot: @patience,
              args:
                paths ++
                  [~c"-setcookie", ~c"#{System.pid()}", ~c"-connect_all", ~c"false"] ++
                  [~c"-kernel", ~c"dist_auto_connect", ~c"never", ~c"logger_level", ~c"critical"]
            }
          ])

        %{peer: peer, node: node}
      end

    for node <- nodes, do: {:ok, _} = call(node, Application, :ensure_all_started, [:pipeline_plugin])
    nodes
  end

  @doc "Calls a function on a node."
  def call(%{peer: peer}, module, function, args) do
    apply(:peer, :call, [peer, module, function, args, @patience])
  end

  @doc "Starts an instance on nodes, which are connected with each other before, and waits until all see all."
  def start_instance(nodes, name, opts \\ [cluster: true]) do
    connect(nodes, nodes)
    for node <- nodes, do: start_alone(node, name, opts)
    await_members(nodes, name)
  end

  @doc "Starts an instance on a node, whatever it is connected with."
  def start_alone(node, name, opts \\ [cluster: true]) do
    {:ok, _} = call(node, __MODULE__, :start_here, [[name: name] ++ opts])
  end

  @doc false
  # Not linked to the process that asks, which ends with its answer.
  def start_here(opts) do
    with {:ok, pid} <- Manager.start_link(opts) do
      Process.unlink(pid)
      {:ok, pid}
    end
  end

  @doc "Waits until each of the nodes sees just these in the cluster of an instance."
  def await_members(nodes, name) do
    for node <- nodes, role <- [:members, :inboxes], do: await_group(node, {name, role}, nodes)
    :ok
  end

  @doc "Waits until a node sees just these in a group."
  def await_group(node, group, nodes) do
    :ok = call(node, __MODULE__, :await_group_here, [group, nodes |> Enum.map(& &1.node) |> Enum.sort()])
  end

  @doc false
  def await_group_here(group, nodes) do
    {_reference, _members} = :pg.monitor(Pipeline.Cluster, group)
    look(fn -> Enum.map(Pipeline.Cluster.Scope.members(group), &node/1) == nodes end)
  end

  @doc "Waits on a node until, after a plugin event of these types, a plugin is in a state."
  def await_state(node, name, types, id, state) do
    call(node, __MODULE__, :await_state_here, [name, types, id, state])
  end

  @doc false
  def await_state_here(name, types, id, state) do
    for type <- types, do: :ok = Events.subscribe(self(), type, instance: name)
    look(fn -> state_here(id, name) == state end)
  end

  defp look(done?) do
    if done?.() do
      :ok
    else
      receive do
        _event -> look(done?)
      after
        @patience -> {:error, :patience_at_an_end}
      end
    end
  end

  @doc "Waits until a node has no closed point whose guard is down."
  def await_open(node, name), do: call(node, __MODULE__, :await_open_here, [name])

  @doc false
  def await_open_here(name) do
    if Pipeline.Hook.down(instance: name) == %{}, do: :ok, else: await_open_here(name)
  end

  @doc "What runs of the point `:guarded` returned on a node, but that it is not in sync, until a process has a name there."
  def passed_until_waiting(node, name, process), do: call(node, __MODULE__, :passed_here, [name, process, []])

  @doc false
  def passed_here(name, process, passed) do
    passed =
      case Pipeline.Hook.run(name, :guarded, 1, nil) do
        {:error, %Pipeline.Hook.Error{reason: {:plugin_down, _id, :not_synced}}} -> passed
        other -> [other | passed]
      end

    if Process.whereis(process), do: passed, else: passed_here(name, process, passed)
  end

  @doc "Connects each of some nodes with each of others."
  def connect(ones, others) do
    for one <- ones, other <- others, one != other, do: true = call(one, Node, :connect, [other.node])
    :ok
  end

  @doc "Cuts nodes off from others, and waits until all have noticed."
  def split(ones, others, name) do
    for one <- ones, other <- others, do: call(one, :erlang, :disconnect_node, [other.node])
    await_members(ones, name)
    await_members(others, name)
  end

  @doc "Cuts two nodes off from each other, and waits until both have noticed."
  def disconnect(one, two) do
    call(one, :erlang, :disconnect_node, [two.node])

    for {here, there} <- [{one, two}, {two, one}],
        do: :ok = call(here, __MODULE__, :await_down_here, [there.node])

    :ok
  end

  @doc false
  def await_down_here(node) do
    :ok = :net_kernel.monitor_nodes(true)
    look(fn -> node not in Node.list() end)
  end

  @doc false
  # Nothing in between.
  def connect_and_sync_here(node, opts) do
    true = Node.connect(node)
    Pipeline.Cluster.sync(opts)
  end

  @doc "Connects them again, and waits until all see all."
  def heal(ones, others, name) do
    connect(ones, others)
    await_members(ones ++ others, name)
  end

  @doc "Starts a process on a node that keeps the payloads of the events it gets, in order."
  def collect(node, name, type) do
    call(node, __MODULE__, :collect_here, [name, type])
  end

  @doc false
  def collect_here(name, type) do
    owner = self()

    collector =
      spawn(fn ->
        :ok = Events.subscribe(self(), type, instance: name)
        send(owner, :subscribed)
        collected([])
      end)

    receive do
      :subscribed -> collector
    end
  end

  defp collected(payloads) do
    receive do
      {:any, from} when payloads != [] ->
        send(from, {:any, self()})
        collected(payloads)

      {:pipeline_event, _, {:last, from}} ->
        send(from, {:collected, self(), Enum.reverse(payloads)})
        collected([])

      {:pipeline_event, _, payload} ->
        collected([payload | payloads])
    end
  end

  @doc "Emits an event with each of some payloads, from one process of a node."
  def emit(node, name, type, payloads, opts \\ [nodes: :all]) do
    call(node, __MODULE__, :emit_here, [name, type, payloads, opts])
  end

  @doc false
  def emit_here(name, type, payloads, opts) do
    Enum.each(payloads, &Events.emit(type, &1, [instance: name] ++ opts))
  end

  @doc "Emits an event with payloads of this size, so many times, as `emit/5` does."
  def emit_large(node, name, type, bytes, count) do
    call(node, __MODULE__, :emit_large_here, [name, type, bytes, count])
  end

  @doc false
  # The way to the node would be the slow part.
  def emit_large_here(name, type, bytes, count) do
    emit_here(name, type, List.duplicate(:binary.copy("x", bytes), count), nodes: :all)
  end

  @doc """
  Emits on a node until this many events are on their way to another, whose inbox takes none meanwhile, and waits until it
  has handled them all. Returns how many were emitted.
  """
  def flood(node, name, type, count, other) do
    call(node, __MODULE__, :flood_here, [name, type, count, member(node, {name, :inboxes}, other)])
  end

  @doc false
  def flood_here(name, type, count, inbox) do
    :ok = :sys.suspend(inbox)
    emitted = flood_here(name, type, count, 0, 0)
    :ok = :sys.resume(inbox, @patience)
    _ = :sys.get_state(inbox, @patience)
    emitted
  end

  defp flood_here(_name, _type, count, emitted, sent) when sent >= count, do: emitted

  defp flood_here(name, type, count, emitted, _sent) do
    emit_here(name, type, 1..1000, nodes: :all)
    emitted = emitted + 1000
    # What the connection does not take just now is none of it.
    flood_here(name, type, count, emitted, emitted - Pipeline.Cluster.dropped(instance: name))
  end

  @doc "How many payloads a collector on a node has, and how many it has missed by being slow."
  def count(node, name, collector), do: call(node, __MODULE__, :count_here, [name, collector])

  @doc false
  def count_here(name, collector) do
    send(collector, {:pipeline_event, name, {:last, self()}})

    receive do
      {:collected, ^collector, payloads} -> length(payloads) + Events.dropped(collector)
    after
      @patience -> :nothing
    end
  end

  @doc """
  What collectors have got, once a last event that a node emits has come to all of them: what it emitted before has.
  """
  def collected_by(node, name, type, collectors) do
    call(node, __MODULE__, :collected_here, [name, type, collectors])
  end

  @doc false
  def collected_here(name, type, collectors) do
    Events.emit(type, {:last, self()}, instance: name, nodes: :all)

    for collector <- collectors do
      receive do
        {:collected, ^collector, payloads} -> payloads
      after
        @patience -> :nothing
      end
    end
  end

  @doc "Waits until a collector on a node has got something."
  def await_any(node, collector), do: :any = call(node, __MODULE__, :await_any_here, [collector])

  @doc false
  def await_any_here(collector) do
    send(collector, {:any, self()})

    receive do
      {:any, ^collector} -> :any
    after
      @patience -> :nothing
    end
  end

  @doc "The bytes of the modules in a source, none of which stays loaded."
  def compile(source) do
    for {module, binary} <- Code.compile_string(source) do
      :code.delete(module)
      :code.purge(module)
      {module, binary}
    end
  end

  @doc "Puts the modules of a source into a directory that a node finds, and no other."
  def compile_on(node, source) do
    directory = Path.join(System.tmp_dir!(), "cluster_#{System.pid()}_#{System.unique_integer([:positive])}")

    File.mkdir_p!(directory)
    ExUnit.Callbacks.on_exit(fn -> File.rm_rf!(directory) end)
    for {module, binary} <- compile(source), do: File.write!(Path.join(directory, "#{module}.beam"), binary)
    true = call(node, Code, :prepend_path, [directory])
    :ok
  end

  @doc "Kills a process of an instance on a node, and waits until others are in its place in groups as all nodes see them."
  def kill(node, name, role, nodes, groups) do
    before = for group <- groups, do: {{name, group}, member(node, {name, group}, node)}
    :ok = call(node, __MODULE__, :kill_here, [{name, role}])

    for {group, old} <- before, seer <- nodes do
      :ok = call(seer, __MODULE__, :await_another_here, [group, node.node, old])
    end
  end

  defp member(seer, group, node), do: call(seer, Pipeline.Cluster.Scope, :member, [group, node.node])

  @doc false
  def kill_here({name, role}) do
    pid = Pipeline.Instance.Names.whereis(name, role)
    monitor = Process.monitor(pid)
    Process.exit(pid, :kill)

    receive do
      {:DOWN, ^monitor, :process, ^pid, _reason} -> :ok
    end
  end

  @doc false
  def await_another_here(group, node, old) do
    {_reference, _members} = :pg.monitor(Pipeline.Cluster, group)
    look(fn -> Pipeline.Cluster.Scope.member(group, node) not in [nil, old] end)
  end

  @doc "Kills the scope of :pg on a node, and waits until an instance there is in that which follows."
  def kill_scope(node, name, nodes) do
    scope = call(node, :erlang, :whereis, [Pipeline.Cluster])
    before = for role <- [:members, :inboxes], do: {{name, role}, member(node, {name, role}, node)}
    call(node, :erlang, :exit, [scope, :kill])

    for {group, old} <- before, seer <- nodes -- [node] do
      :ok = call(seer, __MODULE__, :await_another_here, [group, node.node, old])
    end

    await_members(nodes, name)
  end

  @doc "Sends a plugin a message that it answers, and waits for that."
  def cast_and_wait(node, id, opts), do: call(node, __MODULE__, :cast_and_wait_here, [id, opts])

  @doc false
  def cast_and_wait_here(id, opts) do
    with :ok <- Pipeline.Plugin.RPC.cast(id, {:tell, self()}, opts) do
      receive do
        {:told, _node} = told -> told
      after
        @patience -> :nothing
      end
    end
  end

  @doc "Whether a module is loaded on a node."
  def loaded?(node, module), do: call(node, :erlang, :module_loaded, [module])

  @doc "The state of a plugin on a node, `nil` if it is not there."
  def state(node, id, name), do: call(node, __MODULE__, :state_here, [id, name])

  @doc false
  def state_here(id, name) do
    with {:ok, %{state: state}} <- Manager.plugin_info(id, instance: name), do: state, else: (:error -> nil)
  end
end
