defmodule Pipeline.Package.UnitTest do
  # Code belongs to the VM; each test has modules of its own.
  use Pipeline.InstanceCase, async: true

  alias Pipeline.{Package, Packages}
  alias Pipeline.Package.Units
  alias Pipeline.Plugin.Discovery

  # NAME is an application, MODULE its namespace, V a version.
  @source """
  defmodule MODULE.Plugin do
    use Pipeline.Plugin, id: :NAME, version: "V"
    @compile {:no_warn_undefined, MODULE.Dep}

    hook :before, :NAME, do: (def NAME(c, next), do: next.([{"V", MODULE.Helper.version(), MODULE.Dep.version()} | c]))

    @impl true
    def init(config) do
      priv = :code.priv_dir(:NAME)
      greeting = File.read!(Path.join(priv, "greeting.txt"))
      send(config.test, {:init, "V", Process.whereis(MODULE.Worker) != nil, Application.get_env(:NAME, :key), greeting})
      {:ok, config}
    end

    @impl true
    def code_change(_from, _state, :refuse), do: {:error, :refused}

    def code_change(_from, state, {:wait, test}) do
      send(test, {:changing, self()})
      receive do: (:go_on -> {:ok, state})
    end

    def code_change(_from, state, _extra), do: {:ok, state}

    @impl true
    def stop(state), do: send(state.test, {:stop, "V", Process.whereis(MODULE.Worker) != nil})
  end

  defmodule MODULE.Helper do
    def version, do: "V"
  end

  defmodule MODULE.OnlyV do
    def there, do: true
  end

  defmodule MODULE.App do
    use Application
    def start(_type, _args) do
      if Application.get_env(:NAME, :fails), do: raise("no")
      Supervisor.start_link([%{id: MODULE.Worker, start: {Agent, :start_link, [fn -> "V" end, [name: MODULE.Worker]]}}], strategy: :one_for_one)
    end
  end
  """

  @moduletag :capture_log

  setup_all do
    {:ok, compiler: Packages.start_compiler!()}
  end

  defp dep(%{module_name: module, compiler: compiler}, version) do
    source = "defmodule #{module}.Dep do\n  def version, do: #{inspect(version)}\nend"
    Packages.app!(:"#{String.downcase(module)}_dep", version, source, compiler: compiler)
  end

  # A package of the version, installed in the folder of the instance.
  defp package(context, version, opts \\ []) do
    name = context.name
    dep = opts[:dep] || dep(context, version)

    source =
      (opts[:source] || @source)
      |> String.replace("NAME", "#{name}")
      |> String.replace("MODULE", context.module_name)
      |> String.replace("OnlyV", "Only" <> String.first(version))
      |> String.replace("V\"", version <> "\"")

    app =
      Packages.app!(name, version, source,
        compiler: context.compiler,
        priv: [{"greeting.txt", "hello #{version}"}],
        properties: [
          mod: {:"Elixir.#{context.module_name}.App", []},
          env: [key: version] ++ (opts[:env] || []),
          applications: [:kernel, :stdlib, :elixir, dep.name]
        ]
      )

    Packages.build!(app, dependencies: [dep])
  end

  setup context do
    name = :"unit_test_#{System.unique_integer([:positive])}"
    folder = Packages.folder!()
    instance = {:unit_test, name}

    start_supervised!(
      {Manager, [name: instance, packages: folder] ++ [restart: Pipeline.InstanceCase.stay_failed()]},
      id: name
    )

    module = Macro.camelize("#{name}")

    on_exit(fn ->
      for {key, unit} <- Units.all(),
          Enum.any?(Map.keys(unit.modules), &String.starts_with?(inspect(&1), module)) do
        Pipeline.Package.Server.purge(key, true)
      end
    end)

    {:ok, name: name, folder: folder, instance: instance, module_name: module, test_name: context.test}
  end

  defp opts(context), do: [instance: context.instance]
  defp module(context, name), do: Module.concat(context.module_name, name)
  defp run(context), do: Hook.run(context.instance, context.name, [], &Function.identity/1)
  defp worker(context), do: Agent.get(module(context, "Worker"), & &1)
  defp loaded?(context, name), do: :code.is_loaded(module(context, name)) != false
  defp running?(app), do: List.keymember?(Application.started_applications(), app, 0)

  defp install(context, version, opts \\ []) do
    Package.install!(package(context, version, opts).bytes, instance: context.instance)
  end

  defp load(context, extra \\ []) do
    Manager.load_plugin("#{context.name}", %{test: self()}, opts(context) ++ extra)
  end

  defp assert_version(context, version) do
    assert run(context) == {:ok, [{version, version, version}]}
    assert Manager.plugin_info!(context.name, opts(context)).version == version
    assert worker(context) == version
    assert Application.get_env(context.name, :key) == version
    assert List.to_string(Application.spec(context.name, :vsn)) == version
    for n <- ["1", "2"], do: assert({n, loaded?(context, "Only#{n}")} == {n, n == String.first(version)})
  end

  test "a package is loaded whole, with its application, and goes whole", context do
    name = context.name
    install(context, "1.0.0")
    assert {:ok, ^name} = load(context)
    # The application ran, with its environment and priv.
    assert_received {:init, "1.0.0", true, "1.0.0", "hello 1.0.0"}
    assert_version(context, "1.0.0")
    for part <- ~w(Plugin Helper Dep App Only1), do: assert(loaded?(context, part))

    assert {:error, %Error{reason: {:in_use, [{_, ^name}]}}} = Package.uninstall("#{name}", opts(context))
    assert Manager.unload_plugin(name, opts(context) ++ [purge: true]) == :ok
    assert_received {:stop, "1.0.0", true}
    refute running?(name)
    for part <- ~w(Plugin Helper Dep App Only1), do: refute(loaded?(context, part))
    assert :code.priv_dir(name) == {:error, :bad_name}
    assert Application.spec(name) == nil
    assert Package.uninstall("#{name}", opts(context)) == :ok

    # Once more, another version.
    install(context, "2.0.0")
    assert {:ok, ^name} = load(context)
    assert_version(context, "2.0.0")
  end

  test "instances share code and application", context do
    name = context.name
    install(context, "1.0.0")
    {:ok, ^name} = load(context)
    other = {:other, name}
    start_supervised!({Manager, name: other, packages: context.folder}, id: :other)
    {:ok, ^name} = Manager.load_plugin("#{name}", %{test: self()}, instance: other)

    install(context, "2.0.0")

    assert {:error, %Error{reason: {:used_by, users}} = error} =
             Package.upgrade(name, "#{name}", opts(context))

    assert Enum.sort(users) == Enum.sort([{context.instance, name}, {other, name}])
    assert Exception.message(error) =~ "its code is used by"
    assert_version(context, "1.0.0")

    assert Package.upgrade(name, "#{name}", [instances: :all] ++ opts(context)) == {:ok, "2.0.0"}
    assert_version(context, "2.0.0")
    assert_version(%{context | instance: other}, "2.0.0")
    assert Package.upgrade(name, "#{name}-1.0.0", [instances: :all] ++ opts(context)) == {:ok, "1.0.0"}
    assert_version(%{context | instance: other}, "1.0.0")

    assert Manager.unload_plugin(name, instance: other, purge: true) == :ok
    assert_version(context, "1.0.0")
    assert Package.upgrade(name, "#{name}", opts(context)) == {:ok, "2.0.0"}
    assert_version(context, "2.0.0")
  end

  test "the application stops while the plugin is disabled", context do
    name = context.name
    install(context, "1.0.0")
    {:ok, ^name} = load(context)
    :ok = Manager.disable_plugin(name, opts(context))
    assert_received {:stop, "1.0.0", true}
    refute running?(name)
    {:ok, :started} = Manager.enable_plugin(name, opts(context))
    assert_version(context, "1.0.0")
  end

  test "a plugin whose application does not start is not loaded, and nothing of it stays", context do
    install(context, "1.0.0", env: [fails: true])
    name = context.name
    assert {:error, %Error{operation: :load, step: :application, reason: {^name, _}} = error} = load(context)
    assert Exception.message(error) =~ "the application #{inspect(name)} of its package did not start"
    for part <- ~w(Plugin Helper Dep App), do: refute(loaded?(context, part))
    assert Manager.list_plugins(opts(context)) == []
  end

  test "two packages share a dependency of one version; of two versions the second is refused", context do
    install(context, "1.0.0")
    {:ok, _} = load(context)

    user =
      "defmodule #{context.module_name}.User do\n  use Pipeline.Plugin, id: :user_NAME, version: \"V\"\nend"

    two = fn version ->
      shared = dep(context, version)
      source = user |> String.replace("NAME", "#{context.name}") |> String.replace("V\"", "1.0.0\"")
      app = Packages.app!(:"user_#{context.name}", "1.0.0", source, compiler: context.compiler)
      Packages.build!(app, dependencies: [shared]).bytes
    end

    Package.install!(two.("2.0.0"), instance: context.instance)
    dep = module(context, "Dep")

    assert {:error, %Error{reason: {:module_clash, [{^dep, owner}]}} = error} =
             Manager.load_plugin("user_#{context.name}", %{}, opts(context))

    assert owner == "the package #{context.name} 1.0.0"

    assert Exception.message(error) =~
             "#{inspect(dep)} is loaded from the package #{context.name} 1.0.0, and the package has another version of it; " <>
               "build the package with that version"

    refute loaded?(context, "User")

    Package.uninstall!("user_#{context.name}", opts(context))
    Package.install!(two.("1.0.0"), instance: context.instance)
    {:ok, id} = Manager.load_plugin("user_#{context.name}", %{}, opts(context))
    :ok = Manager.unload_plugin(context.name, opts(context) ++ [purge: true])
    assert loaded?(context, "Dep")
    refute loaded?(context, "Helper")
    :ok = Manager.unload_plugin(id, opts(context) ++ [purge: true])
    refute loaded?(context, "Dep")
  end

  test "an instance loads packages when it starts, and starts without those that it cannot", context do
    install(context, "1.0.0")
    name = context.name
    starting = {:starting, name}
    options = [name: starting, packages: context.folder, plugins: [{"#{name}", %{test: self()}}, "unknown"]]
    log = ExUnit.CaptureLog.capture_log(fn -> start_supervised!({Manager, options}, id: :starting) end)
    assert log =~ "could not load the package unknown: unknown is not installed"
    assert [%{id: ^name, state: :started}] = Manager.list_plugins(instance: starting)
    assert worker(context) == "1.0.0"
  end

  test "a changed package is not loaded", context do
    info = install(context, "1.0.0")
    File.write!(Path.join(info.path, "priv/greeting.txt"), "changed")
    assert {:error, %Error{reason: {:hash_mismatch, "priv/greeting.txt"}}} = load(context)

    assert {:error, %Error{reason: {:not_installed, "unknown"}}} =
             Manager.load_plugin("unknown", %{}, opts(context))

    assert {:error, %Error{reason: {:not_found, "/no/where"}}} =
             Manager.load_plugin("/no/where", %{}, opts(context))
  end

  describe "an upgrade" do
    setup context do
      install(context, "1.0.0")
      {:ok, _} = load(context)
      :ok
    end

    test "changes all modules and the application, and back", context do
      %{file: file, bytes: bytes} = package(context, "2.0.0")
      path = Path.join(Packages.folder!(), file)
      File.write!(path, bytes)
      assert Package.upgrade(context.name, path, opts(context)) == {:ok, "2.0.0"}
      assert_version(context, "2.0.0")
      assert Package.upgrade(context.name, "#{context.name}-1.0.0", opts(context)) == {:ok, "1.0.0"}
      assert_version(context, "1.0.0")
      assert [_, _] = Package.list(opts(context))
      :ok = Manager.unload_plugin(context.name, opts(context) ++ [purge: true])
      refute Enum.any?(Units.all(), fn {key, _} -> String.starts_with?(key, context.folder) end)
      refute running?(context.name)
    end

    test "no run sees parts of two versions", context do
      install(context, "2.0.0")
      test = self()

      runner =
        spawn_link(fn ->
          fun = fn fun, n ->
            {:ok, [{version, version, version}]} = run(context)

            receive do
              :stop -> send(test, {:runs, n})
            after
              0 -> fun.(fun, n + 1)
            end
          end

          fun.(fun, 1)
        end)

      for _ <- 1..5, version <- ["2.0.0", "1.0.0"] do
        assert Package.upgrade(context.name, "#{context.name}-#{version}", opts(context)) == {:ok, version}
      end

      send(runner, :stop)
      assert_receive {:runs, n} when n > 10, 10_000
    end

    test "that the plugin refuses leaves the version before whole", context do
      install(context, "2.0.0")

      assert {:error, %Error{operation: :upgrade, step: :code_change}} =
               Package.upgrade(context.name, "#{context.name}", opts(context) ++ [extra: :refuse])

      assert_version(context, "1.0.0")
      assert Package.upgrade(context.name, "#{context.name}", opts(context)) == {:ok, "2.0.0"}
      assert_version(context, "2.0.0")
    end

    test "whose application does not start leaves the version before whole", context do
      install(context, "2.0.0", env: [fails: true])
      name = context.name

      assert {:error, %Error{operation: :upgrade, reason: {:application, ^name, _}} = error} =
               Package.upgrade(name, "#{name}", opts(context))

      assert Exception.message(error) =~ "of its package did not start"
      assert_version(context, "1.0.0")
    end

    test "whose code does not load leaves the version before whole", context do
      source = @source <> "\ndefmodule MODULE.Broken do\n  @on_load :fail\n  def fail, do: :error\nend"
      install(context, "2.0.0", source: source)

      assert {:error, %Error{operation: :upgrade, reason: {:cannot_load, path, :on_load_failure}}} =
               Package.upgrade(context.name, "#{context.name}", opts(context))

      assert path =~ "Broken.beam"
      assert_version(context, "1.0.0")
    end

    test "during which the manager is killed goes back", context do
      install(context, "2.0.0")
      manager = Pipeline.Instance.Names.whereis(context.instance, :manager)
      monitor = Process.monitor(manager)
      test = self()

      spawn(fn ->
        Package.upgrade(context.name, "#{context.name}", opts(context) ++ [extra: {:wait, test}])
      end)

      assert_receive {:changing, plugin}, 10_000
      Process.exit(manager, :kill)
      assert_receive {:DOWN, ^monitor, :process, ^manager, :killed}, 10_000
      send(plugin, :go_on)
      # The next manager has done what it does first.
      assert Enum.any?(1..500, fn _ -> if(Process.sleep(20) == :ok, do: back?(context)) end)
      assert_version(context, "1.0.0")
    end

    defp back?(context) do
      Pipeline.Instance.Names.whereis(context.instance, :manager) != nil and
        run(context) == {:ok, [{"1.0.0", "1.0.0", "1.0.0"}]} and
        Process.whereis(module(context, "Worker")) != nil
    end
  end

  describe "modules beside a plugin, without a plugin.json," do
    @beside """
    defmodule MODULE.Helper do
      def v, do: "V"
    end

    defmodule MODULE.P do
      use Pipeline.Plugin, id: :NAME, version: "V"
      hook :before, :NAME, do: (def NAME(c, n), do: n.([{"V", MODULE.Helper.v()} | c]))
    end
    """

    defp compiled(context, version) do
      folder = Packages.folder!()

      source =
        @beside
        |> String.replace("NAME", "#{context.name}")
        |> String.replace("MODULE", context.module_name)
        |> String.replace("V\"", version <> "\"")

      for {name, bytes} <- Packages.compile!(context.compiler, source),
          do: File.write!(Path.join(folder, name), bytes)

      folder
    end

    defp ez(folder, context) do
      path = Path.join(Packages.folder!(), "#{context.name}.ez")

      files =
        for beam <- Path.wildcard(folder <> "/*.beam"),
            do: {~c"p/ebin/#{Path.basename(beam)}", File.read!(beam)}

      {:ok, _} = :zip.create(String.to_charlist(path), files)
      path
    end

    defp load_code(paths, context) do
      {:ok, found} = Discovery.discover_plugins(List.wrap(paths))
      {:ok, modules} = Discovery.load_code(found)
      {:ok, _} = Manager.load_plugins(modules, opts(context))
      modules
    end

    test "are loaded, upgraded and purged with it", context do
      [one, two] = for v <- ["1.0.0", "2.0.0"], do: compiled(context, v)
      load_code(one, context)
      assert loaded?(context, "Helper")
      assert run(context) == {:ok, [{"1.0.0", "1.0.0"}]}

      beam = Path.join(two, "Elixir.#{context.module_name}.P.beam")
      assert Manager.upgrade_plugin(context.name, beam, opts(context)) == {:ok, "2.0.0"}
      assert run(context) == {:ok, [{"2.0.0", "2.0.0"}]}
      refute String.to_charlist(one) in :code.get_path()

      :ok = Manager.unload_plugin(context.name, opts(context) ++ [purge: true])
      refute loaded?(context, "Helper")
      load_code(two, context)
      assert run(context) == {:ok, [{"2.0.0", "2.0.0"}]}
      assert Manager.upgrade_plugin(context.name, one, opts(context)) == {:ok, "1.0.0"}
      assert run(context) == {:ok, [{"1.0.0", "1.0.0"}]}
    end

    test "of an archive are upgraded too", context do
      [one, two] = for v <- ["1.0.0", "2.0.0"], do: context |> compiled(v) |> then(&ez(&1, context))
      load_code(one, context)
      assert run(context) == {:ok, [{"1.0.0", "1.0.0"}]}
      assert Manager.upgrade_plugin(context.name, two, opts(context)) == {:ok, "2.0.0"}
      assert run(context) == {:ok, [{"2.0.0", "2.0.0"}]}
      assert Manager.upgrade_plugin(context.name, one, opts(context)) == {:ok, "1.0.0"}
      assert run(context) == {:ok, [{"1.0.0", "1.0.0"}]}
      :ok = Manager.unload_plugin(context.name, opts(context) ++ [purge: true])
      refute loaded?(context, "Helper")
    end
  end

  test "loading, upgrading and unloading over and over leaves nothing", context do
    install(context, "1.0.0")
    install(context, "2.0.0")

    cycle = fn ->
      {:ok, _} = Manager.load_plugin("#{context.name}", %{test: spawn(fn -> :ok end)}, opts(context))
      {:ok, _} = Package.upgrade(context.name, "#{context.name}-1.0.0", opts(context))
      :ok = Manager.unload_plugin(context.name, opts(context) ++ [purge: true])
    end

    before = Units.all() |> Map.keys() |> Enum.filter(&String.starts_with?(&1, context.folder))
    path = length(:code.get_path())
    for _ <- 1..10, do: cycle.()
    assert Units.all() |> Map.keys() |> Enum.filter(&String.starts_with?(&1, context.folder)) == before
    assert abs(length(:code.get_path()) - path) < 50
  end
end
