defmodule Pipeline.Package.InterruptedTest do
  # Kills the server of all packages.
  use Pipeline.InstanceCase, async: false

  alias Pipeline.Instance.Names
  alias Pipeline.{Package, Packages}
  alias Pipeline.Package.{Server, Units}
  alias Pipeline.Plugin.Discovery

  @moduletag :capture_log

  defmodule Gate do
    # Each step that runs code of a package passes here. At one of them the victim is killed before the step goes on.

    def start(name, at, victim) do
      test = self()

      pid =
        spawn_link(fn ->
          Process.register(self(), name)
          send(test, :open)
          loop([], at, victim)
        end)

      receive do: (:open -> pid)
    end

    def steps(pid) do
      send(pid, {:steps, self()})
      receive do: ({:steps, steps} -> steps)
    end

    def pass(name, step) do
      if gate = Process.whereis(name) do
        monitor = Process.monitor(gate)
        send(gate, {:at, step, self()})

        receive do
          :go_on -> Process.demonitor(monitor, [:flush])
          {:DOWN, ^monitor, _, _, _} -> :ok
        end
      end

      :ok
    end

    defp loop(steps, at, victim) do
      receive do
        {:at, step, pid} ->
          if length(steps) == at, do: kill(victim.(pid))
          send(pid, :go_on)
          loop([step | steps], at, victim)

        {:steps, test} ->
          send(test, {:steps, Enum.reverse(steps)})
          loop(steps, at, victim)
      end
    end

    defp kill(pid) do
      monitor = Process.monitor(pid)
      Process.exit(pid, :kill)
      receive do: ({:DOWN, ^monitor, _, _, _} -> :ok)
    end
  end

  @source """
  defmodule MODULE do
    use Pipeline.Plugin, id: :NAME, version: "V"
    hook :before, :NAME, do: (def NAME(c, n), do: n.([{"V", MODULE.Helper.v(), MODULE.Loaded.v(), env()} | c]))
    def env, do: Application.get_env(:NAME, :mark, "V")

    def init(config), do: pass("init", {:ok, config})
    def code_change(_from, state, _extra), do: pass("code_change", {:ok, state})
    def stop(_state), do: pass("stop", :ok)

    def pass(step, result) do
      # Not where it is compiled.
      gate = :"Elixir.Pipeline.Package.InterruptedTest.Gate"
      if function_exported?(gate, :pass, 2), do: gate.pass(:NAME_gate, step <> " V")
      result
    end
  end

  defmodule MODULE.Helper, do: (def v, do: "V")

  defmodule MODULE.Loaded do
    @on_load :pass
    def pass, do: MODULE.pass("on_load", :ok)
    def v, do: "V"
  end

  defmodule MODULE.Thing, do: defstruct []
  defimpl String.Chars, for: MODULE.Thing, do: (def to_string(_), do: "V")

  defmodule MODULE.App do
    use Application
    def start(_type, _args), do: MODULE.pass("app start", Supervisor.start_link([], strategy: :one_for_one))
    def stop(_state), do: MODULE.pass("app stop", :ok)
  end
  """

  setup_all do
    name = :"interrupted_#{System.unique_integer([:positive])}"
    compiler = Packages.start_compiler!()
    module = Macro.camelize("#{name}")

    packages =
      for version <- ["1.0.0", "2.0.0"], into: %{} do
        source =
          @source
          |> String.replace("NAME", "#{name}")
          |> String.replace("MODULE", module)
          |> String.replace("V\"", version <> "\"")

        properties = [mod: {:"Elixir.#{module}.App", []}, env: [mark: version]]
        {version, Packages.app!(name, version, source, compiler: compiler, properties: properties)}
      end

    {:ok, name: name, module: Module.concat([module]), packages: packages}
  end

  setup context do
    instance = {:interrupted, System.unique_integer([:positive])}
    folder = Packages.folder!()
    fresh_server()
    start_supervised!({Manager, name: instance, packages: folder, max_restarts: 1_000, restart: [max: 1_000]})
    {:ok, instance: instance, folder: folder, before: vm(context)}
  end

  # Its supervisor gives up after 20 restarts in five seconds, which it counts anew then.
  defp fresh_server do
    :ok = Supervisor.terminate_child(Pipeline.Plugin.ApplicationSupervisor, Server)
    {:ok, _} = Supervisor.restart_child(Pipeline.Plugin.ApplicationSupervisor, Server)
  end

  # What the VM has, but for this package.
  defp vm(%{name: name}) do
    %{
      chars: String.Chars.module_info(:md5),
      applications: Enum.sort(for {app, _, _} <- Application.loaded_applications(), do: app),
      running: Enum.sort(for {app, _, _} <- Application.started_applications(), do: app),
      path: :code.get_path(),
      units: Map.keys(Units.all()),
      modules: for({module, _} <- :code.all_loaded(), "#{module}" =~ Macro.camelize("#{name}"), do: module)
    }
  end

  # Where versions are loaded from, by the form that they are in.
  defp sources(:package, context) do
    for {version, app} <- context.packages, into: %{} do
      Package.install!(Packages.build!(app).bytes, instance: context.instance)
      {version, "#{context.name}-#{version}"}
    end
  end

  defp sources(:directory, context) do
    for {version, app} <- context.packages, into: %{}, do: {version, app.folder}
  end

  defp sources(:ez, context) do
    for {version, app} <- context.packages, into: %{} do
      path = Path.join(context.folder, "#{context.name}-#{version}.ez")
      beams = Path.wildcard(app.folder <> "/ebin/*.beam")
      files = for beam <- beams, do: {~c"p/ebin/#{Path.basename(beam)}", File.read!(beam)}
      {:ok, _} = :zip.create(String.to_charlist(path), files)
      {version, path}
    end
  end

  defp load(:package, source, context), do: Manager.load_plugin(source, %{}, instance: context.instance)

  defp load(_other, source, context) do
    paths = if File.dir?(source), do: [Path.join(source, "ebin")], else: [source]
    {:ok, found} = Discovery.discover_plugins(paths)

    with {:ok, [module]} <- Discovery.load_code(found),
         do: Manager.load_plugin(module, %{}, instance: context.instance)
  end

  defp upgrade(:package, source, context),
    do: Package.upgrade(context.name, source, instance: context.instance)

  defp upgrade(_other, source, context),
    do: Manager.upgrade_plugin(context.name, source, instance: context.instance)

  defp unload(context), do: Manager.unload_plugin(context.name, instance: context.instance, purge: true)

  # The operation, and what it passed, while the victim is killed at one of its steps.
  defp interrupted(context, at, victim, operation) do
    gate = Gate.start(:"#{context.name}_gate", at, victim)

    # A caller whose manager or server is killed may end with it.
    task = Task.async(fn -> try(do: operation.(), catch: (_kind, reason -> {:ended, reason})) end)
    result = Task.await(task, 30_000)
    settle(context)
    steps = Gate.steps(gate)
    Process.unlink(gate)
    monitor = Process.monitor(gate)
    Process.exit(gate, :kill)
    assert_receive {:DOWN, ^monitor, _, _, _}
    {result, steps}
  end

  # Both answer again, and the plugin is up or not there.
  defp settle(context) do
    assert eventually(fn ->
             Process.whereis(Server) != nil and Names.whereis(context.instance, :manager) != nil and
               (:sys.get_state(Server) && true) and
               case Manager.plugin_info(context.name, instance: context.instance) do
                 {:ok, %{state: state}} -> state == :started
                 _not_loaded -> true
               end
           end)
  end

  defp eventually(condition) do
    Enum.any?(1..1_000, fn _ ->
      try(do: condition.(), catch: (:exit, _ -> false)) or (Process.sleep(10) && false)
    end)
  end

  defp whole?(context, version) do
    {:ok, [seen]} = Pipeline.Hook.run(context.instance, context.name, [], & &1)

    {seen, to_string(struct(Module.concat(context.module, Thing)))} ==
      {{version, version, version, version}, version}
  end

  defp victims(context) do
    [
      server: fn _at -> Process.whereis(Server) end,
      manager: fn _at -> Names.whereis(context.instance, :manager) end,
      itself: & &1
    ]
  end

  for form <- [:package, :directory, :ez] do
    test "an upgrade and a rollback of a #{form} are whole or not there, killed at any step", context do
      form = unquote(form)
      sources = sources(form, context)
      {:ok, _} = load(form, sources["1.0.0"], context)
      nobody = fn _at -> spawn(fn -> :ok end) end

      for {from, to} <- [{"1.0.0", "2.0.0"}, {"2.0.0", "1.0.0"}] do
        {{:ok, ^to}, steps} = interrupted(context, nil, nobody, fn -> upgrade(form, sources[to], context) end)
        assert whole?(context, to)
        assert steps != []
        {:ok, ^from} = upgrade(form, sources[from], context)

        for {who, victim} <- victims(context), at <- 0..(length(steps) - 1) do
          {result, passed} = interrupted(context, at, victim, fn -> upgrade(form, sources[to], context) end)
          now = if result == {:ok, to}, do: to, else: from

          assert whole?(context, now),
                 "#{who} at #{Enum.at(steps, at)} of #{inspect(steps)}: #{inspect(result)} after #{inspect(passed)}"

          if now == to, do: {:ok, ^from} = upgrade(form, sources[from], context)
          assert whole?(context, from)
        end

        {:ok, ^to} = upgrade(form, sources[to], context)
        assert whole?(context, to)
      end

      :ok = unload(context)
      assert vm(context) == context.before
    end

    test "a load and an unload of a #{form} leave nothing half, killed at any step", context do
      form = unquote(form)
      sources = sources(form, context)
      nobody = fn _at -> spawn(fn -> :ok end) end

      {{:ok, _}, loading} = interrupted(context, nil, nobody, fn -> load(form, sources["1.0.0"], context) end)

      {:ok, unloading} = interrupted(context, nil, nobody, fn -> unload(context) end)
      assert vm(context) == context.before

      for {operation, steps} <- [load: loading, unload: unloading],
          {who, victim} <- victims(context),
          at <- 0..(length(steps) - 1)//1 do
        if operation == :unload, do: {:ok, _} = load(form, sources["1.0.0"], context)

        {result, _passed} =
          interrupted(context, at, victim, fn ->
            if operation == :load, do: load(form, sources["1.0.0"], context), else: unload(context)
          end)

        where = "#{operation}, #{who} at #{Enum.at(steps, at)}: #{inspect(result)}"

        # What was not done can be done again, whatever is there of it.
        if Manager.plugin_info(context.name, instance: context.instance) == :error,
          do: assert({:ok, _} = load(form, sources["1.0.0"], context), where)

        assert whole?(context, "1.0.0"), where
        assert :ok = unload(context), where
        assert vm(context) == context.before, where
      end
    end
  end

  # Between the steps above, wherever it happens to be.
  test "operations are whole or not there when the server is killed at a random moment", context do
    seed = String.to_integer(System.get_env("PIPELINE_SEED") || "#{:rand.uniform(1_000_000)}")
    :rand.seed(:exsss, {seed, 1, 2})
    sources = sources(:package, context)

    for number <- 1..String.to_integer(System.get_env("PIPELINE_PACKAGE_KILLS") || "20") do
      where = "PIPELINE_SEED=#{seed}, number #{number}"
      fresh_server()
      _ = killed(context, fn -> load(:package, sources["1.0.0"], context) end)

      if Manager.plugin_info(context.name, instance: context.instance) == :error,
        do: assert({:ok, _} = load(:package, sources["1.0.0"], context), where)

      assert whole?(context, "1.0.0"), where
      result = killed(context, fn -> upgrade(:package, sources["2.0.0"], context) end)
      {:ok, %{version: version}} = Manager.plugin_info(context.name, instance: context.instance)
      if result == {:ok, "2.0.0"}, do: assert(version == "2.0.0", where)
      assert whole?(context, version), where
      _ = killed(context, fn -> unload(context) end)

      if Manager.plugin_info(context.name, instance: context.instance) == :error,
        do: assert({:ok, _} = load(:package, sources[version], context), where)

      assert :ok = unload(context), where
      assert vm(context) == context.before, where
    end
  end

  defp killed(context, operation) do
    wait = :rand.uniform(200_000)

    killer =
      Task.async(fn ->
        Enum.reduce(1..wait, 0, fn number, sum -> number + sum end)
        server = Process.whereis(Server)
        if server, do: Process.exit(server, :kill)
      end)

    task = Task.async(fn -> try(do: operation.(), catch: (_kind, reason -> {:ended, reason})) end)
    result = Task.await(task, 30_000)
    Task.await(killer, 30_000)
    settle(context)
    result
  end
end
