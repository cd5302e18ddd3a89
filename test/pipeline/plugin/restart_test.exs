defmodule Pipeline.Plugin.RestartTest do
  # How often a plugin is restarted, and that one which has failed is tried again.
  use Pipeline.InstanceCase, async: true

  alias Pipeline.Instance.Names
  alias Pipeline.Plugin.Restart

  @moduletag :capture_log
  @moduletag restart: [max: 0, backoff: [min: 1, max: 4]]

  # It tells when it starts, and does not as long as its configuration's counter says so.
  defp fragile(opts \\ []) do
    plugin [id: :fragile] ++ opts do
      @impl Pipeline.Plugin
      def init(%{test: test, failures: failures} = config) do
        send(test, {:init, self()})

        if :counters.get(failures, 1) > 0 do
          :counters.sub(failures, 1, 1)
          {:error, :not_yet}
        else
          {:ok, config}
        end
      end

      hook :before, :step do
        def step(context, next), do: next.([:fragile | context])
      end
    end
  end

  defp dependent do
    plugin id: :dependent do
      depends_on(:fragile)
    end
  end

  defp load(instance, opts \\ []) do
    failures = :counters.new(1, [])
    config = %{test: self(), failures: failures}
    {:ok, :fragile} = Manager.load_plugin(fragile(), config, [instance: instance] ++ opts)
    assert_received {:init, _pid}
    :ok = Events.subscribe(self(), :plugin_state, instance: instance)
    failures
  end

  defp crash(instance) do
    pid = Names.whereis(instance, {:plugin, :fragile})
    monitor = Process.monitor(pid)
    Process.exit(pid, :kill)
    assert_receive {:DOWN, ^monitor, :process, ^pid, :killed}
  end

  defp assert_state(id, state) do
    assert_receive {:pipeline_event, {:plugin, :plugin_state}, %{id: ^id, to: ^state} = event}
    event
  end

  # The manager answers once it has done what it was told before.
  # What it has told to be done is done, and logged.
  defp manager_done(instance) do
    assert {:error, %Error{reason: {:not_loaded, :nobody}}} =
             Manager.unload_plugin(:nobody, instance: instance)

    for pid <- Task.Supervisor.children(Names.via(instance, :operations)) do
      monitor = Process.monitor(pid)
      assert_receive {:DOWN, ^monitor, :process, ^pid, _reason}, 30_000
    end
  end

  test "one that has failed is tried again until it runs, and its dependents come back", %{instance: instance} do
    failures = load(instance)
    {:ok, :dependent} = Manager.load_plugin(dependent(), %{}, instance: instance)
    assert_state(:dependent, :started)
    :counters.put(failures, 1, 4)
    crash(instance)

    assert_state(:dependent, :held)
    for _ <- 1..5, do: assert_state(:fragile, :failed)
    assert_state(:fragile, :started)
    assert_state(:dependent, :started)
    assert Hook.run(instance, :step, [], & &1) == {:ok, [:fragile]}
    assert :counters.get(failures, 1) == 0
  end

  test "it is logged when a plugin fails, cannot be started, and runs again", %{instance: instance} do
    failures = load(instance)
    :counters.put(failures, 1, 1)

    log =
      ExUnit.CaptureLog.capture_log(fn ->
        crash(instance)
        assert_state(:fragile, :started)
        manager_done(instance)
      end)

    assert log =~ "[error] plugin :fragile has failed: it crashed more than 0 times in 5000 ms."
    assert log =~ "It is tried again in 1 ms; disable_plugin/2 stops that"

    assert log =~
             "[error] plugin :fragile has failed and cannot be started again: could not load plugin :fragile"

    assert log =~ "init/1 failed with :not_yet; it is undone. It is tried again in 2 ms"
    assert log =~ "[info] plugin :fragile had failed, and runs again"
  end

  # As in shared/cases/16: what it needs starts after the instance.
  test "a configured plugin whose init/1 fails at boot is tried again too", %{instance: instance} do
    repo = {:global, {instance, :repo}}

    module =
      plugin id: :early do
        @impl Pipeline.Plugin
        def init(%{repo: repo}), do: {:ok, Agent.get(repo, & &1)}
      end

    name = {instance, :early}

    start_supervised!(
      {Manager, name: name, plugins: [{module, %{repo: repo}}], restart: [backoff: [min: 1, max: 4]]}
    )

    :ok = Events.subscribe(self(), :plugin_state, instance: name)
    assert_state(:early, :failed)
    start_supervised!(%{id: :repo, start: {Agent, :start_link, [fn -> %{} end, [name: repo]]}})
    assert_state(:early, :started)
  end

  test "what an operator stops or unloads is not tried again", %{instance: instance} do
    for stop <- [&Manager.disable_plugin/2, &Manager.hold_plugin/2, &Manager.unload_plugin/2] do
      failures = load(instance)
      :counters.put(failures, 1, 1_000_000)
      crash(instance)
      assert_state(:fragile, :failed)
      :ok = stop.(:fragile, instance: instance)
      left = :counters.get(failures, 1)
      manager_done(instance)
      assert :counters.get(failures, 1) == left
      retries = :sys.get_state(Names.whereis(instance, :manager)).retries
      assert retries == %{}
      _ = Manager.unload_plugin(:fragile, instance: instance)
      :ok = Events.unsubscribe(self(), :plugin_state, instance: instance)
    end
  end

  test "a manager that is killed leaves it to the next to try again", %{instance: instance} do
    failures = load(instance)
    :counters.put(failures, 1, 3)
    crash(instance)
    assert_state(:fragile, :failed)
    manager = Names.whereis(instance, :manager)
    monitor = Process.monitor(manager)
    Process.exit(manager, :kill)
    assert_receive {:DOWN, ^monitor, :process, ^manager, _}
    assert_state(:fragile, :started)
  end

  @tag restart: [max: 1, backoff: [min: 3_600_000, max: 3_600_000]]
  test "the loader's limit wins over the plugin's, and that over the instance's", %{instance: instance} do
    crash_times = fn module, opts ->
      config = %{test: self(), failures: :counters.new(1, [])}
      {:ok, :fragile} = Manager.load_plugin(module, config, [instance: instance] ++ opts)
      times = crash_until_failed(instance, 0)
      :ok = Manager.unload_plugin(:fragile, instance: instance)
      times
    end

    :ok = Events.subscribe(self(), :plugin_failed, instance: instance)
    assert crash_times.(fragile(), []) == 2
    assert crash_times.(fragile(restart: [max: 2]), []) == 3
    assert crash_times.(fragile(restart: [max: 2]), restart: [max: 0, within: 60_000]) == 1
  end

  # With each crash it starts again, or has failed.
  defp crash_until_failed(instance, times) do
    assert_receive {:init, pid}
    # It is registered, and its start is over, when the manager has answered.
    manager_done(instance)
    Process.exit(pid, :kill)

    receive do
      {:init, again} ->
        send(self(), {:init, again})
        crash_until_failed(instance, times + 1)

      {:pipeline_event, {:plugin, :plugin_failed}, %{id: :fragile}} ->
        times + 1
    end
  end

  test "the pauses double up to the longest" do
    {:ok, given} = Restart.check(backoff: [min: 200, max: 1_000])
    restart = Restart.merge(Restart.default(), given)
    pauses = Enum.scan([nil, 1, 1, 1, 1], nil, fn _, before -> Restart.pause(restart, before) end)
    assert pauses == [200, 400, 800, 1_000, 1_000]
    assert %{max: 3, within: 5_000} = restart
  end

  test "the option is shown, and what is wrong with it is said", %{instance: instance} do
    load(instance, restart: [backoff: [min: 7]])

    assert %{restart: %{max: 0, within: 5_000, backoff: %{min: 7, max: 4}}} =
             Manager.plugin_info!(:fragile, instance: instance)

    for {wrong, sentence} <- [
          {[maks: 1], "unknown option :maks of restart:. Did you mean :max? Known: :max, :within, :backoff"},
          {[backoff: [mini: 1]], "unknown option :mini of backoff:. Did you mean :min? Known: :min, :max"},
          {[backoff: 5], "options of backoff: are a keyword list, got: 5"},
          {[max: -1], "max: is a number of restarts from 0, got: -1"},
          {[within: 0], "within: is a number of milliseconds, got: 0"},
          {[backoff: [min: 0]], "the min: of backoff: is a number of milliseconds, got: 0"},
          {[backoff: [min: 2, max: 1]], "the min: of backoff: is at most its max:, got: 2 and 1"}
        ] do
      assert_raise ArgumentError, sentence, fn ->
        Manager.load_plugin(fragile(), %{}, instance: instance, restart: wrong)
      end

      assert_raise ArgumentError, sentence, fn -> Manager.start_link(name: :wrong_restart, restart: wrong) end
    end

    assert compile_error("defmodule WrongRestart do\n  use Pipeline.Plugin, restart: [maks: 1]\nend") =~
             "plugin.ex:2: unknown option :maks of restart:. Did you mean :max?"
  end
end
