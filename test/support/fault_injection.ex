defmodule Pipeline.FaultInjection do
  @moduledoc """
  Loads, changes and unloads plugins of an instance at random, in this VM, kills what it is made of, also in the middle of
  that, and compares it with a model whenever it has come to rest. In the end nothing is left of it all.
  """

  alias Pipeline.FaultInjection.{Check, Guards, Kill, Model, Operation, Plugins, Users}
  alias Pipeline.{LeakCheck, Measured}
  alias Pipeline.Plugin.{Events, Manager, Registry}

  @instance :fault_injection
  @warm_up 20

  # As many crashes as those after which a plugin is started again.
  @crashes 3

  # Milliseconds.
  @between_events 2_000

  # More changes than a registry remembers.
  @changes 5_000

  @operations [
                :load,
                :load,
                :load,
                :load,
                :enable,
                :enable,
                :enable,
                :upgrade,
                :upgrade,
                :upgrade,
                :configure
              ] ++
                [:unload, :cascade, :disable, :hold, :restart, :fail, :fail, :retry, :retry]

  @roles [:manager, :manager, :manager, :plugins, :plugins, :monitor, :hook_tasks]

  @doc "The instance that this is done to."
  @spec instance() :: atom
  def instance, do: @instance

  @doc "Takes so many steps from a seed. Raises with them where something is not as it should be."
  @spec main([String.t()]) :: no_return
  def main([steps, seed]) do
    Logger.configure(level: :none)
    {:ok, _} = Application.ensure_all_started(:pipeline_plugin)
    # What has failed stays so until it is enabled, as the model has it.
    restart = [backoff: [min: 3_600_000, max: 3_600_000]]

    {:ok, supervisor} =
      Manager.start_link(name: @instance, hooks: Guards.Hooks, max_restarts: 1_000_000, restart: restart)

    Process.unlink(supervisor)
    versions = Plugins.compile()
    Measured.load_code()
    log_nothing()
    # The names that `:erl_pp` gives to arguments of functions when it shows a stacktrace.
    Enum.each(1..10, &String.to_atom("Argument__#{&1}"))
    for _ <- 1..@changes, do: change(Registry.owned(@instance))

    in_process(fn -> run(@warm_up, 0, versions) end)
    _ = LeakCheck.measure()
    in_process(fn -> run(@warm_up, 1, versions) end)
    before = LeakCheck.measure()
    in_process(fn -> run(String.to_integer(steps), String.to_integer(seed), versions) end)

    # The supervisor of the instance remembers the restarts of the last seconds, of which there may be one for each step.
    words = 1_000 + 4 * String.to_integer(steps)
    LeakCheck.assert_flat(before, LeakCheck.measure(like: before), words: words)
    System.halt(0)
  end

  # The logger notes of each module that it is asked about what it decided.
  defp log_nothing do
    {:ok, modules} = :application.get_key(:pipeline_plugin, :modules)
    for module <- [:gen_server, :supervisor, :proc_lib, :logger | modules], do: :logger.allow(:error, module)
  end

  defp change(registry) do
    {:ok, _} = Registry.register(registry, %{id: :changing})
    {:ok, _} = Registry.unregister(registry, :changing)
  end

  # With which all that it held goes.
  defp in_process(fun) do
    {pid, monitor} = spawn_monitor(fun)

    receive do
      {:DOWN, ^monitor, _, ^pid, :normal} -> :ok
      {:DOWN, ^monitor, _, ^pid, reason} -> raise Exception.format_exit(reason)
    end
  end

  defp run(steps, seed, versions) do
    :rand.seed(:exsss, {seed, 1, 2})
    :ok = Events.subscribe(self(), :plugin_failed, instance: @instance)
    guards = Guards.new()
    users = Users.start(@instance, guards)

    test = %{
      model: %{},
      versions: versions,
      crashes: %{},
      events_killed: System.monotonic_time(:millisecond),
      guards: guards,
      users: users
    }

    {test, _taken} =
      Enum.reduce(1..steps, {test, []}, fn _number, {test, taken} ->
        step = choose()
        taken = [step | taken]

        try do
          Guards.begin(test.guards, elem(step, 0))
          {take(step, test), taken}
        rescue
          error -> raise explain(error, seed, taken, test.model)
        end
      end)

    true = Enum.all?(Users.stop(test.users), &(&1 > 0))

    for id <- Plugins.ids(), do: Manager.unload_plugin(id, instance: @instance, cascade: true)
    [] = Manager.list_plugins(instance: @instance)
    Operation.reset(versions)
  end

  # The latest last.
  defp explain(error, seed, taken, model) do
    said =
      taken
      |> Enum.reverse()
      |> Enum.with_index(1)
      |> Enum.map_join("\n", fn {step, n} -> "  #{n}: #{inspect(step)}" end)

    "PIPELINE_SEED=#{seed}\n#{said}\nin #{inspect(model)}:\n" <> Exception.message(error)
  end

  # A step is an operation, something to kill, or both at once.

  defp choose do
    case :rand.uniform(10) do
      n when n <= 6 -> {operation(), nil}
      n when n <= 8 -> both(operation(), victim())
      _ -> {nil, victim()}
    end
  end

  # The manager tells when it has seen to a failure, unless it is killed.
  defp both({:fail, _id} = operation, _victim), do: {operation, nil}
  defp both(operation, victim), do: {operation, victim}

  defp operation do
    id = Enum.random(Plugins.ids())

    case Enum.random(@operations) do
      :configure -> {:configure, id, :rand.uniform(1_000)}
      name -> {name, id}
    end
  end

  defp victim do
    case :rand.uniform(10) do
      n when n <= 5 -> {:role, Enum.random(@roles)}
      6 -> :events
      7 -> :keeper
      8 -> {Enum.random([:tree, :child]), Enum.random(Plugins.ids())}
      _ -> {:plugin, Enum.random(Plugins.ids())}
    end
  end

  defp take({nil, victim}, test) do
    {killed, test} = kill(victim, test)
    rest(test, [test.model], killed)
  end

  defp take({{:fail, id} = operation, nil}, test) do
    {:ok, model} = Model.step(test.model, operation)
    :ok = Operation.perform(operation, test.model, test.versions, @instance)
    # The manager is told, and tells when it has done what follows.
    if model != test.model, do: receive(do: ({:pipeline_event, {:plugin, :plugin_failed}, %{id: ^id}} -> :ok))
    rest(test, [model], [])
  end

  defp take({operation, nil}, test) do
    {answer, model} = Model.step(test.model, operation)
    found = Operation.perform(operation, test.model, test.versions, @instance)
    if found != answer, do: raise("it answered #{inspect(found)}, not #{inspect(answer)}")
    rest(test, [model], [])
  end

  defp take({operation, victim}, test) do
    {performer, monitor} =
      spawn_monitor(fn ->
        exit({:answer, Operation.perform(operation, test.model, test.versions, @instance)})
      end)

    # Somewhere on its way.
    for _ <- 1..:rand.uniform(30), do: :erlang.yield()
    {killed, test} = kill(victim, test)

    answer =
      receive do
        {:DOWN, ^monitor, :process, ^performer, {:answer, answer}} -> answer
        {:DOWN, ^monitor, :process, ^performer, _reason} -> :exited
      end

    case Model.after_kill(test.model, operation, answer) do
      {:ok, models} -> rest(test, models, killed)
      :impossible -> raise("it answered #{inspect(answer)}")
    end
  end

  defp rest(test, models, killed) do
    Kill.settle(@instance, killed)
    model = Check.choose(models, @instance)
    Check.agree!(model, @instance)
    Guards.settled(test.guards, model)
    Users.check!(test.users)
    %{test | model: model}
  end

  # A plugin is not crashed more often than it is started again.
  defp kill({kind, id} = victim, test) when kind in [:plugin, :child] do
    with %{phase: phase} <- Registry.info(Registry.owned(@instance), id),
         crashes when crashes < @crashes <- Map.get(test.crashes, phase, 0) do
      do_kill(victim, put_in(test.crashes[phase], crashes + 1))
    else
      _ -> {[], test}
    end
  end

  # What all instances share takes less of it, and has the application's own end with it.
  defp kill(:events, test) do
    now = System.monotonic_time(:millisecond)

    if now - test.events_killed > @between_events,
      do: do_kill(:events, %{test | events_killed: now}),
      else: {[], test}
  end

  defp kill(victim, test), do: do_kill(victim, test)

  defp do_kill(victim, test) do
    case Kill.kill(victim, @instance) do
      nil -> {[], test}
      pid -> {[{victim, pid}], test}
    end
  end
end
