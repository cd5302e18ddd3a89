defmodule Pipeline.Plugin.Manager.OperationsTest do
  # The manager waits for no plugin: what does not concern one that hangs goes on meanwhile.
  use Pipeline.InstanceCase, async: true

  alias Pipeline.Instance.Names

  # Long enough for a busy machine; whatever waits for it here is stuck.
  @moment 20_000

  defp gated(id, block \\ nil) do
    name = :"Elixir.Pipeline.TestPlugin#{System.unique_integer([:positive])}"
    on_exit(fn -> Pipeline.InstanceCase.remove(name) end)

    body =
      quote do
        use Pipeline.Gated
        unquote(block)

        @impl Pipeline.Plugin
        def update_config(config, _state), do: {:ok, config}

        @impl Pipeline.Plugin
        def code_change(_from, state, _extra), do: Pipeline.Gated.pass(state, :code_change, unquote(id))
      end

    Pipeline.InstanceCase.define(name, [id: id], body, __ENV__)
    name
  end

  defp hook(id, opts \\ []) do
    quote do
      hook :before, :step, unquote(opts) do
        def step(context, next), do: next.([unquote(id) | context])
      end
    end
  end

  defp load(module, instance, config \\ %{}),
    do: Manager.load_plugin(module, Map.put(config, :test, self()), instance: instance)

  defp async(fun), do: Task.async(fun)

  # A plugin that hangs in a callback, and what waits for it.
  defp hang(module, callback, instance) do
    test = self()
    opts = [instance: instance]
    id = module.__plugin__().id
    load = async(fn -> Manager.load_plugin(module, %{test: test, wait: [callback]}, opts) end)
    assert_receive {^callback, ^id, pid}, @moment
    {load, pid}
  end

  defp run(instance), do: Hook.run(instance, :step, [], &Enum.reverse/1)

  for callback <- [:init, :start] do
    test "while #{callback}/1 of a plugin hangs, everything can be done to others", %{instance: instance} do
      opts = [instance: instance]
      {load, slow} = hang(gated(:slow), unquote(callback), instance)

      {:ok, :other} = load(gated(:other, hook(:other)), instance)
      assert run(instance) == {:ok, [:other]}
      assert :ok = Manager.update_config(:other, %{test: self(), new: true}, opts)
      assert :ok = Manager.restart_plugin(:other, opts)
      assert :ok = Manager.hold_plugin(:other, opts)
      assert {:ok, :started} = Manager.enable_plugin(:other, opts)
      assert {:ok, "1.0.0"} = Manager.upgrade_plugin(:other, gated(:other, hook(:newer)), opts)
      assert run(instance) == {:ok, [:newer]}
      assert :ok = Manager.disable_plugin(:other, opts)
      assert :ok = Manager.unload_plugin(:other, opts)
      assert Process.alive?(slow)

      send(slow, :go)
      assert Task.await(load, @moment) == {:ok, :slow}
    end
  end

  test "while a plugin hangs in stop/1, others are loaded and stopped", %{instance: instance} do
    {:ok, :slow} = load(gated(:slow), instance, %{wait: [:stop]})
    unload = async(fn -> Manager.unload_plugin(:slow, instance: instance) end)
    assert_receive {:stop, :slow, slow}, @moment
    assert {:ok, %{state: :draining}} = Manager.plugin_info(:slow, instance: instance)
    {:ok, :other} = load(gated(:other), instance)
    assert :ok = Manager.disable_plugin(:other, instance: instance)
    send(slow, :go)
    assert Task.await(unload) == :ok
  end

  @tag restart: [max: 0, backoff: [min: 1, max: 1]]
  @tag :capture_log
  test "while a failed plugin hangs in its next try, another that gives up is shown as failed",
       %{instance: instance} do
    {:ok, :slow} = load(gated(:slow), instance)
    {:ok, :other} = load(gated(:other, hook(:other)), instance)
    :ok = Events.subscribe(self(), :plugin_state, instance: instance)
    :ok = Manager.update_config(:slow, %{test: self(), wait: [:init]}, instance: instance)
    flush()
    Process.exit(Names.whereis(instance, {:plugin, :slow}), :kill)
    assert_receive {:init, :slow, slow}, @moment
    assert {:ok, %{state: :loading}} = Manager.plugin_info(:slow, instance: instance)

    Process.exit(Names.whereis(instance, {:plugin, :other}), :kill)
    assert_receive {:pipeline_event, {:plugin, :plugin_state}, %{id: :other, to: :failed}}, @moment
    assert run(instance) == {:ok, []}
    send(slow, :go)
    assert_receive {:start, :slow, ^slow}, @moment
  end

  defp flush do
    receive do
      {_callback, _id, pid} when is_pid(pid) -> flush()
    after
      0 -> :ok
    end
  end

  test "what concerns a plugin that hangs waits for it, in the order in which it came", %{instance: instance} do
    opts = [instance: instance]
    {load, slow} = hang(gated(:slow), :init, instance)
    hold = async(fn -> Manager.hold_plugin(:slow, opts) end)
    await_waiting(instance, 1)
    enable = async(fn -> Manager.enable_plugin(:slow, opts) end)
    await_waiting(instance, 2)
    unload = async(fn -> Manager.unload_plugin(:slow, opts) end)
    await_waiting(instance, 3)

    send(slow, :go)
    assert Task.await(load) == {:ok, :slow}
    assert Task.await(hold) == :ok
    # It hangs again.
    assert_receive {:init, :slow, again} when again != slow, @moment
    send(again, :go)
    assert Task.await(enable) == {:ok, :started}
    assert Task.await(unload) == :ok
    assert Manager.list_plugins(opts) == []
  end

  defp await_waiting(instance, number) do
    waiting = :sys.get_state(Names.whereis(instance, :manager)).operations.waiting
    if length(waiting) < number, do: await_waiting(instance, number), else: :ok
  end

  test "a plugin that another needs is not stopped while that starts", %{instance: instance} do
    opts = [instance: instance]
    {:ok, :base} = load(gated(:base), instance)
    {load, slow} = hang(gated(:slow, quote(do: depends_on(:base))), :init, instance)
    disable = async(fn -> Manager.disable_plugin(:base, opts) end)
    await_waiting(instance, 1)
    assert {:ok, %{state: :started}} = Manager.plugin_info(:base, opts)

    send(slow, :go)
    assert Task.await(load) == {:ok, :slow}
    assert Task.await(disable) == :ok
    assert {:ok, %{state: :held}} = Manager.plugin_info(:slow, opts)
  end

  test "plugins that need one that runs start beside each other", %{instance: instance} do
    {:ok, :base} = load(gated(:base), instance)
    {one, first} = hang(gated(:one, quote(do: depends_on(:base))), :init, instance)
    {two, second} = hang(gated(:two, quote(do: depends_on(:base))), :init, instance)
    for pid <- [first, second], do: send(pid, :go)
    assert Task.await_many([one, two]) == [ok: :one, ok: :two]
  end

  test "held plugins start beside each other, and who asked is answered when they have", %{instance: instance} do
    opts = [instance: instance]
    {:ok, :base} = load(gated(:base), instance)

    for id <- [:one, :two] do
      {load, pid} = hang(gated(id, quote(do: depends_on(:base))), :init, instance)
      send(pid, :go)
      assert Task.await(load) == {:ok, id}
    end

    :ok = Manager.hold_plugin(:base, opts)
    flush()
    enable = async(fn -> Manager.enable_plugin(:base, opts) end)
    assert_receive {:init, :one, one}, @moment
    assert_receive {:init, :two, two}, @moment
    assert {:ok, %{state: :started}} = Manager.plugin_info(:base, opts)
    assert Task.yield(enable, 0) == nil
    for pid <- [one, two], do: send(pid, :go)
    assert Task.await(enable) == {:ok, :started}
    assert for(%{state: state} <- Manager.list_plugins(opts), do: state) == [:started, :started, :started]
  end

  test "hooks of plugins that start beside each other all stand in the end, in order", %{instance: instance} do
    {one, first} = hang(gated(:one, hook(:one, priority: 10)), :start, instance)
    {two, second} = hang(gated(:two, hook(:two, priority: 90)), :start, instance)
    send(first, :go)
    assert Task.await(one) == {:ok, :one}
    assert run(instance) == {:ok, [:one]}
    send(second, :go)
    assert Task.await(two) == {:ok, :two}
    assert run(instance) == {:ok, [:two, :one]}
  end

  test "of plugins that start beside each other with hooks that contradict, the later is undone",
       %{instance: instance} do
    {one, first} = hang(gated(:one, hook(:one, before: [:two])), :start, instance)
    {two, second} = hang(gated(:two, hook(:two, before: [:one])), :start, instance)
    send(first, :go)
    assert Task.await(one) == {:ok, :one}
    send(second, :go)
    assert {:error, %Error{plugin: :two, step: :hooks, reason: {:invalid_hook, _}}} = Task.await(two)
    assert run(instance) == {:ok, [:one]}
    assert Manager.plugin_info(:two, instance: instance) == :error
    assert Names.whereis(instance, {:plugin, :two}) == nil
  end

  test "hooks that are put back stand beside those that have come since", %{instance: instance} do
    test = self()

    waiting =
      quote do
        hook :before, :step, priority: 70 do
          def step({:wait, test}, next) do
            send(test, {:in_run, self()})
            receive do: (:go -> next.([:one]))
          end

          def step(context, next), do: next.([:one | context])
        end
      end

    {:ok, :one} = load(gated(:one, waiting), instance)
    run = async(fn -> Hook.run(instance, :step, {:wait, test}, & &1) end)
    assert_receive {:in_run, hook}, @moment
    unload = async(fn -> Manager.unload_plugin(:one, instance: instance, drain_timeout: 300) end)
    await_state(:one, :draining, instance)
    {:ok, :two} = load(gated(:two, hook(:two)), instance)
    assert {:error, %Error{reason: {:still_running, [^hook]}}} = Task.await(unload)
    assert run(instance) == {:ok, [:one, :two]}
    send(hook, :go)
    assert Task.await(run) == {:ok, [:one]}
    assert {:ok, %{state: :started}} = Manager.plugin_info(:one, instance: instance)
    assert Manager.unload_plugin(:one, instance: instance) == :ok
    assert run(instance) == {:ok, [:two]}
  end

  defp await_state(id, state, instance) do
    case Manager.plugin_info(id, instance: instance) do
      {:ok, %{state: ^state}} -> :ok
      _ -> await_state(id, state, instance)
    end
  end

  test "while an upgrade keeps a point closed, others come to the point, and runs wait for it", %{
    instance: instance
  } do
    # The file of the very module, which is replaced in place.
    name = :"Elixir.Pipeline.TestPlugin#{System.unique_integer([:positive])}"
    on_exit(fn -> Pipeline.InstanceCase.remove(name) end)
    body = fn id -> {:__block__, [], [quote(do: use(Pipeline.Gated)), changing(), hook(id)]} end
    {old, newer} = {binary(name, body.(:old)), binary(name, body.(:newer))}
    {:module, ^name} = :code.load_binary(name, ~c"in memory", old)
    {:ok, :changing} = load(name, instance, %{wait: [:code_change]})

    upgrade =
      async(fn ->
        Manager.upgrade_plugin(:changing, newer, instance: instance, rollback: {~c"in memory", old})
      end)

    assert_receive {:code_change, :changing, changing}, @moment
    {:ok, :other} = load(gated(:other, hook(:other)), instance)
    {:ok, :gone} = load(gated(:gone, hook(:gone)), instance)
    :ok = Manager.unload_plugin(:gone, instance: instance)
    run = async(fn -> run(instance) end)
    assert Task.yield(run, 50) == nil
    send(changing, :go)
    assert Task.await(upgrade, @moment) == {:ok, "1.0.0"}
    assert Task.await(run) == {:ok, [:newer, :other]}
    assert run(instance) == {:ok, [:newer, :other]}
  end

  defp changing do
    quote do
      @impl Pipeline.Plugin
      def code_change(_from, state, _extra), do: Pipeline.Gated.pass(state, :code_change, :changing)
    end
  end

  defp binary(name, body) do
    {:module, ^name, binary, _} = Pipeline.InstanceCase.define(name, [id: :changing], body, __ENV__)
    Pipeline.InstanceCase.remove(name)
    binary
  end

  @tag :capture_log
  test "when all plugins are lost, one that hangs keeps no other from coming back", %{instance: instance} do
    opts = [instance: instance]
    {:ok, :slow} = load(gated(:slow), instance)
    {:ok, :other} = load(gated(:other), instance)
    :ok = Manager.update_config(:slow, %{test: self(), wait: [:init]}, opts)
    flush()
    Process.exit(Names.whereis(instance, :plugins), :kill)
    assert_receive {:init, :slow, slow}, @moment
    assert_receive {:start, :other, _pid}, @moment
    assert :ok = Manager.disable_plugin(:other, opts)
    send(slow, :go)
    assert_receive {:start, :slow, ^slow}, @moment
  end

  test "while configured plugins start, others are loaded", %{instance: instance} do
    name = {instance, :configured}
    test = self()
    slow = gated(:slow)
    other = gated(:other)

    # The start of an instance waits for its plugins, so another process sees to the rest.
    conductor =
      spawn_link(fn ->
        assert_receive {:init, :slow, pid}, @moment
        send(test, Manager.load_plugin(other, %{test: test}, instance: name))
        send(pid, :go)
        receive do: (:never -> :ok)
      end)

    start_supervised!({Manager, name: name, plugins: [{slow, %{test: conductor, wait: [:init]}}]}, id: name)
    assert_received {:ok, :other}
    assert Manager.ready?(instance: name)
  end

  test "a plugin restarts with one that it depends on where it says so", %{instance: instance} do
    {:ok, :base} = load(gated(:base), instance)
    {:ok, :with} = load(gated(:with, quote(do: depends_on(:base, rest_for_one: true))), instance)
    {:ok, :without} = load(gated(:without, quote(do: depends_on(:base))), instance)
    {:ok, :last} = load(gated(:last, quote(do: depends_on(:with, rest_for_one: true))), instance)
    flush()
    Process.exit(Names.whereis(instance, {:plugin, :base}), :kill)
    assert_receive {:start, :base, _pid}, @moment
    assert_receive {:start, :with, _pid}, @moment
    assert_receive {:start, :last, _pid}, @moment
    :ok = Manager.restart_plugin(:with, instance: instance)
    assert_receive {:start, :last, _pid}, @moment
    refute_received {:stop, :without, _pid}

    assert compile_error("defmodule R do\n  use Pipeline.Plugin\n  depends_on :a, rest_for_one: 1\nend") =~
             "rest_for_one: is true or false, got: 1"
  end
end
