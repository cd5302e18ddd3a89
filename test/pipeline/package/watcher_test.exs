defmodule Pipeline.Package.WatcherTest do
  use ExUnit.Case, async: true

  import ExUnit.CaptureLog

  alias Pipeline.{Package, Packages}
  alias Pipeline.Plugin.{Events, Manager}

  @moduletag :capture_log

  setup_all do
    {:ok, compiler: Packages.start_compiler!()}
  end

  setup context do
    instance = {__MODULE__, context.test}
    folder = Packages.folder!()
    name = "watched_#{System.unique_integer([:positive])}"
    # Its events tell when something was done.
    start_supervised!(
      {Manager, name: instance, packages: folder, watch: [interval: 5, config: %{name => %{greeting: "hi"}}]}
    )

    for type <- [:plugin_loaded, :plugin_upgraded, :plugin_unloaded],
        do: :ok = Events.subscribe(self(), type, instance: instance)

    {:ok, instance: instance, folder: folder, name: name}
  end

  defp app(context, version) do
    Packages.app!(
      String.to_atom(context.name),
      version,
      """
      defmodule #{Macro.camelize(context.name)} do
        use Pipeline.Plugin, id: :#{context.name}, version: "#{version}"
      end
      """,
      compiler: context.compiler
    )
  end

  defp archive(context, version), do: Packages.build!(app(context, version)).bytes

  defp put(context, file, bytes), do: File.write!(Path.join(context.folder, file), bytes)

  defp assert_event(type) do
    assert_receive {:pipeline_event, {:plugin, ^type}, event}, 10_000
    event
  end

  defp info(context), do: Manager.plugin_info!(String.to_atom(context.name), instance: context.instance)

  test "an archive is installed, loaded with its configuration, and goes; a newer one is upgraded to",
       context do
    put(context, "a.plugin.tar.gz", archive(context, "1.0.0"))
    assert_event(:plugin_loaded)
    assert %{version: "1.0.0", config: %{greeting: "hi"}} = info(context)

    put(context, "b.plugin.tar.gz", archive(context, "2.0.0"))
    assert %{from: "1.0.0", to: "2.0.0"} = assert_event(:plugin_upgraded)
    assert Enum.sort(File.ls!(context.folder)) == for(v <- ["1.0.0", "2.0.0"], do: "#{context.name}-#{v}")

    # An older one is only put beside.
    File.rm_rf!(Path.join(context.folder, "#{context.name}-1.0.0"))
    put(context, "c.plugin.tar.gz", archive(context, "1.0.0"))
    put(context, "d.plugin.tar.gz", archive(context, "3.0.0"))
    assert %{from: "2.0.0", to: "3.0.0"} = assert_event(:plugin_upgraded)
    refute_received {:pipeline_event, _, _}

    File.rm_rf!(Path.join(context.folder, "#{context.name}-3.0.0"))
    assert_event(:plugin_unloaded)
    assert Manager.list_plugins(instance: context.instance) == []
  end

  test "what is installed by a call is loaded, and unloaded when it is uninstalled by hand only", context do
    {:ok, _} = Package.install(archive(context, "1.0.0"), instance: context.instance)
    assert_event(:plugin_loaded)
    id = String.to_atom(context.name)
    # An operator's word holds.
    :ok = Manager.unload_plugin(id, instance: context.instance, purge: true)
    assert_event(:plugin_unloaded)
    {:ok, _} = Package.install(archive(context, "2.0.0"), instance: context.instance)
    assert_event(:plugin_loaded)
    assert info(context).version == "2.0.0"
  end

  test "a folder of a compiler is loaded, and upgraded to when it is compiled again", context do
    target = Path.join(context.folder, context.name)
    File.cp_r!(app(context, "1.0.0").folder, target)
    assert_event(:plugin_loaded)
    assert info(context).version == "1.0.0"
    File.cp_r!(app(context, "1.1.0").folder, target)
    assert %{from: "1.0.0", to: "1.1.0"} = assert_event(:plugin_upgraded)
    File.rm_rf!(target)
    assert_event(:plugin_unloaded)
  end

  test "what cannot be installed is told once, stays, and is tried again when it changes", context do
    bytes = archive(context, "1.0.0")

    log =
      capture_log(fn ->
        put(context, "a.plugin.tar.gz", binary_part(bytes, 0, 300))
        # What comes after it shows that it was looked at, several times.
        File.cp_r!(
          app(%{context | name: context.name <> "_2"}, "1.0.0").folder,
          Path.join(context.folder, context.name <> "_2")
        )

        assert_event(:plugin_loaded)
        for _ <- 1..20, do: looked_at(context.instance)
      end)

    assert log =~ "the folder of packages #{context.folder}: could not install the package"
    assert length(String.split(log, "could not install the package")) == 2
    assert File.exists?(Path.join(context.folder, "a.plugin.tar.gz"))
    put(context, "a.plugin.tar.gz", bytes)
    assert_event(:plugin_loaded)
    assert info(context).version == "1.0.0"
  end

  # Answers between two looks.
  defp looked_at(instance) do
    watcher = Pipeline.Instance.Names.whereis(instance, :watcher)
    :erlang.trace(watcher, true, [:receive])
    assert_receive {:trace, ^watcher, :receive, :look}, 10_000
    :erlang.trace(watcher, false, [:receive])
    _ = :sys.get_state(watcher)
  end

  test "options are checked" do
    for {options, sentence} <- [
          {[watch: true], "watch: needs the folder that is to be watched: give packages: too"},
          {[packages: "x", watch: :always], "watch: is true, false or options, got: :always"},
          {[packages: "x", watch: [interval: 0]], "watch: interval: is a number of milliseconds, got: 0"},
          {[packages: "x", watch: [config: %{a: 1}]],
           "watch: config: is a map of configurations by the names of packages"},
          {[packages: "x", watch: [intervall: 1]],
           "unknown option :intervall of watch:. Did you mean :interval?"}
        ] do
      error =
        assert_raise ArgumentError, fn -> Manager.start_link([name: {__MODULE__, :options}] ++ options) end

      assert Exception.message(error) =~ sentence
    end
  end
end
