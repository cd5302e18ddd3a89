defmodule Pipeline.Plugin.SecretsTest do
  # Captures the log of the VM, at every level and raw.
  use Pipeline.InstanceCase, async: false

  alias Pipeline.Instance.Names
  alias Pipeline.Plugin.Graph

  @marker "sk-MARKER-7f3a"

  defmodule Child do
    use GenServer
    def start_link(config), do: GenServer.start_link(__MODULE__, config)
    @impl GenServer
    def init(%{mode: "child_refuses"} = config), do: {:stop, {:no_luck, config}}
    def init(%{mode: "child_raises"} = config), do: Map.fetch!(config, :nothing)
    def init(_config), do: {:ok, nil}
  end

  # Fails in every callback, and hands the secret on in every way.
  defmodule Leaky do
    use Pipeline.Plugin, id: :leaky, restart: [max: 100, within: 1_000]

    hook :before, :secret_point, fun: :leak, on_error: :halt
    hook :before, :skipped_point, fun: :leak, on_error: :skip

    def leak(:clause, _next), do: only(token())
    def leak(:raise, _next), do: raise("no luck with #{token()}")
    def leak(:exit, _next), do: exit({:bad_token, token()})
    def leak(:throw, _next), do: throw({:hook_error, {:refused, [key: token()]}})
    def leak(:key, _next), do: Map.fetch!(Map.put(%{}, :token, token()), :nothing)
    def leak(context, next), do: next.(context)

    # Takes whatever has this tag; a clause of another type would be found by the compiler.
    def only(%{tag: :nothing}), do: :ok
    def token, do: :persistent_term.get(__MODULE__)

    @impl true
    def config_schema do
      [
        mode: [type: :string, default: ""],
        token: [type: :string, secret: true],
        nested: [default: %{}, keys: [key: [type: :any, secret: true], open: [type: :any, default: 1]]],
        list: [
          type: {:list, {:map, [pin: [type: :integer, secret: true], name: [type: :string]]}},
          default: []
        ]
      ]
    end

    @impl true
    def children(%{mode: "children_raise"} = config), do: Map.fetch!(config, :nothing)
    def children(config), do: [{Child, config}]

    @impl true
    def init(%{mode: "init_error"} = config), do: {:error, {:cannot_connect, config}}
    def init(%{mode: "init_raise"} = config), do: Map.fetch!(config, :nothing)
    def init(%{mode: "init_clause"} = config), do: only(config)
    def init(%{mode: "init_bad"} = config), do: config
    def init(%{mode: "init_exit"} = config), do: exit({:bad, config.token})
    def init(config), do: {:ok, config}

    @impl true
    def start(%{mode: "start_error"} = config), do: {:error, "the server refused #{config.token}"}
    def start(%{mode: "start_raise"} = config), do: only(config)
    def start(config), do: {:ok, config}

    @impl true
    def handle_rpc(:error, config), do: {:error, {:unauthorised, "Bearer " <> config.token}, config}
    def handle_rpc(:raise, config), do: raise("no luck with #{config.token}")
    def handle_rpc(:clause, config), do: only(config)
    def handle_rpc(:bad, config), do: {:what, config}
    def handle_rpc(:exit, config), do: exit({:bad, config})
    def handle_rpc(:throw, config), do: throw(config)

    def handle_rpc(:mailbox, config) do
      Process.put(:token, config.token)
      send(self(), {:later, config.token})
      raise "no luck"
    end

    def handle_rpc(:config, config), do: {:reply, config, config}

    @impl true
    def handle_event(_type, _payload, config), do: only(config)

    @impl true
    def update_config(%{mode: "refuse"} = new, old), do: {:error, {:not_now, new, old}}
    def update_config(%{mode: "raise"} = new, _old), do: only(new)
    def update_config(%{mode: "bad"} = new, _old), do: new
    def update_config(new, _old), do: {:ok, new}

    @impl true
    def health(%{mode: "ill"} = config), do: {:error, {:bad_token, config.token}}
    def health(config), do: {:ok, config}

    @impl true
    def stop(config), do: if(config.mode == "stop_raise", do: only(config), else: :ok)
  end

  # Everything that is logged, as it is handed to handlers.
  defmodule RawLog do
    def log(event, %{config: pid}), do: send(pid, {:logged, event})
  end

  setup %{instance: instance} do
    :ok = :logger.add_handler(__MODULE__, RawLog, %{config: self(), level: :all})
    on_exit(fn -> :logger.remove_handler(__MODULE__) end)
    :persistent_term.put(Leaky, @marker)
    :ok = Pipeline.Events.subscribe(:_, match: :pattern, instance: instance)
    :ok
  end

  defp config(mode), do: %{mode: mode, token: @marker, nested: %{key: @marker}, list: [%{pin: 48_151_623}]}

  defp load(mode, instance), do: Manager.load_plugin(Leaky, config(mode), instance: instance)

  # As `inspect/1` shows it and as Erlang prints it.
  defp clean!(term, what) do
    erlang = :io_lib.format("~p ~tp ~w", [term, term, term]) |> IO.iodata_to_binary()

    all = [
      inspect(term, limit: :infinity, printable_limit: :infinity, structs: false),
      inspect(term, limit: :infinity),
      erlang
    ]

    for text <- all do
      refute text =~ "MARKER", "#{what}: #{text}"
      refute text =~ "48151623", "#{what}: #{text}"
    end

    term
  end

  # What has been logged and emitted.
  defp drain!(what) do
    receive do
      {:logged, event} -> clean!(event, "#{what}, log") && drain!(what)
      {:pipeline_event, _, _} = event -> clean!(event, "#{what}, event") && drain!(what)
    after
      0 -> :ok
    end
  end

  defp message!(%Error{} = error, what) do
    clean!(error, what)
    clean!(Exception.message(error), what)
  end

  # Once the plugin has a process again.
  defp settle(instance), do: {:ok, _} = RPC.call(:leaky, :config, 60_000, instance: instance)

  for mode <-
        ~w(children_raise child_refuses child_raises init_error init_raise init_clause init_bad init_exit start_error start_raise) do
    test "a load that fails by #{mode}", %{instance: instance} do
      assert {:error, error} = load(unquote(mode), instance)
      message!(error, unquote(mode))
      drain!(unquote(mode))
    end
  end

  test "a configuration that is refused", %{instance: instance} do
    for {config, text} <- [
          {[token: @marker], "a configuration is a map, got a list"},
          {@marker, "a configuration is a map, got another term"},
          {%{token: 1, nested: @marker}, "nested: expected a map"},
          {%{nested: [@marker]}, "nested: expected a map"},
          {%{list: %{pin: @marker}}, "list: expected a list"},
          {%{list: [@marker]}, "list[0]: expected a map"}
        ] do
      assert {:error, error} = Manager.load_plugin(Leaky, config, instance: instance)
      assert message!(error, "refused") =~ text
    end

    {:ok, _} = load("", instance)
    assert {:error, error} = Manager.update_config(:leaky, [token: @marker], instance: instance)
    assert message!(error, "update") =~ "a configuration is a map, got a list"
    drain!("refused")
  end

  test "a running plugin, and all that shows it", %{instance: instance} do
    {:ok, _} = load("", instance)
    opts = [instance: instance]
    assert {:ok, %{token: @marker, nested: %{key: @marker, open: 1}}} = RPC.call(:leaky, :config, 5_000, opts)

    info = Manager.plugin_info!(:leaky, opts)

    assert %{token: "[FILTERED]", nested: %{key: "[FILTERED]", open: 1}, list: [%{pin: "[FILTERED]"}]} =
             info.config

    clean!(info, "plugin_info")
    clean!(Manager.list_plugins(opts), "list_plugins")
    clean!(Registry.get(Registry.of(instance), :leaky), "Registry.get")
    clean!(Registry.list(Registry.snapshot(Registry.of(instance))), "a snapshot")
    clean!(Manager.health(opts), "health")
    clean!(Graph.of_instance(instance: instance), "graph")
    clean!(Hook.chain(:secret_point, opts), "chain")

    for role <- [{:plugin, :leaky}, {:tree, :leaky}, :manager, :plugins, :instance, :monitor] do
      pid = Names.whereis(instance, role)
      clean!(:sys.get_status(pid), "get_status of #{inspect(role)}")
      state = :sys.get_state(pid)

      refute inspect(state, limit: :infinity, printable_limit: :infinity) =~ "MARKER",
             "get_state of #{inspect(role)}"
    end

    assert inspect(:sys.get_state(Names.whereis(instance, {:plugin, :leaky}))) =~ "FILTERED"
    drain!("running")
  end

  test "an RPC that fails", %{instance: instance} do
    {:ok, _} = load("", instance)

    for request <- [:error, :raise, :clause, :bad, :exit, :throw, :mailbox, :no_such_request] do
      assert {:error, reason} = RPC.call(:leaky, request, 5_000, instance: instance)
      clean!(reason, "RPC #{request}")
      settle(instance)
      drain!("RPC #{request}")
    end

    assert {:error, {:unauthorised, "Bearer [FILTERED]"}} =
             RPC.call(:leaky, :error, 5_000, instance: instance)
  end

  test "messages, events and stop/1", %{instance: instance} do
    {:ok, _} = load("stop_raise", instance)
    :ok = RPC.cast(:leaky, {:unhandled, @marker}, instance: instance)
    pid = Names.whereis(instance, {:plugin, :leaky})
    send(pid, {:unhandled, [@marker]})
    settle(instance)
    drain!("messages")
    monitor = Process.monitor(pid)
    send(pid, {:pipeline_event, {:plugin, :some}, %{}})
    assert_receive {:DOWN, ^monitor, :process, _, reason}, 10_000
    clean!(reason, "exit reason")
    settle(instance)
    drain!("events")
    :ok = Manager.unload_plugin(:leaky, instance: instance)
    drain!("stop/1")
  end

  test "an update of the configuration", %{instance: instance} do
    :persistent_term.put(Leaky, "other")
    {:ok, _} = Manager.load_plugin(Leaky, %{token: "other-secret"}, instance: instance)

    for mode <- ~w(refuse raise bad) do
      assert {:error, error} = Manager.update_config(:leaky, config(mode), instance: instance)
      message!(error, "update #{mode}")
      settle(instance)
      drain!("update #{mode}")
    end

    :ok = Manager.update_config(:leaky, config("ill"), instance: instance)
    clean!(Manager.plugin_info!(:leaky, instance: instance), "plugin_info")

    assert %{plugins: %{leaky: %{status: {:unhealthy, {:bad_token, "[FILTERED]"}}}}} =
             Manager.health(instance: instance)

    assert {:error, reason} = RPC.call(:leaky, :raise, 5_000, instance: instance)
    clean!(reason, "RPC after an update")
    drain!("update")
  end

  test "a hook that fails, and traces of its runs", %{instance: instance} do
    {:ok, _} = load("", instance)
    {:ok, _} = Hook.trace(:secret_point, instance: instance)
    {:ok, _} = Hook.trace(:skipped_point, instance: instance)

    for context <- [:clause, :raise, :exit, :throw, :key] do
      assert {:error, error} = Hook.run(instance, :secret_point, context, & &1)
      clean!(error, "a hook's #{context}")
      if is_exception(error), do: clean!(Exception.message(error), "a hook's #{context}")
      Hook.run(instance, :skipped_point, context, & &1)
    end

    for _ <- 1..9 do
      assert_received {:pipeline_trace, _, run}
      clean!(run, "a trace")
      clean!(to_string(run), "a trace")
    end

    drain!("hooks")
  end

  test "the application environment and child specifications", %{instance: instance} do
    name = {instance, :configured}
    spec = Manager.child_spec(name: name, plugins: [{Leaky, config("init_error")}])
    clean!(spec, "the child specification of an instance")
    start_supervised!(spec)
    clean!(Manager.plugin_info!(:leaky, instance: name), "a plugin that failed at boot")
    clean!(:sys.get_status(Names.whereis(name, :instance)), "the supervisor of an instance")

    clean!(
      :supervisor.get_childspec(Names.whereis(name, :instance), Pipeline.Plugin.Manager.Server),
      "the manager's"
    )

    spec = Leaky.child_spec(config: config("init_raise"), instance: instance)
    clean!(spec, "the child specification of a plugin")
    assert {:error, reason} = start_supervised(spec)
    clean!(reason, "a plugin elsewhere")
    drain!("specifications")
  end

  test "a plugin that waits at boot shows nothing of a configuration that is not validated", %{
    instance: instance
  } do
    needy =
      plugin id: :needy do
        depends_on :nobody
        @impl true
        def config_schema, do: [token: [type: :string, secret: true], open: [type: :string]]
      end

    name = {instance, :waiting}
    start_supervised!({Manager, name: name, plugins: [{needy, %{token: @marker, open: "yes"}}]})

    assert %{state: :held, config: %{token: "[FILTERED]", open: "[FILTERED]"}} =
             Manager.plugin_info!(:needy, instance: name)

    drain!("waiting")
  end

  test "the store", %{instance: instance} do
    path = Path.join(System.tmp_dir!(), "secrets-#{System.unique_integer([:positive])}.store")
    on_exit(fn -> File.rm(path) end)
    name = {instance, :stored}
    start_supervised!({Manager, name: name, store: path, plugins: [{Leaky, config("")}]})
    :ok = Manager.disable_plugin(:leaky, instance: name)
    refute File.read!(path) =~ "MARKER"
  end

  test "a call of a manager that is gone", %{instance: instance} do
    manager = Names.whereis(instance, :manager)
    :sys.suspend(manager)
    test = self()

    {pid, monitor} =
      spawn_monitor(fn ->
        send(test, :calling)
        load("", instance)
      end)

    assert_receive :calling
    # Until it waits for the answer.
    wait_for_call(pid)
    Process.exit(manager, :kill)
    assert_receive {:DOWN, ^monitor, :process, _, reason}, 10_000
    clean!(reason, "the exit of a caller")
    drain!("the caller")
  end

  defp wait_for_call(pid) do
    case Process.info(pid, [:status, :current_function]) do
      [status: :waiting, current_function: {:gen, :do_call, _}] -> :ok
      _ -> Process.sleep(1) && wait_for_call(pid)
    end
  end

  describe "update_config/3 with merge: true" do
    test "keeps what is not given, secrets too", %{instance: instance} do
      {:ok, _} = load("", instance)
      opts = [instance: instance, merge: true]
      :ok = Manager.update_config(:leaky, %{"mode" => "calm", nested: %{open: 2}}, opts)

      assert {:ok, %{mode: "calm", token: @marker, nested: %{key: @marker, open: 2}, list: [_]}} =
               RPC.call(:leaky, :config, 5_000, instance: instance)

      :ok = Manager.update_config(:leaky, %{mode: "alone"}, instance: instance)
      {:ok, config} = RPC.call(:leaky, :config, 5_000, instance: instance)
      refute is_map_key(config, :token)
    end
  end
end
