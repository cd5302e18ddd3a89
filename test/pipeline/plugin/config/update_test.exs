defmodule Pipeline.Plugin.Config.UpdateTest do
  use Pipeline.InstanceCase, async: true

  alias Pipeline.Plugin.Error

  alias Pipeline.Plugin.ConfigSchema.Problem
  alias Pipeline.Instance.Names

  defmodule Chat do
    use Pipeline.Plugin, id: :chat

    @impl Pipeline.Plugin
    def config_schema do
      [
        test: [type: :pid, required: true],
        model: [type: :string, default: "small"],
        retries: [type: :pos_integer, default: 3]
      ]
    end

    @impl Pipeline.Plugin
    def init(config) do
      send(config.test, {:init, self(), config.model})
      {:ok, config}
    end

    @impl Pipeline.Plugin
    def update_config(%{model: "refused"}, _state), do: {:error, :no_such_model}
    def update_config(%{model: "crash"}, _state), do: raise("no luck")
    def update_config(%{model: "wrong"}, _state), do: :ok

    def update_config(%{model: "ask " <> _} = config, state) do
      send(
        state.test,
        {:answer, Pipeline.Plugin.Manager.unload_plugin(:chat, instance: Pipeline.Instance.Caller.instance())}
      )

      {:ok, config}
    end

    def update_config(%{model: "slow"} = config, state) do
      send(state.test, {:asked, self()})
      receive do: (:go -> {:ok, config})
    end

    def update_config(config, _state), do: {:ok, config}

    @impl Pipeline.Plugin
    def handle_rpc(:config, state), do: {:reply, state, state}

    def handle_rpc({:update_self, instance}, state) do
      {:reply, Pipeline.Plugin.Manager.update_config(:chat, %{test: state.test}, instance: instance), state}
    end
  end

  setup %{instance: instance} do
    {:ok, :chat} = Manager.load_plugin(Chat, %{test: self()}, instance: instance)
    assert_received {:init, pid, "small"}
    :ok = Events.subscribe(self(), :plugin_config_updated, instance: instance)
    {:ok, opts: [instance: instance], pid: pid}
  end

  # Long, unless a test is about being late: the machine may have other things to do.
  defp update(model, opts) do
    Manager.update_config(:chat, %{test: self(), model: model}, Keyword.put_new(opts, :timeout, 30_000))
  end

  defp model(opts), do: Manager.plugin_info!(:chat, opts).config.model

  defp state(opts) do
    {:ok, state} = RPC.call(:chat, :config, 5000, opts)
    state
  end

  defp assert_unchanged(opts) do
    assert model(opts) == "small"
    assert state(opts).model == "small"
    refute_received {:pipeline_event, {:plugin, :plugin_config_updated}, _}
  end

  test "a plugin takes it, with the defaults of its schema, and the registry shows it", %{opts: opts} do
    assert Manager.update_config(:chat, %{"model" => "large", test: self()}, opts) == :ok

    assert %{config: %{model: "large", retries: 3} = config, state: :started} =
             Manager.plugin_info!(:chat, opts)

    assert state(opts) == config
    assert_received {:pipeline_event, {:plugin, :plugin_config_updated}, %{id: :chat}}
  end

  test "a restart uses it, of the plugin, the plugin supervisor and the manager", %{
    instance: instance,
    opts: opts,
    pid: pid
  } do
    assert update("large", opts) == :ok
    Process.exit(pid, :kill)
    assert_receive {:init, again, "large"} when again != pid

    instance |> Names.whereis(:plugins) |> Process.exit(:kill)
    assert_receive {:init, third, "large"} when third != again

    # The new manager knows it too: what it writes of the plugin leaves it as it is.
    _ = instance |> Names.whereis(:instance) |> Supervisor.which_children()
    assert update("larger", opts) == :ok
    assert model(opts) == "larger"
  end

  test "a plugin refuses it, and nothing has changed", %{opts: opts} do
    assert {:error, %Error{reason: {:refused, :no_such_model}} = error} = update("refused", opts)
    assert_unchanged(opts)

    assert Exception.message(error) ==
             "could not configure plugin :chat: it refused the configuration: :no_such_model; it keeps the one that it has"
  end

  test "one that does not fit the schema is not handed to the plugin", %{opts: opts} do
    assert {:error, %Error{reason: {:invalid_config, [%Problem{path: [:retries]}]}} = error} =
             Manager.update_config(:chat, %{test: self(), retries: 0}, opts)

    assert Exception.message(error) ==
             "could not configure plugin :chat: its configuration is invalid: retries: expected a positive integer, got: 0"

    assert {:error, %Error{reason: {:invalid_config, [%Problem{path: [], reason: :type, got: nil}]}}} =
             Manager.update_config(:chat, :nonsense, opts)

    assert_unchanged(opts)
  end

  test "a plugin that has no update_config/2 says what to do", %{instance: instance, opts: opts} do
    plain = plugin([id: :plain], do: nil)
    {:ok, :plain} = Manager.load_plugin(plain, %{a: 1}, instance: instance)

    assert {:error, %Error{reason: {:no_update_config, :plain}} = error} =
             Manager.update_config(:plain, %{a: 2}, opts)

    assert Exception.message(error) ==
             "could not configure plugin :plain: it has no update_config/2, so it cannot take a configuration while " <>
               "it runs; unload it and load it with the new one, or define update_config/2 in it"

    assert %{config: %{a: 1}} = Manager.plugin_info!(:plain, opts)
  end

  test "a plugin that is not there", %{opts: opts} do
    assert {:error, %Error{reason: {:not_loaded, :nobody}}} = Manager.update_config(:nobody, %{}, opts)
  end

  @tag :capture_log
  test "a plugin that has failed keeps what it has, by a message", %{instance: instance, opts: opts, pid: pid} do
    :ok = Events.subscribe(self(), :plugin_failed, instance: instance)
    kill_until_failed(instance, pid)
    assert {:error, %Error{reason: {:not_started, :chat, :failed}} = error} = update("large", opts)

    assert Exception.message(error) ==
             "could not configure plugin :chat: it is failed, and only a started plugin can be asked"

    assert model(opts) == "small"
  end

  defp kill_until_failed(instance, pid) do
    Process.exit(pid, :kill)

    receive do
      {:init, again, "small"} -> kill_until_failed(instance, again)
      {:pipeline_event, {:plugin, :plugin_failed}, %{id: :chat}} -> :ok
    after
      10_000 -> flunk("neither restarted nor failed")
    end
  end

  test "a timeout that is none is refused", %{opts: opts} do
    assert_raise ArgumentError, ~r/timeout: is a number of milliseconds or :infinity, got: -1/, fn ->
      Manager.update_config(:chat, %{}, [timeout: -1] ++ opts)
    end
  end

  for {model, reason} <- [
        {"crash", quote(do: {%RuntimeError{message: "no luck"}, _})},
        {"wrong", quote(do: {:bad_return, {Chat, :update_config, 2}, :ok})}
      ] do
    @tag :capture_log
    test "a plugin that ends while it takes it (#{model}) is restarted with the one that it had", %{
      opts: opts,
      pid: pid
    } do
      assert {:error, %Error{reason: {:crashed, :chat, unquote(reason)}}} = update(unquote(model), opts)
      assert_receive {:init, again, "small"} when again != pid
      assert_unchanged(opts)
    end
  end

  test "a plugin that is too slow keeps what it had, even if it would take it later", %{opts: opts, pid: pid} do
    assert {:error, %Error{reason: {:timeout, :chat}}} = update("slow", [timeout: 1_000] ++ opts)
    assert_received {:asked, ^pid}
    assert model(opts) == "small"
    send(pid, :go)
    assert_unchanged(opts)
    refute_received _
  end

  test "a plugin that has been busy does not begin with it when nobody waits any more", %{
    opts: opts,
    pid: pid
  } do
    :ok = :sys.suspend(pid)
    assert {:error, %Error{reason: {:timeout, :chat}}} = update("slow", [timeout: 1_000] ++ opts)
    :ok = :sys.resume(pid)
    assert_unchanged(opts)
    refute_received {:asked, _}
  end

  test "a manager that is killed meanwhile leaves plugin and registry in agreement", %{
    instance: instance,
    opts: opts,
    pid: pid
  } do
    test = self()
    Task.start(fn -> Manager.update_config(:chat, %{test: test, model: "slow"}, opts) end)
    assert_receive {:asked, ^pid}
    manager = Names.whereis(instance, :manager)
    monitor = Process.monitor(manager)
    Process.exit(manager, :kill)
    assert_receive {:DOWN, ^monitor, _, _, _}
    send(pid, :go)
    assert state(opts).model == "small"
    assert model(opts) == "small"
    _ = instance |> Names.whereis(:instance) |> Supervisor.which_children()
    assert update("large", opts) == :ok
    assert model(opts) == "large"
  end

  @tag :capture_log
  test "whatever is killed at whatever moment, plugin and registry agree", %{instance: instance} do
    seed = :rand.uniform(1_000_000)
    :rand.seed(:exsss, seed)

    for round <- 1..20 do
      name = :"#{instance} #{round}"
      start_supervised!({Manager, name: name}, id: name)
      {:ok, :chat} = Manager.load_plugin(Chat, %{test: self()}, instance: name)
      victim = Enum.random([:manager, {:plugin, :chat}, :plugins, :monitor])
      moment = Enum.random(1..20)

      killers =
        for n <- 1..20 do
          killer = if n == moment, do: Task.async(fn -> kill(Names.whereis(name, victim)) end)
          update_whatever_happens("model #{n}", name)
          killer
        end

      killers |> Enum.filter(& &1) |> Task.await_many()

      _ = name |> Names.whereis(:instance) |> Supervisor.which_children()
      state = state_when_it_is_back(name)
      message = "seed #{seed}, round #{round}: #{inspect(victim)} killed at #{moment}"
      assert Manager.plugin_info!(:chat, instance: name).config == state, message
      assert Manager.update_config(:chat, %{test: self(), model: "last"}, instance: name) == :ok, message
      assert Manager.plugin_info!(:chat, instance: name).config == state_when_it_is_back(name), message
      :ok = stop_supervised(name)
    end
  end

  # It is just being started again.
  defp kill(nil), do: :ok

  defp kill(pid) do
    monitor = Process.monitor(pid)
    Process.exit(pid, :kill)
    assert_receive {:DOWN, ^monitor, :process, ^pid, _}
  end

  # The manager may be killed while it is asked.
  defp update_whatever_happens(model, name) do
    Manager.update_config(:chat, %{test: self(), model: model}, instance: name)
  catch
    :exit, _ -> :killed
  end

  defp state_when_it_is_back(name) do
    case RPC.call(:chat, :config, 5000, instance: name) do
      {:ok, state} -> state
      {:error, _crashed_or_not_back} -> state_when_it_is_back(name)
    end
  end

  test "a plugin that asks for it itself, or changes plugins meanwhile, gets an error", %{
    instance: instance,
    opts: opts
  } do
    assert {:ok, {:error, %Error{reason: {:called_from_callback, :itself}}}} =
             RPC.call(:chat, {:update_self, instance}, 5000, opts)

    assert update("ask the manager", opts) == :ok
    assert_received {:answer, {:error, %Error{reason: {:called_from_callback, :update_config}}}}
  end
end
