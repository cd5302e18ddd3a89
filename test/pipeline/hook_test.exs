defmodule Pipeline.HookTest do
  use Pipeline.InstanceCase, async: true

  alias Pipeline.Hook.Manager, as: Chains

  doctest Pipeline.Hook

  defmodule Points do
    use Pipeline.Hook.Spec, open: true

    hookpoint :route, mode: :first
    hookpoint :gather, mode: :collect
    hookpoint :tell, mode: :notify
    hookpoint :guard, kinds: [:before]
  end

  describe "order" do
    test "a plugin comes after those it depends on, also when they come later", %{instance: instance} do
      one =
        plugin id: :one do
          depends_on :two, optional: true
          hook :before, :step
        end

      two = plugin([id: :two], do: hook(:before, :step))
      three = plugin([id: :three], do: hook(:before, :step))

      load(one, instance)
      load(three, instance)
      assert order(:step, instance) == [:one, :three]
      load(two, instance)
      assert order(:step, instance) |> Enum.filter(&(&1 in [:one, :two])) == [:two, :one]
      :ok = Manager.unload_plugin(:two, instance: instance)
      assert order(:step, instance) == [:one, :three]
    end

    test "priority wins over dependency", %{instance: instance} do
      base = plugin([id: :base], do: hook(:before, :step, priority: 10))

      top =
        plugin id: :top do
          depends_on :base
          hook :before, :step, priority: 20
        end

      assert {:ok, [:base, :top]} = Manager.load_plugins([top, base], instance: instance)
      assert order(:step, instance) == [:top, :base]
    end

    test "a constraint holds while the named plugin is there, whenever it comes and goes", %{
      instance: instance
    } do
      mover = plugin([id: :mover], do: hook(:before, :step, priority: 90, after: "named"))
      other = plugin([id: :other], do: hook(:before, :step, priority: 50))
      named = plugin([id: "named"], do: hook(:before, :step, priority: 10))

      load(mover, instance)
      load(other, instance)
      assert order(:step, instance) == [:mover, :other]
      load(named, instance)
      assert order(:step, instance) == [:other, "named", :mover]
      :ok = Manager.unload_plugin("named", instance: instance)
      assert order(:step, instance) == [:mover, :other]
      load(named, instance)
      assert order(:step, instance) == [:other, "named", :mover]
    end

    test "a contradiction refuses the load with the cycle spelled out, and changes nothing", %{
      instance: instance
    } do
      one = plugin([id: :one], do: hook(:before, :step, before: :two))
      two = plugin([id: :two], do: hook(:before, :step, before: :three))
      three = plugin([id: :three], do: hook(:before, :step, before: :one))
      load(one, instance)
      load(two, instance)
      before = Hook.chain(:step, instance: instance)

      assert {:error, %Error{plugin: :three, step: :hooks, reason: {:invalid_hook, sentence}}} =
               Manager.load_plugin(three, %{}, instance: instance)

      assert sentence =~ ~r/^the before hooks cannot be put in order: /
      assert sentence =~ "one before two (one declares before: two)"
      assert sentence =~ "two before three (two declares before: three)"
      assert sentence =~ "three before one (three declares before: one)"
      assert sentence =~ ~r/; remove one of the declared constraints$/
      assert Hook.chain(:step, instance: instance) == before
      assert Manager.plugin_info(:three, instance: instance) == :error
    end

    test "a contradiction with the standing order is spelled out too" do
      chains =
        Chains.new()
        |> Chains.register(:step, &pass/2, plugin: :a, priority: 90)
        |> Chains.register(:step, &pass/2, plugin: :b, priority: 10)

      assert_raise ArgumentError,
                   "the before hooks cannot be put in order: c before a (c declares before: a), " <>
                     "a before b (priority, dependency or registration), b before c (c declares after: b); " <>
                     "remove one of the declared constraints",
                   fn -> Chains.register(chains, :step, &pass/2, plugin: :c, before: :a, after: :b) end
    end
  end

  describe "a change of hooks" do
    test "is not seen by a run that has begun", %{instance: instance} do
      one = plugin([id: :one], do: hook(:before, :step, priority: 90))

      two =
        plugin id: :two do
          hook :before, :step, fun: :first
          hook :after, :step, fun: :last
          def first(context, next), do: next.([:first | context])
          def last(context, next), do: next.([:last | context])
        end

      late = plugin([id: :late], do: hook(:after, :step, do: def(step(_, _), do: raise("too late"))))
      load(one, instance)
      load(two, instance)

      core = fn context ->
        :ok = Manager.unload_plugin(:two, instance: instance)
        load(late, instance)
        assert order(:step, instance) == [:one, :late]
        context
      end

      assert Hook.run(instance, :step, [], core) == {:ok, [:last, :first]}
      assert {:error, %Hook.Error{plugin: :late}} = Hook.run(instance, :step, [], &Function.identity/1)
    end

    test "shows all hooks of a plugin or none", %{instance: instance} do
      points = for n <- 1..8, do: :"point_#{n}"

      module =
        plugin id: :many do
          for n <- 1..8, do: hook(:before, :"point_#{n}", fun: :all)
          def all(context, next), do: next.([:seen | context])
        end

      test = self()

      watcher =
        spawn_link(fn ->
          watch(instance, test, MapSet.new())
        end)

      for _ <- 1..50 do
        load(module, instance)
        :ok = Manager.unload_plugin(:many, instance: instance)
      end

      send(watcher, :stop)
      assert_receive {:seen, seen}, 5000
      assert MapSet.subset?(seen, MapSet.new([[], points]))
    end
  end

  test "a refusal of the core is the result, with hooks on the point and without", %{instance: instance} do
    refuse = fn _context -> throw({:hook_error, :no}) end
    assert Hook.run(instance, :step, 1, refuse) == {:error, :no}
    load(plugin([id: :quiet], do: hook(:before, :step)), instance)
    assert Hook.run(instance, :step, 1, refuse) == {:error, :no}
  end

  describe "runs within runs" do
    test "the same point within a hook", %{instance: instance} do
      module =
        plugin id: :nested do
          hook :before, :step do
            def step(%{instance: instance, n: n} = context, next) when n > 0 do
              {:ok, inner} = Pipeline.Hook.run(instance, :step, %{context | n: n - 1}, &Map.put(&1, :core, n))
              next.(Map.put(context, :inner, inner))
            end

            def step(context, next), do: next.(context)
          end
        end

      load(module, instance)

      assert {:ok, %{n: 2, inner: %{n: 1, core: 2, inner: %{n: 0, core: 1}}}} =
               Hook.run(instance, :step, %{instance: instance, n: 2}, &Function.identity/1)
    end

    test "a point within the base operation; its failure is a value there", %{instance: instance} do
      module =
        plugin id: :fails do
          hook :before, :inner, do: def(inner(_, _), do: raise("inner"))
          hook :around, :outer
        end

      load(module, instance)

      assert {:ok, {:error, %Hook.Error{plugin: :fails, point: :inner}}} =
               Hook.run(instance, :outer, 1, fn n -> Hook.run(instance, :inner, n, & &1) end)
    end

    test "the base operation of an inner run that fails in a hook is that hook's failure", %{
      instance: instance
    } do
      module =
        plugin id: :outer do
          hook :before, :step do
            def step(instance, _next),
              do: Pipeline.Hook.run(instance, :empty, 1, fn _ -> raise "inner core" end)
          end
        end

      load(module, instance)

      assert {:error, %Hook.Error{plugin: :outer, point: :step, reason: %RuntimeError{message: "inner core"}}} =
               Hook.run(instance, :step, instance, & &1)
    end

    test "a failure that was caught in one run is not taken for an equal one of a later run" do
      # Deep enough for the two stacktraces to be equal: the VM keeps eight entries.
      fail = fn _, _ -> fail_deep(20) end
      caught = fn context, next -> try(do: next.(context), catch: (_, _ -> :caught)) end

      first =
        Chains.new()
        |> Chains.register(:first, caught, plugin: :catcher, kind: :around)
        |> Chains.register(:first, fail, plugin: :first)

      second = Chains.register(Chains.new(), :second, fail, plugin: :second)

      assert Chains.run(first, :first, 1) == {:ok, :caught}
      assert {:error, %Hook.Error{plugin: :second, point: :second}} = Chains.run(second, :second, 1)
    end

    test "a native failure that was caught in one run is not taken for an equal one of a later run" do
      caught = fn context, next -> try(do: next.(context), catch: (_, _ -> :caught)) end
      native = {:native, :increment, %{field: :n}}

      chains =
        for {plugin, catches} <- [first: true, second: false] do
          chains = Chains.register(Chains.new(), :step, native, plugin: plugin)
          around = if catches, do: caught, else: &pass/2
          Chains.register(chains, :step, around, kind: :around)
        end

      assert [{:ok, :caught}, {:error, %Hook.Error{plugin: :second}}] =
               for(chain <- chains, do: Chains.run(chain, :step, 1))
    end

    test "hooks of one chain that fail with equal stacktraces are told apart" do
      fail = fn _, _ -> fail_deep(20) end
      caught = fn context, next -> try(do: next.(context), catch: (_, _ -> fail_deep(20))) end

      for opts <- [[], [timeout: 60_000]], kind <- [:before, :replace] do
        chains =
          Chains.new()
          |> Chains.register(:step, caught, [plugin: :outer, kind: kind] ++ opts)
          |> Chains.register(:step, fail, [plugin: :inner, kind: kind] ++ opts)

        assert {:error, %Hook.Error{plugin: :inner, stacktrace: inner}} =
                 Chains.run(
                   Chains.register(Chains.new(), :step, fail, [plugin: :inner, kind: kind] ++ opts),
                   :step,
                   1
                 )

        assert {:error, %Hook.Error{plugin: :outer, stacktrace: ^inner}} = Chains.run(chains, :step, 1)
      end
    end

    test "an around that raises something of its own with the stacktrace of what it caught has failed itself" do
      wrapped = fn context, next ->
        try do
          next.(context)
        rescue
          error -> reraise ArgumentError, [message: "wraps " <> Exception.message(error)], __STACKTRACE__
        end
      end

      chains =
        Chains.new()
        |> Chains.register(:step, wrapped, plugin: :outer, kind: :around)
        |> Chains.register(:step, fn _, _ -> raise "inner" end, plugin: :inner)

      assert {:error, %Hook.Error{plugin: :outer, reason: %ArgumentError{message: "wraps inner"}}} =
               Chains.run(chains, :step, 1)
    end

    test "a hook may raise with an empty stacktrace" do
      chains =
        Chains.new()
        |> Chains.register(:step, &pass/2, plugin: :outer, kind: :around)
        |> Chains.register(:step, fn _, _ -> :erlang.raise(:throw, :ball, []) end, plugin: :inner)

      assert {:error, %Hook.Error{plugin: :inner, reason: :ball}} = Chains.run(chains, :step, 1)
    end

    test "the stacktraces of errors, and of a base operation, hold nothing but places" do
      chains = Chains.register(Chains.new(), :step, &pass/2, kind: :around)
      failing = Chains.register(chains, :step, fn _, _ -> raise "x" end)
      assert {:error, %Hook.Error{stacktrace: hook}} = Chains.run(failing, :step, 1)

      core =
        try do
          Chains.run(chains, :step, 1, fn _ -> raise "core" end)
        rescue
          RuntimeError -> __STACKTRACE__
        end

      for {_, _, _, location} <- hook ++ core do
        assert Keyword.keys(location) -- [:file, :line, :column, :error_info] == []
      end

      assert {__MODULE__, _, _, _} = hd(core)
    end

    test "a run leaves nothing in the process dictionary when it has failed" do
      before = Process.get()
      chains = Chains.register(Chains.new(), :step, fn _, _ -> raise "x" end, on_error: :halt)
      assert {:error, %Hook.Error{}} = Chains.run(chains, :step, 1)

      assert catch_throw(
               Chains.run(Chains.register(Chains.new(), :step, &pass/2), :step, 1, fn _ -> throw(:x) end)
             )

      skipping =
        Chains.register(Chains.new(), :step, fn c, next -> raise inspect(next.(c)) end, on_error: :skip)

      assert {:ok, 1} = Chains.run(skipping, :step, 1)
      assert Process.get() == before
    end
  end

  describe "a hook that is skipped" do
    test "leaves no messages behind when a task of its own goes on with next after it" do
      test = self()

      leaves = fn context, next ->
        task =
          spawn(fn ->
            receive do: (:go_on -> send(test, {:inside, next.(context)}))
          end)

        send(test, {:task, task})
        :mine
      end

      chains = Chains.register(Chains.new(), :step, leaves, kind: :around, on_error: :skip)
      assert Chains.run(chains, :step, 1, &(&1 + 1)) == {:ok, :mine}
      assert_received {:task, task}
      monitor = Process.monitor(task)
      send(task, :go_on)
      assert_receive {:inside, 2}
      assert_receive {:DOWN, ^monitor, _, _, :normal}
      assert Process.info(self(), :messages) == {:messages, []}
    end

    test "leaves no messages behind when it called next in a task and went well" do
      in_task = fn context, next -> Task.await(Task.async(fn -> next.(context) end)) end
      chains = Chains.register(Chains.new(), :step, in_task, kind: :around, on_error: :skip)
      assert Chains.run(chains, :step, 1, &(&1 + 1)) == {:ok, 2}
      assert Process.info(self(), :messages) == {:messages, []}
    end

    test "fails after all when next ran in a process that was killed: there is nothing to go on with" do
      test = self()

      kills = fn context, next ->
        {pid, monitor} = spawn_monitor(fn -> next.(context) end)
        assert_receive {:core, ^pid}, 5000
        Process.exit(pid, :kill)
        assert_receive {:DOWN, ^monitor, _, _, :killed}, 5000
        raise "lost"
      end

      core = fn _ ->
        send(test, {:core, self()})
        receive do: (:never -> :ok)
      end

      chains = Chains.register(Chains.new(), :step, kills, kind: :around, on_error: :skip, plugin: :x)

      assert {:error, %Hook.Error{plugin: :x, reason: %RuntimeError{message: "lost"}}} =
               Chains.run(chains, :step, 1, core)

      assert Process.info(self(), :messages) == {:messages, []}
    end

    test "yields what the last call of next gave it" do
      twice = fn context, next ->
        next.(context)
        next.(context + 10)
        raise "x"
      end

      chains = Chains.register(Chains.new(), :step, twice, kind: :around, on_error: :skip)
      assert Chains.run(chains, :step, 1, &(&1 + 1)) == {:ok, 12}
    end
  end

  describe "modes" do
    @describetag hooks: Points

    test ":first takes the first value other than nil; false is one", %{instance: instance} do
      listen(:none, :route, instance, fn _ -> nil end)
      assert Hook.run(instance, :route, 1, fn _ -> :core end) == {:ok, :core}
      listen(:no, :route, instance, fn _ -> false end)
      listen(:never, :route, instance, fn _ -> raise "not called" end)
      assert Hook.run(instance, :route, 1, fn _ -> :core end) == {:ok, false}
    end

    test ":first without hooks and without an answer yields the base operation", %{instance: instance} do
      assert Hook.run(instance, :route, 1, fn n -> n + 1 end) == {:ok, 2}
    end

    test ":first halts, skips or raises where a hook fails", %{instance: instance} do
      :ok = Events.subscribe(self(), :hook_failed, instance: instance)
      listen(:skipped, :route, instance, fn _ -> raise "skip" end, on_error: :skip, priority: 90)
      listen(:refuses, :route, instance, fn _ -> throw({:hook_error, :no}) end, priority: 80)
      assert Hook.run(instance, :route, 1, & &1) == {:error, :no}

      assert_received {:pipeline_event, _,
                       %{error: %Hook.Error{plugin: :skipped, kind: :listen, point: :route}}}

      refute_received {:pipeline_event, _, _}

      listen(:halts, :route, instance, fn _ -> exit(:stop) end, priority: 85)

      assert {:error, %Hook.Error{plugin: :halts, kind: :listen, reason: :stop}} =
               Hook.run(instance, :route, 1, & &1)

      listen(:raises, :route, instance, fn _ -> raise "up" end, priority: 99, on_error: :raise)
      assert_raise RuntimeError, "up", fn -> Hook.run(instance, :route, 1, & &1) end
    end

    test "a refusal that is skipped is reported", %{instance: instance} do
      :ok = Events.subscribe(self(), :hook_failed, instance: instance)
      listen(:refuses, :route, instance, fn _ -> throw({:hook_error, :no}) end, on_error: :skip)
      assert Hook.run(instance, :route, 1, fn _ -> :core end) == {:ok, :core}

      assert_received {:pipeline_event, _,
                       %{error: %Hook.Error{plugin: :refuses, reason: {:hook_error, :no}}}}
    end

    test "a base operation that fails is raised unchanged", %{instance: instance} do
      listen(:none, :route, instance, fn _ -> nil end)

      assert catch_throw(Hook.run(instance, :route, 1, fn _ -> throw(:mine) end)) == :mine
      assert Hook.run(instance, :route, 1, fn _ -> throw({:hook_error, :mine}) end) == {:error, :mine}
    end

    test ":collect lists all values in order, nil and false too", %{instance: instance} do
      assert collect(instance, 1) == {:ok, []}
      listen(:low, :gather, instance, fn n -> n end, priority: 10)
      listen(:none, :gather, instance, fn _ -> nil end)
      listen(:no, :gather, instance, fn _ -> false end, before: :none)
      listen(:skipped, :gather, instance, fn _ -> raise "x" end, on_error: :skip, priority: 80)
      assert collect(instance, 1) == {:ok, [false, nil, 1]}
      listen(:halts, :gather, instance, fn _ -> throw(:x) end)
      assert {:error, %Hook.Error{plugin: :halts, reason: :x}} = collect(instance, 1)
    end

    test ":notify calls all, whatever fails, and returns :ok", %{instance: instance} do
      test = self()
      :ok = Events.subscribe(self(), :hook_failed, instance: instance)
      listen(:one, :tell, instance, fn test -> send(test, :one) end)
      listen(:two, :tell, instance, fn _ -> raise "two" end)
      listen(:three, :tell, instance, fn _ -> exit(:three) end, on_error: :skip)
      listen(:four, :tell, instance, fn test -> send(test, :four) end)
      assert Hook.run(instance, :tell, test, nil) == :ok
      assert_received :one
      assert_received :four
      assert_received {:pipeline_event, _, %{error: %Hook.Error{plugin: :two}}}
      assert_received {:pipeline_event, _, %{error: %Hook.Error{plugin: :three}}}
    end

    test ":collect and :notify take no base operation but the identity", %{instance: instance} do
      assert Hook.run(instance, :tell, 1, &Function.identity/1) == :ok
      assert Hook.run(instance, :gather, 1, nil) == {:ok, []}

      assert_raise ArgumentError,
                   "the hook point :gather runs as :collect, which has no base operation: run it without one",
                   fn -> Hook.run(instance, :gather, 1, & &1) end
    end

    test "a kind that a mode does not have refuses the load", %{instance: instance} do
      assert refused(plugin([id: :x], do: hook(:before, :gather)), instance) ==
               "the hook point :gather of Pipeline.HookTest.Points takes no :before hooks, it takes: :listen"

      assert refused(plugin([id: :x], do: hook(:around, :guard)), instance) ==
               "the hook point :guard of Pipeline.HookTest.Points takes no :around hooks, it takes: :before"

      assert refused(
               plugin([id: :x], do: hook(:listen, :undeclared, do: def(undeclared(c), do: c))),
               instance
             ) ==
               "the hook point :undeclared is a chain and takes no :listen hooks: declare it in a " <>
                 "Pipeline.Hook.Spec with mode: :first, :collect or :notify"
    end

    test "points/1 lists those that are declared and those with hooks", %{instance: instance} do
      load(plugin([id: :x], do: hook(:before, :own)), instance)
      assert Hook.points(instance: instance) == [:gather, :guard, :own, :route, :tell]
      :ok = Manager.unload_plugin(:x, instance: instance)
      assert Hook.points(instance: instance) == [:gather, :guard, :route, :tell]
    end
  end

  describe "chain/2" do
    test "shows the hooks in the order in which they run, with tiers and segments", %{instance: instance} do
      module =
        plugin id: :x do
          hook :after, :step, native: :increment, config: %{field: :n}
          hook :before, :step, native: :increment, config: %{field: :n}, priority: 90
          hook :before, :step, native: :put, config: %{field: :m, value: 1}, priority: 80
          hook :before, :step, priority: 70
          hook :before, :step, native: :drop, config: %{field: :m}, priority: 60
          hook :around, :step, fun: :wrap, on_error: :skip
          def wrap(context, next), do: next.(context)
          hook :replace, :step, native: :put, config: %{field: :m, value: 1}
          hook :replace, :step, native: :put, config: %{field: :m, value: 2}
        end

      load(module, instance)
      chain = Hook.chain(:step, instance: instance)

      assert Enum.map(chain, &{&1.kind, &1.tier, &1[:native], &1[:segment]}) == [
               {:around, :elixir, nil, nil},
               {:before, :native, {Pipeline.Native, :increment}, 1},
               {:before, :native, {Pipeline.Native, :put}, 1},
               {:before, :elixir, nil, nil},
               {:before, :native, {Pipeline.Native, :drop}, 2},
               {:replace, :native, {Pipeline.Native, :put}, 3},
               {:replace, :native, {Pipeline.Native, :put}, 4},
               {:after, :native, {Pipeline.Native, :increment}, 5}
             ]

      assert hd(chain) == %{
               plugin: :x,
               point: :step,
               kind: :around,
               priority: 50,
               tier: :elixir,
               on_error: :skip
             }

      assert Hook.chain(:nothing_here, instance: instance) == []
    end

    test "refuses unknown options and instances that do not exist" do
      assert_raise ArgumentError,
                   "unknown option :instnace of Pipeline.Hook.chain/2. Did you mean :instance? Known: :instance",
                   fn -> Hook.chain(:step, instnace: :x) end

      assert_raise ArgumentError,
                   "there is no plugin instance :nowhere: start the application :pipeline_plugin for the default " <>
                     "one, or Pipeline.Plugin.Manager.start_link(name: :nowhere)",
                   fn -> Hook.chain(:step, instance: :nowhere) end
    end
  end

  defp load(module, instance), do: {:ok, _} = Manager.load_plugin(module, %{}, instance: instance)
  defp order(point, instance), do: for(hook <- Hook.chain(point, instance: instance), do: hook.plugin)
  defp pass(context, next), do: next.(context)

  defp listen(id, point, instance, fun, opts \\ []) do
    binary = :erlang.term_to_binary(fun)
    name = :"Elixir.Pipeline.Listener#{System.unique_integer([:positive])}"

    body =
      quote do
        use Pipeline.Plugin, id: unquote(id)
        hook :listen, unquote(point), unquote([fun: :listener] ++ opts)
        def listener(context), do: :erlang.binary_to_term(unquote(binary)).(context)
      end

    Module.create(name, body, __ENV__)
    on_exit(fn -> remove(name) end)
    load(name, instance)
  end

  defp refused(module, instance) do
    assert {:error, %Error{step: :hooks, reason: {:invalid_hook, sentence}}} =
             Manager.load_plugin(module, %{}, instance: instance)

    sentence
  end

  defp collect(instance, context), do: Hook.run(instance, :gather, context, &Function.identity/1)

  # By two ways in turn: the VM keeps one of several equal entries that follow each other.
  defp fail_deep(0), do: raise("deep")
  defp fail_deep(n) when rem(n, 2) == 0, do: Enum.map([n - 1], &fail_deep/1)
  defp fail_deep(n), do: Enum.flat_map([n - 1], &fail_deep/1)

  defp watch(instance, test, seen) do
    receive do
      :stop -> send(test, {:seen, seen})
    after
      0 -> watch(instance, test, MapSet.put(seen, Hook.points(instance: instance)))
    end
  end
end
