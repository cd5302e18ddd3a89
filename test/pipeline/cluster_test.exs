defmodule Pipeline.ClusterTest do
  use Pipeline.ClusterCase, async: true

  alias Pipeline.Cluster
  alias Pipeline.Plugin.{Events, Error, Manager, RPC}

  setup_all do
    {:ok, nodes: if(Pipeline.ClusterCase.unavailable(), do: [], else: start_nodes(3))}
  end

  # Each test has an instance of its own on nodes that all share.
  setup context do
    name = :"#{context.test}"
    if context.nodes != [], do: start_instance(context.nodes, name, context[:instance] || [cluster: true])

    {:ok, name: name, opts: [instance: name], all: [instance: name, nodes: :all]}
  end

  # A plugin, and a module beside it, with names of this call's own.
  defp source(id, opts \\ []) do
    module = "ClusterTest.#{Macro.camelize(to_string(id))}"

    body = """
    defmodule #{module}.Beside do
      def word, do: #{inspect(opts[:word] || :word)}
    end

    defmodule #{module} do
      use Pipeline.Plugin, id: #{inspect(id)}, version: #{inspect(opts[:version] || "1.0.0")},
        on_rpc_error: :crash

      #{if opts[:guards] do
      "hook :before, :guarded, do: (def guarded(_context, _next), do: throw({:hook_error, :denied}))"
    end}
      #{if opts[:needs], do: "depends_on #{inspect(opts[:needs])}, version: #{inspect(opts[:as] || ">= 0.0.0")}"}

      def init(config) do
        if config[:waits_on] == node() do
          Process.register(self(), :cluster_test_waits)
          receive(do: (:go_on -> :went_on))
        end

        if config[:fail_on] == node(), do: {:error, :told_to}, else: {:ok, Map.put_new(config, :count, 0)}
      end

      def handle_rpc(:where, state), do: {:reply, node(), state}
      def handle_rpc(:word, state), do: {:reply, #{module}.Beside.word(), state}
      def handle_rpc(:config, state), do: {:reply, state[:name], state}
      def handle_rpc(:pid, state), do: {:reply, self(), state}
      def handle_rpc(:crash, _state), do: exit(:asked_to)

      def handle_rpc(:hang, state) do
        Pipeline.Plugin.Events.emit(:hanging, node())
        receive(do: (:never -> {:reply, :late, state}))
      end

      def handle_rpc(:add, state), do: {:reply, state.count + 1, %{state | count: state.count + 1}}
      def handle_rpc({:refuse, reason}, state), do: {:error, reason, state}

      def handle_rpc({:unload, instance}, state) do
        {:reply, Pipeline.Plugin.Manager.unload_plugin(#{inspect(id)}, instance: instance, nodes: :all), state}
      end

      def handle_rpc({:upgrade, instance}, state) do
        {:reply, Pipeline.Plugin.Manager.upgrade_plugin(#{inspect(id)}, __MODULE__, instance: instance, nodes: :all), state}
      end

      def handle_message({:tell, pid}, state) do
        send(pid, {:told, node()})
        {:ok, state}
      end

      def code_change(_from, state, :refuse_here) do
        if state[:refuses] == node(), do: {:error, :refused}, else: {:ok, state}
      end

      def code_change(_from, state, _extra), do: {:ok, state}
    end
    """

    {body, Module.concat([module]), Module.concat([module, "Beside"])}
  end

  defp load(node, module, opts, config \\ %{}), do: call(node, Manager, :load_plugin, [module, config, opts])
  defp rpc(node, id, request, opts), do: call(node, RPC, :call, [id, request, 30_000, opts])
  defp ids(node, opts), do: for(%{id: id} <- call(node, Manager, :list_plugins, [opts]), do: id)

  describe "events" do
    test "with nodes: :all reach each subscriber on each node once and in order", %{
      nodes: [a, b, c],
      name: name
    } do
      collectors = for node <- [a, b, c], do: collect(node, name, :order)
      :ok = emit(a, name, :order, 1..500)
      expected = Enum.to_list(1..500)
      assert collected_by(a, name, :order, collectors) == [expected, expected, expected]
    end

    test "stay where they are emitted by default", %{nodes: [a, b, _c], name: name} do
      collectors = for node <- [a, b], do: collect(node, name, :order)
      :ok = emit(a, name, :order, [:local], [])
      assert collected_by(a, name, :order, collectors) == [[:local], []]
    end

    @tag instance: [cluster: [events: [:audit]]]
    test "of configured types travel always", %{nodes: [a, b, c], name: name} do
      collectors = for node <- [a, b, c], do: collect(node, name, :audit)
      :ok = emit(b, name, :audit, [1, 2], [])
      assert collected_by(b, name, :audit, collectors) == [[1, 2], [1, 2], [1, 2]]
    end

    @tag instance: [cluster: true, events: [record: 10]]
    test "are numbered by each node as they arrive, and replayed there", %{nodes: [a, b, _c], name: name} do
      [_collector] = collectors = [collect(b, name, :order)]
      :ok = emit(a, name, :order, [:x, :y])
      assert collected_by(a, name, :order, collectors) == [[:x, :y]]

      for node <- [a, b] do
        recorded = call(node, Pipeline.Events, :recorded, [[instance: name]])
        assert [:x, :y] = for(%{event: {:plugin, :order}, payload: p} <- recorded, is_atom(p), do: p)
      end
    end

    test "never make the emitter wait for a node that hangs, and are counted", %{nodes: [a, b, c], name: name} do
      # Another instance, on two of the nodes, has the connection to one of them full.
      start_instance([a, b], :large)
      collector = collect(c, name, :order)
      os_pid = call(b, System, :pid, [])
      on_exit(fn -> System.cmd("kill", ["-CONT", os_pid], stderr_to_stdout: true) end)
      {_, 0} = System.cmd("kill", ["-STOP", os_pid])

      # More than the buffers between two nodes hold: an emitter that waited would be here for ever.
      :ok = emit_large(a, :large, :anything, 200_000, 200)
      assert call(a, Cluster, :dropped, [[instance: :large]]) > 0

      # Calls are waited for as long as the caller would, and no longer.
      call_to_it = [:nobody, :anything, 100, [instance: name, node: b.node]]
      assert call(a, RPC, :call, call_to_it) == {:error, {:timeout, :nobody}}

      # Those who listen elsewhere do not notice.
      :ok = emit(a, name, :order, 1..100)
      assert collected_by(a, name, :order, [collector]) == [Enum.to_list(1..100)]
      {_, 0} = System.cmd("kill", ["-CONT", os_pid])
    end
  end

  describe "an inbox" do
    test "that cannot keep up drops events, counts them, and takes them again", %{nodes: [a, b, _c]} do
      name = :flooded
      start_instance([a, b], name)
      collector = collect(b, name, :flood)
      emitted = flood(a, name, :flood, 110_000, b)
      there = call(b, Cluster, :dropped, [[instance: name]])
      assert there > 0
      assert count(b, name, collector) + there + call(a, Cluster, :dropped, [[instance: name]]) == emitted

      later = collect(b, name, :later)
      :ok = emit(a, name, :later, 1..3)
      assert collected_by(a, name, :later, [later]) == [[1, 2, 3]]
    end
  end

  describe "calls" do
    test "are answered by a node that is named", %{nodes: [a, b, _c], opts: opts} do
      {source, module, _} = source(:answers)
      compile_on(b, source)
      {:ok, :answers} = load(b, module, opts)

      assert rpc(a, :answers, :where, [node: b.node] ++ opts) == {:ok, b.node}
      assert rpc(a, :answers, {:refuse, :why}, [node: b.node] ++ opts) == {:error, :why}
      assert rpc(a, :answers, :where, opts) == {:error, {:not_loaded, :answers}}
      assert {:error, {:crashed, :answers, :asked_to}} = rpc(a, :answers, :crash, [node: b.node] ++ opts)
      # It is waited for while it is being restarted.
      assert rpc(a, :answers, :where, [node: b.node] ++ opts) == {:ok, b.node}
      assert rpc(a, :nobody, :where, [node: b.node] ++ opts) == {:error, {:not_loaded, :nobody}}

      assert rpc(a, :answers, :where, [node: :"no@127.0.0.1"] ++ opts) ==
               {:error, {:nodedown, :"no@127.0.0.1"}}

      assert call(a, RPC, :call, [:answers, :hang, 50, [node: b.node] ++ opts]) ==
               {:error, {:timeout, :answers}}
    end

    test "go to any node that has the plugin, this one first", %{nodes: [a, b, c], name: name, opts: opts} do
      {source, module, _} = source(:anywhere)
      for node <- [b, c], do: compile_on(node, source)
      {:ok, :anywhere} = load(b, module, opts)
      await_group(a, {name, {:plugin, :anywhere}}, [b])

      assert rpc(a, :anywhere, :where, [node: :any] ++ opts) == {:ok, b.node}
      {:ok, :anywhere} = load(c, module, opts)
      await_group(c, {name, {:plugin, :anywhere}}, [b, c])
      assert rpc(c, :anywhere, :where, [node: :any] ++ opts) == {:ok, c.node}
      assert rpc(a, :nowhere, :where, [node: :any] ++ opts) == {:error, {:not_loaded, :nowhere}}
    end

    @tag instance: [cluster: [rpc: :any]]
    test "do so by default where the instance says it", %{nodes: [a, b, _c], name: name, opts: opts} do
      {source, module, _} = source(:by_default)
      compile_on(b, source)
      {:ok, :by_default} = load(b, module, opts)
      await_group(a, {name, {:plugin, :by_default}}, [b])
      assert rpc(a, :by_default, :where, opts) == {:ok, b.node}
      assert rpc(a, :by_default, :where, [node: a.node] ++ opts) == {:error, {:not_loaded, :by_default}}
    end

    test "are an error when the node goes meanwhile", %{nodes: [a, b, c], name: name, opts: opts} do
      [d] = start_nodes(1)
      connect([a], [d])
      start_alone(d, name)
      {source, module, _} = source(:goes)
      compile_on(d, source)
      {:ok, :goes} = load(d, module, opts)
      await_group(a, {name, :inboxes}, [a, b, c, d])
      hanging = collect(d, name, :hanging)

      caller = Task.async(fn -> rpc(a, :goes, :hang, [node: d.node] ++ opts) end)
      await_any(d, hanging)
      :peer.cast(d.peer, :erlang, :halt, [0])
      assert Task.await(caller, 60_000) == {:error, {:nodedown, d.node}}
    end

    test "that are casts reach the plugin on a node", %{nodes: [a, b, _c], opts: opts} do
      {source, module, _} = source(:casts)
      compile_on(b, source)
      {:ok, :casts} = load(b, module, opts)

      assert cast_and_wait(a, :casts, [node: b.node] ++ opts) ==
               {:told, b.node}

      assert call(a, RPC, :cast, [:casts, :x, [node: :"no@127.0.0.1"] ++ opts]) ==
               {:error, {:nodedown, :"no@127.0.0.1"}}
    end
  end

  describe "loading on all nodes" do
    test "ships code and loads everywhere; unloading takes both away",
         %{nodes: [a, b, c] = nodes} = context do
      {source, module, beside} = source(:shipped)
      compile_on(a, source)
      refute loaded?(b, module)

      assert load(a, module, [modules: [beside]] ++ context.all) == {:ok, :shipped}

      for node <- nodes do
        assert state(node, :shipped, context.name) == :started
        assert rpc(node, :shipped, :word, context.opts) == {:ok, :word}
        assert rpc(node, :shipped, :where, context.opts) == {:ok, node.node}
      end

      # From another node than that which has it in a file.
      assert call(c, Manager, :unload_plugin, [:shipped, context.all]) == :ok

      for node <- nodes, do: assert(state(node, :shipped, context.name) == nil)
      for node <- [b, c], one <- [module, beside], do: refute(loaded?(node, one))
      assert loaded?(a, module)

      assert {:error, %Error{reason: {:not_loaded, :nothing}}} =
               call(c, Manager, :unload_plugin, [:nothing, context.all])
    end

    test "loads nowhere when one node fails, and says which", %{nodes: [a, b, c] = nodes} = context do
      {source, module, beside} = source(:fails)
      compile_on(a, source)

      assert {:error, %Error{step: :init, reason: :told_to} = error} =
               load(a, module, [modules: [beside]] ++ context.all, %{fail_on: c.node})

      assert error.node == c.node
      assert Exception.message(error) =~ "on the node #{c.node} (step init)"
      for node <- nodes, do: assert(state(node, :fails, context.name) == nil)
      for node <- [b, c], one <- [module, beside], do: refute(loaded?(node, one))
      assert call(a, Cluster, :plugins, [context.opts]) == []

      # Nothing stands in the way of the next.
      assert load(a, module, [modules: [beside]] ++ context.all) == {:ok, :fails}
    end

    test "refuses what a node has otherwise", %{nodes: [a, b, c]} = context do
      {source, module, _} = source(:other)
      compile_on(a, source)
      {newer, ^module, _} = source(:other, version: "2.0.0")
      compile_on(c, newer)

      assert {:error, %Error{step: :code, reason: {:other_code, ^module}} = error} =
               load(a, module, context.all)

      assert error.node == c.node
      refute loaded?(b, module)

      {source, module, _} = source(:there)
      for node <- [a, b], do: compile_on(node, source)
      {:ok, :there} = load(b, module, context.opts)
      assert {:error, %Error{reason: {:already_loaded, :there}} = error} = load(a, module, context.all)
      assert error.node == b.node
      assert state(a, :there, context.name) == nil
      assert state(b, :there, context.name) == :started
    end

    test "refuses what is not there to be shipped", %{nodes: [a | _]} = context do
      name = :"Elixir.ClusterTest.InMemory"
      source = "defmodule ClusterTest.InMemory do use Pipeline.Plugin, id: :in_memory end"
      [{^name, _}] = call(a, Code, :compile_string, [source])
      assert {:error, %Error{reason: {:no_object_code, ^name}}} = load(a, name, context.all)

      assert {:error, %Error{reason: :module_not_found}} = load(a, :"Elixir.ClusterTest.Nothing", context.all)

      assert_raise ArgumentError, ~r/nodes: is :all/, fn ->
        Manager.load_plugin(__MODULE__, %{}, nodes: :some)
      end
    end

    test "two at once on two nodes are one after the other", %{nodes: [a, b, c] = nodes} = context do
      {source, module, _} = source(:twice)
      for node <- [a, c], do: compile_on(node, source)
      results = for node <- [a, c], do: Task.async(fn -> load(node, module, context.all) end)
      results = Task.await_many(results, 60_000)
      assert [{:error, %Error{reason: {:already_loaded, :twice}}}] = results -- [{:ok, :twice}]
      for node <- nodes, do: assert(state(node, :twice, context.name) == :started)
      assert [%{clock: {1, _}}] = call(b, Cluster, :plugins, [context.opts])
    end

    @tag instance: [cluster: [timeout: 5_000]]
    test "gives up on a node that takes too long, which takes back what it does",
         %{nodes: [a, b, c]} = context do
      {source, module, _} = source(:hangs)
      compile_on(a, source)

      assert {:error, %Error{step: :cluster, reason: :timeout} = error} =
               load(a, module, context.all, %{waits_on: c.node})

      assert error.node == c.node
      for node <- [a, b], do: assert(state(node, :hangs, context.name) == nil)
      refute loaded?(b, module)

      # Too late.
      call(c, :erlang, :send, [:cluster_test_waits, :go_on])
      assert call(c, Cluster, :sync, [context.opts]) == :ok
      assert state(c, :hangs, context.name) == nil
      refute loaded?(c, module)
    end

    test "is taken back by the others when the node that makes it ends",
         %{nodes: [a, b, c], name: name} = context do
      [d] = start_nodes(1)
      connect([d], [a, b, c])
      start_alone(d, name)
      await_members([a, b, c, d], name)
      {source, module, _} = source(:ends)
      compile_on(d, source)

      # It is loaded on the others and waits for ever where it is made.
      spawn(fn -> load(d, module, context.all, %{waits_on: d.node}) end)
      for node <- [a, b, c], do: assert(await_state(node, name, [:plugin_loaded], :ends, :started) == :ok)
      :peer.cast(d.peer, :erlang, :halt, [0])

      for node <- [a, b, c] do
        assert await_state(node, name, [:plugin_unloaded], :ends, nil) == :ok
        assert call(node, Cluster, :sync, [context.opts]) == :ok
        refute loaded?(node, module)
      end
    end
  end

  describe "upgrading on all nodes" do
    test "keeps the state, and rolls back everywhere when one node fails",
         %{nodes: [a, b, c] = nodes} = context do
      {source, module, beside} = source(:upgraded)
      compile_on(a, source)
      {:ok, :upgraded} = load(a, module, [modules: [beside]] ++ context.all, %{refuses: b.node})
      for node <- nodes, do: {:ok, 1} = rpc(node, :upgraded, :add, context.opts)

      {newer, ^module, _} = source(:upgraded, version: "1.1.0")
      %{^module => binary} = Map.new(compile(newer))

      assert {:error, %Error{step: :code_change, reason: :refused} = error} =
               call(a, Manager, :upgrade_plugin, [:upgraded, binary, [extra: :refuse_here] ++ context.all])

      assert error.node == b.node
      versions = for node <- nodes, do: call(node, Manager, :plugin_info!, [:upgraded, context.opts]).version
      assert versions == ["1.0.0", "1.0.0", "1.0.0"]

      assert call(c, Manager, :upgrade_plugin, [:upgraded, binary, context.all]) == {:ok, "1.1.0"}

      for node <- nodes do
        assert call(node, Manager, :plugin_info!, [:upgraded, context.opts]).version == "1.1.0"
        assert rpc(node, :upgraded, :add, context.opts) == {:ok, 2}
      end
    end
  end

  describe "unloading on all nodes" do
    test "takes dependents along where it is asked to, and else refuses",
         %{nodes: [a, b, _c] = nodes} = context do
      {under, under_module, _} = source(:under)
      {over, over_module, _} = source(:over, needs: :under)
      for source <- [under, over], do: compile_on(a, source)
      {:ok, [:under, :over]} = call(a, Manager, :load_plugins, [[over_module, under_module], context.all])

      assert {:error, %Error{node: node, reason: {:required_by, [:over]}} = error} =
               call(b, Manager, :unload_plugin, [:under, context.all])

      assert node in Enum.map(nodes, & &1.node)
      assert Exception.message(error) =~ "on the node #{node} (step cluster): it is needed by :over"
      for node <- nodes, do: assert(ids(node, context.opts) == [:under, :over])

      assert call(b, Manager, :unload_plugin, [:under, [cascade: true] ++ context.all]) == :ok
      for node <- nodes, do: assert(ids(node, context.opts) == [])

      assert [%{id: :over, state: :unloaded}, %{id: :under, state: :unloaded}] =
               call(b, Cluster, :plugins, [context.opts])
    end

    test "unloads nowhere when one node cannot", %{nodes: [a, b, c] = nodes} = context do
      {source, module, _} = source(:in_use)
      compile_on(a, source)
      {:ok, :in_use} = load(a, module, context.all)
      # A dependent that only the last node has.
      {source, of_its_own, _} = source(:of_its_own, needs: :in_use)
      compile_on(c, source)
      {:ok, :of_its_own} = load(c, of_its_own, context.opts)

      assert {:error, %Error{node: node, reason: {:required_by, [:of_its_own]}}} =
               call(b, Manager, :unload_plugin, [:in_use, context.all])

      assert node == c.node
      for node <- nodes, do: assert(state(node, :in_use, context.name) == :started)
    end

    test "is not for the plugin itself to wait for", %{nodes: [a | _]} = context do
      {source, module, _} = source(:itself)
      compile_on(a, source)
      {:ok, :itself} = load(a, module, context.all)

      for request <- [:unload, :upgrade] do
        assert {:ok, {:error, %Error{reason: {:called_from_callback, :itself}}}} =
                 rpc(a, :itself, {request, context.name}, context.opts)
      end
    end
  end

  describe "a node that joins later" do
    test "loads what it misses, in the order of dependencies", %{nodes: [a, b, c], name: name} = context do
      split([c], [a, b], name)
      {base, base_module, _} = source(:base)
      # Its name comes first, and it needs the other.
      {above, above_module, _} = source(:above, needs: :base)
      for source <- [base, above], do: compile_on(a, source)
      {:ok, :base} = load(a, base_module, context.all)
      {:ok, :above} = load(a, above_module, context.all)
      assert ids(c, context.opts) == []

      heal([c], [a, b], name)
      assert call(c, Cluster, :sync, [context.opts]) == :ok
      assert ids(c, context.opts) == [:base, :above]
      assert rpc(c, :above, :where, context.opts) == {:ok, c.node}
    end

    test "loads what waits for something of its own once that is there",
         %{nodes: [a, b, c], name: name} = context do
      split([c], [a, b], name)
      {own, own_module, _} = source(:own)
      {needs, needs_module, _} = source(:needs_own, needs: :own)
      for node <- [a, b, c], do: compile_on(node, own)
      compile_on(a, needs)
      for node <- [a, b], do: {:ok, :own} = load(node, own_module, context.opts)
      {:ok, :needs_own} = load(a, needs_module, context.all)
      heal([c], [a, b], name)
      assert call(c, Cluster, :sync, [context.opts]) == {:error, {:pending, [:needs_own]}}

      {:ok, :own} = load(c, own_module, context.opts)
      assert await_state(c, name, [:plugin_loaded], :needs_own, :started) == :ok
    end

    test "leaves out what it cannot load, and says so",
         %{nodes: [a, b, c], name: name} = context do
      split([c], [a, b], name)
      {source, module, _} = source(:picky)
      compile_on(a, source)
      {:ok, :picky} = load(a, module, context.all, %{fail_on: c.node})
      {source, module, _} = source(:easy)
      compile_on(a, source)
      {:ok, :easy} = load(a, module, context.all)

      failures = collect(c, name, :cluster_failed)
      heal([c], [a, b], name)
      assert call(c, Cluster, :sync, [context.opts]) == {:error, {:pending, [:picky]}}
      assert ids(c, context.opts) == [:easy]
      assert [failed] = call(c, Cluster, :plugins, [context.opts]) |> Enum.reject(& &1.applied)
      assert %{id: :picky, failed: %Error{reason: :told_to}} = failed
      [[%{id: :picky, node: node}]] = collected_by(c, name, :cluster_failed, [failures])
      assert node == c.node

      assert call(c, Manager, :unload_plugin, [:easy, context.opts]) == :ok
      assert call(a, Manager, :unload_plugin, [:picky, context.all]) == :ok
      assert call(c, Cluster, :sync, [context.opts]) == :ok
      # What was unloaded there by hand does not come back.
      assert ids(c, context.opts) == []
    end

    test "takes an upgrade for what stands in its files, and goes back to them when it is unloaded",
         %{nodes: [a, b, c] = nodes, name: name} = context do
      {source, module, _} = source(:filed)
      for node <- nodes, do: compile_on(node, source)
      split([c], [a, b], name)
      {:ok, :filed} = load(a, module, context.all)
      {newer, ^module, _} = source(:filed, version: "1.1.0")
      %{^module => binary} = Map.new(compile(newer))
      {:ok, "1.1.0"} = call(b, Manager, :upgrade_plugin, [:filed, binary, context.all])
      heal([c], [a, b], name)
      assert call(c, Cluster, :sync, [context.opts]) == :ok
      assert call(c, Manager, :plugin_info!, [:filed, context.opts]).version == "1.1.0"

      assert call(c, Manager, :unload_plugin, [:filed, context.all]) == :ok
      assert load(b, module, context.all) == {:ok, :filed}

      for node <- nodes,
          do: assert(call(node, Manager, :plugin_info!, [:filed, context.opts]).version == "1.0.0")
    end

    test "does so when it has started anew", %{nodes: [a | _], name: name} = context do
      {source, module, beside} = source(:late)
      compile_on(a, source)
      {:ok, :late} = load(a, module, [modules: [beside]] ++ context.all)
      [d] = start_nodes(1)
      start_alone(d, name)
      connect([d], [a])
      assert await_state(d, name, [:plugin_loaded], :late, :started) == :ok
      assert rpc(d, :late, :word, context.opts) == {:ok, :word}
    end
  end

  describe "a closed point" do
    @hooks [cluster: true, hooks: Pipeline.FaultInjection.Guards.Hooks]

    defp run_guarded(node, name), do: call(node, Pipeline.Hook, :run, [name, :guarded, 1, nil])

    @tag instance: @hooks
    test "is closed where a plugin that all nodes should have cannot be loaded, until it is unloaded",
         %{nodes: [a, b, c], name: name} = context do
      for node <- [a, b, c], do: assert(await_open(node, name) == :ok)
      split([c], [a, b], name)
      {source, module, _} = source(:guard, guards: true)
      compile_on(a, source)
      {:ok, :guard} = load(a, module, context.all, %{fail_on: c.node})
      # Nobody has told it.
      assert run_guarded(c, name) == {:ok, 1}

      heal([c], [a, b], name)
      assert call(c, Cluster, :sync, [context.opts]) == {:error, {:pending, [:guard]}}
      assert run_guarded(a, name) == {:error, :denied}

      assert {:error, %Pipeline.Hook.Error{reason: {:plugin_down, :guard, :not_synced}} = error} =
               run_guarded(c, name)

      assert Exception.message(error) =~ "is not loaded on this one yet"
      assert call(c, Pipeline.Hook, :down, [context.opts]) == %{guarded: %{guard: :not_synced}}

      # Also after its manager was killed.
      :ok = call(c, Pipeline.ClusterCase, :kill_here, [{name, :manager}])
      assert {:error, %{reason: {:plugin_down, :guard, :not_synced}}} = run_guarded(c, name)

      :ok = call(a, Manager, :unload_plugin, [:guard, context.all])
      assert call(c, Cluster, :sync, [context.opts]) == :ok
      for node <- [a, b, c], do: assert(run_guarded(node, name) == {:ok, 1})
    end

    @tag instance: @hooks
    test "is closed on a node that starts until it has what the others have",
         %{nodes: [a | _], name: name} = context do
      {source, module, beside} = source(:slow_guard, guards: true)
      compile_on(a, source)
      [d] = start_nodes(1)
      config = %{waits_on: d.node}
      {:ok, :slow_guard} = load(a, module, [modules: [beside]] ++ context.all, config)
      connect([d], [a])
      start_alone(d, name, @hooks)
      assert passed_until_waiting(d, name, :cluster_test_waits) == []
      call(d, :erlang, :send, [:cluster_test_waits, :go_on])
      assert await_state(d, name, [:plugin_loaded], :slow_guard, :started) == :ok
      assert await_open(d, name) == :ok
      assert run_guarded(d, name) == {:error, :denied}
    end
  end

  describe "a split" do
    test "heals: what was unloaded does not come back, nothing is loaded twice",
         %{nodes: [a, b, c], name: name} = context do
      for id <- [:goes_away, :stays],
          {source, module, _} = source(id),
          do: {compile_on(a, source), load(a, module, context.all)}

      {:ok, pid} = rpc(c, :stays, :pid, context.opts)
      split([a], [b, c], name)

      assert call(a, Manager, :unload_plugin, [:goes_away, context.all]) == :ok
      assert state(c, :goes_away, name) == :started
      {source, module, _} = source(:of_the_others)
      compile_on(b, source)
      {:ok, :of_the_others} = load(b, module, context.all)
      loaded = collect(c, name, :plugin_loaded)
      joined = collect(c, name, :node_joined)

      heal([a], [b, c], name)
      assert call(b, Cluster, :sync, [context.opts]) == :ok
      assert collected_by(c, name, :node_joined, [joined]) == [[%{node: a.node}]]
      for node <- [a, b, c], do: assert(Enum.sort(ids(node, context.opts)) == [:of_the_others, :stays])
      assert rpc(c, :stays, :pid, context.opts) == {:ok, pid}
      assert collected_by(c, name, :plugin_loaded, [loaded]) == [[]]

      collectors = for node <- [a, b, c], do: collect(node, name, :after_it)
      :ok = emit(a, name, :after_it, 1..20)
      assert collected_by(a, name, :after_it, collectors) == List.duplicate(Enum.to_list(1..20), 3)
    end

    test "heals to the higher clock, then the later node", %{nodes: [a, b, c], name: name} = context do
      split([a], [b, c], name)
      {source, module, _} = source(:both)
      for node <- [a, b], do: compile_on(node, source)
      {:ok, :both} = load(a, module, context.all, %{name: "a"})
      {:ok, :both} = load(b, module, context.all, %{name: "b"})

      heal([a], [b, c], name)
      assert call(a, Cluster, :sync, [context.opts]) == :ok

      clocks =
        for node <- [a, b, c], %{clock: clock} <- call(node, Cluster, :plugins, [context.opts]), do: clock

      assert clocks == List.duplicate({1, b.node}, 3)
      for node <- [a, b, c], do: assert(rpc(node, :both, :config, context.opts) == {:ok, "b"})

      split([a], [b, c], name)
      {newer, ^module, _} = source(:both, version: "2.0.0")
      %{^module => binary} = Map.new(compile(newer))
      assert call(a, Manager, :upgrade_plugin, [:both, binary, context.all]) == {:ok, "2.0.0"}
      heal([a], [b, c], name)
      assert call(c, Cluster, :sync, [context.opts]) == :ok

      for node <- [a, b, c],
          do: assert(call(node, Manager, :plugin_info!, [:both, context.opts]).version == "2.0.0")
    end

    test "settles what contradicts itself alike on all nodes: what needs what has gone waits, and says so",
         %{nodes: [a, b, c] = nodes, name: name} = context do
      {source, needed, _} = source(:needed)
      compile_on(a, source)
      {:ok, :needed} = load(a, needed, context.all)
      split([a], [b, c], name)

      assert call(a, Manager, :unload_plugin, [:needed, context.all]) == :ok
      {source, needing, _} = source(:needing, needs: :needed)
      compile_on(b, source)
      {:ok, :needing} = load(b, needing, context.all, %{name: "b"})
      failures = for node <- nodes, do: collect(node, name, :cluster_failed)

      heal([a], [b, c], name)
      assert call(a, Cluster, :sync, [context.opts]) == {:error, {:pending, [:needing]}}

      for node <- nodes do
        assert ids(node, context.opts) == []
        plugins = Enum.sort_by(call(node, Cluster, :plugins, [context.opts]), & &1.id)
        assert [%{id: :needed, applied: true}, pending] = plugins
        assert %{id: :needing, state: :loaded, applied: false, failed: %Error{step: :resolve}} = pending
        assert %{status: :unhealthy, cluster: [lacking]} = call(node, Manager, :health, [context.opts])
        assert %{plugin: :needing, to_be: :loaded, advice: advice} = lacking
        assert advice =~ "load what it needs with nodes: :all"
      end

      told = collected_by(a, name, :cluster_failed, failures)
      assert for([%{id: :needing, node: node, advice: _}] <- told, do: node) == Enum.map(nodes, & &1.node)

      {:ok, :needed} = load(a, needed, context.all)
      assert call(a, Cluster, :sync, [context.opts]) == :ok

      for node <- nodes do
        assert Enum.sort(ids(node, context.opts)) == [:needed, :needing]
        assert rpc(node, :needing, :config, context.opts) == {:ok, "b"}
        assert %{status: :healthy, cluster: []} = call(node, Manager, :health, [context.opts])
      end
    end

    test "has what cannot do with an upgrade wait for one that it can do with",
         %{nodes: [a, b, c] = nodes, name: name} = context do
      {source, needed, _} = source(:relied_on)
      compile_on(a, source)
      {:ok, :relied_on} = load(a, needed, context.all)
      split([a], [b, c], name)

      [two, one] =
        for version <- ["2.0.0", "1.5.0"] do
          {source, ^needed, _} = source(:relied_on, version: version)
          Map.new(compile(source))[needed]
        end

      assert call(a, Manager, :upgrade_plugin, [:relied_on, two, context.all]) == {:ok, "2.0.0"}
      {source, needing, _} = source(:choosy, needs: :relied_on, as: "~> 1.0")
      compile_on(b, source)
      {:ok, :choosy} = load(b, needing, context.all)

      heal([a], [b, c], name)
      assert call(c, Cluster, :sync, [context.opts]) == {:error, {:pending, [:choosy]}}

      for node <- nodes do
        assert ids(node, context.opts) == [:relied_on]
        assert call(node, Manager, :plugin_info!, [:relied_on, context.opts]).version == "2.0.0"
      end

      assert call(b, Manager, :upgrade_plugin, [:relied_on, one, context.all]) == {:ok, "1.5.0"}
      assert call(b, Cluster, :sync, [context.opts]) == :ok
      for node <- nodes, do: assert(Enum.sort(ids(node, context.opts)) == [:choosy, :relied_on])
    end
  end

  describe "what crashes" do
    test "finds its way back: the member, the inbox, the scope, the manager",
         %{nodes: [a, b, c] = nodes, name: name} = context do
      {source, module, _} = source(:survives)
      compile_on(a, source)
      {:ok, :survives} = load(a, module, context.all)

      scope = call(b, :erlang, :whereis, [Cluster])

      for {role, groups} <- [
            cluster_member: [:members],
            cluster_inbox: [:inboxes],
            cluster_directory: [{:plugin, :survives}],
            cluster_watch: [],
            manager: [:members, :inboxes]
          ] do
        kill(b, name, role, nodes, groups)
      end

      # In OTP before 26.2 it ends with a process that follows a group and is in it.
      assert call(b, :erlang, :whereis, [Cluster]) == scope
      kill_scope(b, name, nodes)
      assert call(b, Cluster, :sync, [context.opts]) == :ok
      assert [%{id: :survives, applied: true}] = call(b, Cluster, :plugins, [context.opts])
      assert ids(b, context.opts) == [:survives]

      collectors = for node <- [a, b, c], do: collect(node, name, :after_it)
      :ok = emit(a, name, :after_it, [1])
      assert collected_by(a, name, :after_it, collectors) == [[1], [1], [1]]
    end
  end

  describe "the application's own instance" do
    test "is in a cluster where it is configured so", %{nodes: [a | _]} do
      [d] = start_nodes(1)
      assert call(d, Cluster, :sync, []) == {:error, {:not_clustered, Pipeline.Plugin}}
      :ok = call(d, Application, :stop, [:pipeline_plugin])
      :ok = call(d, Application, :put_env, [:pipeline_plugin, :cluster, [events: :all]])
      :ok = call(d, Application, :start, [:pipeline_plugin])
      assert call(d, Cluster, :nodes, []) == [d.node]
      assert call(a, Cluster, :nodes, []) == []
    end
  end

  describe "without a cluster" do
    test "nothing is loaded on all nodes, and events stay here" do
      start_supervised!({Manager, name: :alone})

      assert {:error, %Error{step: :cluster, reason: {:not_clustered, :alone}} = error} =
               Manager.load_plugin(Pipeline.Plugins.LocalProvider, %{}, instance: :alone, nodes: :all)

      assert Exception.message(error) =~ "start it with cluster: true"

      assert {:error, %Error{reason: {:not_clustered, :alone}}} =
               Manager.unload_plugin(:x, instance: :alone, nodes: :all)

      assert Events.emit(:x, 1, instance: :alone, nodes: :all) == :ok
      assert RPC.call(:x, 1, 5000, instance: :alone, node: :any) == {:error, {:not_loaded, :x}}
      assert Cluster.nodes(instance: :alone) == []
      assert Cluster.plugins(instance: :alone) == []
      assert Cluster.sync(instance: :alone) == {:error, {:not_clustered, :alone}}
    end

    test "wrong options are refused" do
      for {opts, message} <- [
            {[events: 1], ~r/a list of types/},
            {[rpc: :never], ~r/:local or :any/},
            {[timeout: 0], ~r/timeout: is a number of milliseconds/},
            {[evnts: []], ~r/Did you mean :events/}
          ] do
        assert_raise ArgumentError, message, fn -> Manager.start_link(name: :wrong, cluster: opts) end
      end
    end
  end
end
