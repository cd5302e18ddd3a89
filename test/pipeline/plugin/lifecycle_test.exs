defmodule Pipeline.Plugin.LifecycleTest do
  use Pipeline.InstanceCase, async: true

  alias Pipeline.Plugin.Error

  alias Pipeline.Plugin.Lifecycle
  alias Pipeline.Instance.Names

  defp letter(id, opts \\ []) do
    plugin id: id do
      hook :before, :spell do
        def spell(context, next), do: next.(context ++ [__plugin__().id])
      end

      @impl Pipeline.Plugin
      def init(config) do
        if config[:counter], do: :counters.add(config.counter, 1, 1)
        if config[:broken] && :counters.get(config.broken, 1) > 0, do: {:error, :broken}, else: {:ok, config}
      end

      @impl Pipeline.Plugin
      def handle_message(:crash, _state), do: exit(:told_to)
    end
    |> depending(id, opts[:on])
  end

  # The dependency is not known when the body above is quoted.
  defp depending(module, _id, nil), do: module

  defp depending(module, id, target) do
    name = :"#{module}.Dependent"
    manifest = %{module.__plugin__() | id: id, dependencies: [{target, []}]}

    Module.create(
      name,
      quote do
        def __plugin__, do: unquote(Macro.escape(manifest))
        defdelegate __hooks__, to: unquote(module)
        defdelegate init(config), to: unquote(module)
        defdelegate handle_message(message, state), to: unquote(module)
        defdelegate spell(context, next), to: unquote(module)
      end,
      __ENV__
    )

    on_exit(fn -> Pipeline.InstanceCase.remove(name) end)
    name
  end

  defp load(module, instance, config \\ %{}) do
    {:ok, id} = Manager.load_plugin(module, config, instance: instance)
    id
  end

  defp spell(instance), do: Hook.run(instance, :spell, [], &Function.identity/1)

  defp state(id, instance), do: Manager.plugin_info!(id, instance: instance).state
  defp reason(id, instance), do: hd(Manager.plugin_info!(id, instance: instance).history).reason

  defp states(instance) do
    for %{id: id, state: state} <- Manager.list_plugins(instance: instance), into: %{}, do: {id, state}
  end

  # a ← b ← c
  defp load_chain(instance) do
    load(letter(:a), instance)
    load(letter(:b, on: :a), instance)
    load(letter(:c, on: :b), instance)
    assert spell(instance) == {:ok, [:a, :b, :c]}
  end

  # A plugin that crashes until it is given up.
  defp kill_until_failed(id, instance) do
    :ok = Events.subscribe(self(), :plugin_failed, instance: instance)
    kill_again(id, instance)
  end

  defp kill_again(id, instance) do
    if pid = Names.whereis(instance, {:plugin, id}) do
      monitor = Process.monitor(pid)
      Process.exit(pid, :kill)
      assert_receive {:DOWN, ^monitor, :process, ^pid, _}
    end

    receive do
      {:pipeline_event, {:plugin, :plugin_failed}, %{id: ^id}} -> :ok
    after
      0 -> kill_again(id, instance)
    end
  end

  test "loading passes through the states, each an event with its time", %{instance: instance} do
    :ok = Events.subscribe(self(), :plugin_state, instance: instance)
    load(letter(:a), instance)

    for {from, to} <- [
          {nil, :discovered},
          {:discovered, :resolved},
          {:resolved, :loading},
          {:loading, :started}
        ] do
      assert_receive {:pipeline_event, {:plugin, :plugin_state}, event}
      assert %{id: :a, from: ^from, to: ^to, reason: :load, at: %DateTime{}} = event
    end

    history = Manager.plugin_info!(:a, instance: instance).history
    assert Enum.map(history, & &1.state) == [:started, :loading, :resolved, :discovered]
    times = Enum.map(history, & &1.at)
    assert times == Enum.sort(times, {:desc, DateTime})
  end

  test "a transition that does not exist is refused, by a message" do
    info = Lifecycle.discovered(%{id: :a}, :load)

    assert_raise ArgumentError,
                 "plugin :a: a discovered plugin cannot become started; it can become resolved, held, stopped or failed",
                 fn -> Lifecycle.enter!(info, :started, :load) end
  end

  test "the history is bounded", %{instance: instance} do
    load(letter(:a), instance)

    for _ <- 1..30 do
      :ok = Manager.disable_plugin(:a, instance: instance)
      {:ok, :started} = Manager.enable_plugin(:a, instance: instance)
    end

    assert [%{state: :started} | _] = history = Manager.plugin_info!(:a, instance: instance).history
    assert length(history) == 50
  end

  test "a plugin that is disabled is known, does nothing, and comes back", %{instance: instance} do
    load(letter(:a), instance)
    :ok = Manager.disable_plugin(:a, instance: instance, reason: "noisy")

    assert %{state: :stopped, pid: nil, history: [%{reason: "noisy"} | _]} =
             Manager.plugin_info!(:a, instance: instance)

    assert spell(instance) == {:ok, []}
    assert Hook.points(instance: instance) == []
    assert :ok = Manager.disable_plugin(:a, instance: instance)

    assert {:error, %Error{reason: {:already_loaded, :a}}} =
             Manager.load_plugin(letter(:a), %{}, instance: instance)

    assert {:ok, :started} = Manager.enable_plugin(:a, instance: instance)
    assert spell(instance) == {:ok, [:a]}
    assert {:error, %Error{reason: {:already_started, :a}}} = Manager.enable_plugin(:a, instance: instance)
    assert {:error, %Error{reason: {:not_loaded, :z}}} = Manager.enable_plugin(:z, instance: instance)
    assert {:error, %Error{reason: {:not_loaded, :z}}} = Manager.disable_plugin(:z, instance: instance)
  end

  test "those that need a plugin are held while it is stopped, and told why", %{instance: instance} do
    load_chain(instance)
    :ok = Manager.disable_plugin(:a, instance: instance)

    assert states(instance) == %{a: :stopped, b: :held, c: :held}
    assert reason(:b, instance) == {:needs, [:a]}
    assert reason(:c, instance) == {:needs, [:b]}
    assert spell(instance) == {:ok, []}

    assert {:ok, :held} = Manager.enable_plugin(:c, instance: instance)
    assert {:ok, :started} = Manager.enable_plugin(:a, instance: instance)
    assert states(instance) == %{a: :started, b: :started, c: :started}
    assert spell(instance) == {:ok, [:a, :b, :c]}
  end

  test "those that need a plugin are held when it fails", %{instance: instance} do
    load_chain(instance)
    load(letter(:other), instance)
    other = Manager.plugin_info!(:other, instance: instance).pid

    kill_until_failed(:a, instance)
    assert states(instance) == %{a: :failed, b: :held, c: :held, other: :started}
    assert spell(instance) == {:ok, [:other]}
    assert Manager.plugin_info!(:other, instance: instance).pid == other

    assert {:ok, :started} = Manager.enable_plugin(:a, instance: instance)
    assert states(instance) == %{a: :started, b: :started, c: :started, other: :started}
  end

  test "what an operator has stopped stays so when what it needs returns", %{instance: instance} do
    load_chain(instance)
    :ok = Manager.disable_plugin(:b, instance: instance)
    assert states(instance) == %{a: :started, b: :stopped, c: :held}

    :ok = Manager.disable_plugin(:a, instance: instance)
    {:ok, :started} = Manager.enable_plugin(:a, instance: instance)
    assert states(instance) == %{a: :started, b: :stopped, c: :held}

    {:ok, :started} = Manager.enable_plugin(:b, instance: instance)
    assert states(instance) == %{a: :started, b: :started, c: :started}
  end

  test "a plugin that is held on request waits for the request to be taken back", %{instance: instance} do
    load_chain(instance)
    :ok = Manager.hold_plugin(:b, instance: instance, reason: :memory)
    assert states(instance) == %{a: :started, b: :held, c: :held}
    assert reason(:b, instance) == {:asked, :memory}

    load(letter(:d), instance)
    assert state(:b, instance) == :held
    {:ok, :started} = Manager.enable_plugin(:b, instance: instance)
    assert states(instance) == %{a: :started, b: :started, c: :started, d: :started}
  end

  test "a plugin that waits starts when what it needs is loaded, and is held again without", %{
    instance: instance
  } do
    a = letter(:a)
    load(a, instance)
    load(letter(:b, on: :a), instance)
    kill_until_failed(:a, instance)
    assert :ok = Manager.unload_plugin(:a, instance: instance)
    assert states(instance) == %{b: :held}

    load(a, instance)
    assert states(instance) == %{a: :started, b: :started}
    assert {:error, %Error{reason: {:required_by, [:b]}}} = Manager.unload_plugin(:a, instance: instance)
    assert :ok = Manager.unload_plugin(:a, instance: instance, cascade: true)
    assert states(instance) == %{}
  end

  test "a held plugin that cannot be started is failed", %{instance: instance} do
    broken = :counters.new(1, [])
    load(letter(:a), instance)
    load(letter(:b, on: :a), instance, %{broken: broken})
    :ok = Manager.disable_plugin(:a, instance: instance)
    :counters.put(broken, 1, 1)

    log =
      ExUnit.CaptureLog.capture_log(fn -> {:ok, :started} = Manager.enable_plugin(:a, instance: instance) end)

    assert log =~ "a plugin that was held cannot be started: could not load plugin :b"
    assert states(instance) == %{a: :started, b: :failed}
    assert reason(:b, instance) == :broken
    assert {:error, %Error{step: :init, reason: :broken}} = Manager.enable_plugin(:b, instance: instance)

    :counters.put(broken, 1, 0)
    assert {:ok, :started} = Manager.enable_plugin(:b, instance: instance)
    assert spell(instance) == {:ok, [:a, :b]}
  end

  test "a restart is a new process with the hooks in place", %{instance: instance} do
    counter = :counters.new(1, [])
    load(letter(:a), instance, %{counter: counter})
    before = Manager.plugin_info!(:a, instance: instance).pid

    assert :ok = Manager.restart_plugin(:a, instance: instance)
    assert %{state: :started, pid: pid} = Manager.plugin_info!(:a, instance: instance)
    assert is_pid(pid) and pid != before
    assert :counters.get(counter, 1) == 2
    assert spell(instance) == {:ok, [:a]}

    :ok = Manager.disable_plugin(:a, instance: instance)
    assert {:error, %Error{reason: {:stopped, :a}}} = Manager.restart_plugin(:a, instance: instance)
  end

  test "a restart that does not succeed fails the plugin and holds those that need it", %{instance: instance} do
    broken = :counters.new(1, [])
    load(letter(:a), instance, %{broken: broken})
    load(letter(:b, on: :a), instance)
    :counters.put(broken, 1, 1)

    assert {:error, %Error{reason: :broken}} = Manager.restart_plugin(:a, instance: instance)
    assert states(instance) == %{a: :failed, b: :held}
    assert spell(instance) == {:ok, []}
  end

  test "a manager that is killed finds each plugin in its state", %{instance: instance} do
    load_chain(instance)
    load(letter(:other), instance)
    :ok = Manager.disable_plugin(:b, instance: instance)
    kill_until_failed(:other, instance)

    manager = Names.whereis(instance, :manager)
    monitor = Process.monitor(manager)
    Process.exit(manager, :kill)
    assert_receive {:DOWN, ^monitor, :process, ^manager, _}
    _ = instance |> Names.whereis(:instance) |> Supervisor.which_children()

    assert {:error, %Error{reason: {:already_started, :a}}} = Manager.enable_plugin(:a, instance: instance)
    assert states(instance) == %{a: :started, b: :stopped, c: :held, other: :failed}
    {:ok, :started} = Manager.enable_plugin(:b, instance: instance)
    assert states(instance) == %{a: :started, b: :started, c: :started, other: :failed}
  end

  test "a configured plugin waits for one that arrives later", %{instance: instance} do
    name = :"#{instance} configured"
    b = letter(:b, on: :a)

    ExUnit.CaptureLog.capture_log(fn -> start_supervised!({Manager, name: name, plugins: [b]}) end)
    assert states(name) == %{b: :held}
    load(letter(:a), name)
    assert states(name) == %{a: :started, b: :started}
  end

  test "a capability's last provider holds those that need it", %{instance: instance} do
    provider = fn id ->
      name = letter(id)
      other = :"#{name}.Provider"
      manifest = %{name.__plugin__() | capabilities: [model: []]}
      Module.create(other, quote(do: def(__plugin__, do: unquote(Macro.escape(manifest)))), __ENV__)
      on_exit(fn -> Pipeline.InstanceCase.remove(other) end)
      other
    end

    needing =
      plugin id: :needing do
        depends_on(capability: :model)
      end

    load(provider.(:one), instance)
    load(provider.(:two), instance)
    load(needing, instance)

    :ok = Manager.disable_plugin(:one, instance: instance)
    assert states(instance) == %{one: :stopped, two: :started, needing: :started}
    :ok = Manager.disable_plugin(:two, instance: instance)
    assert states(instance) == %{one: :stopped, two: :stopped, needing: :held}
    {:ok, :started} = Manager.enable_plugin(:one, instance: instance)
    assert states(instance) == %{one: :started, two: :stopped, needing: :started}
  end

  describe "with a store" do
    @describetag :tmp_dir

    defp start_again(name, path, plugins) do
      with pid when is_pid(pid) <- Names.whereis(name, :instance), do: stop_supervised!({Manager, name})
      start_supervised!({Manager, name: name, plugins: plugins, store: path})
    end

    test "what is disabled stays so when all starts again, with those that need it", %{
      instance: instance,
      tmp_dir: tmp_dir
    } do
      name = :"#{instance} with a store"
      path = Path.join(tmp_dir, "disabled")
      plugins = [letter(:a), letter(:b, on: :a), letter(:c)]
      start_again(name, path, plugins)
      :ok = Manager.disable_plugin(:a, instance: name, reason: "noisy")

      ExUnit.CaptureLog.capture_log(fn -> start_again(name, path, plugins) end)
      assert states(name) == %{a: :stopped, b: :held, c: :started}
      assert spell(name) == {:ok, [:c]}

      {:ok, :started} = Manager.enable_plugin(:a, instance: name)
      assert states(name) == %{a: :started, b: :started, c: :started}
      start_again(name, path, plugins)
      assert states(name) == %{a: :started, b: :started, c: :started}
    end

    test "one that is disabled is not loaded, by a message, until it is enabled", %{
      instance: instance,
      tmp_dir: tmp_dir
    } do
      name = :"#{instance} with a store"
      path = Path.join(tmp_dir, "disabled")
      a = letter(:a)
      start_again(name, path, [a])
      :ok = Manager.disable_plugin(:a, instance: name)
      :ok = Manager.unload_plugin(:a, instance: name)

      assert {:error, %Error{reason: {:disabled, :a}} = error} = Manager.load_plugin(a, %{}, instance: name)

      assert Exception.message(error) =~
               "an operator has disabled :a; Pipeline.Plugin.Manager.enable_plugin(:a) takes that back"

      assert {:ok, :not_loaded} = Manager.enable_plugin(:a, instance: name)
      assert {:ok, :a} = Manager.load_plugin(a, %{}, instance: name)
    end

    test "a path that cannot be written is an error when the instance starts", %{instance: instance} do
      name = :"#{instance} with a store"
      child = {Manager, name: name, store: "/proc/no/such/directory"}
      {:error, reason} = start_supervised(child)
      assert inspect(reason) =~ "Pipeline.Plugin.Store.Error"
      assert Names.whereis(name, :instance) == nil
    end

    test "a plugin goes on when it cannot be written that it is disabled", %{
      instance: instance,
      tmp_dir: tmp_dir
    } do
      name = :"#{instance} with a store"
      directory = Path.join(tmp_dir, "store")
      start_again(name, Path.join(directory, "disabled"), [])
      load(letter(:a), name)
      File.rm_rf!(directory)
      File.write!(directory, "")

      assert {:error, %Error{reason: %Pipeline.Plugin.Store.Error{}} = error} =
               Manager.disable_plugin(:a, instance: name)

      assert Exception.message(error) =~ directory
      assert states(name) == %{a: :started}
      assert spell(name) == {:ok, [:a]}
    end

    test "a store that is no store is set aside, and all starts", %{instance: instance, tmp_dir: tmp_dir} do
      name = :"#{instance} with a store"
      path = Path.join(tmp_dir, "disabled")
      File.write!(path, "something else")
      log = ExUnit.CaptureLog.capture_log(fn -> start_again(name, path, [letter(:a)]) end)
      assert log =~ path
      assert states(name) == %{a: :started}
      assert [_] = Path.wildcard(path <> ".corrupt*")
    end
  end
end
