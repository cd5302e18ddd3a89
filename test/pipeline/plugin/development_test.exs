defmodule Pipeline.Plugin.DevelopmentTest do
  use Pipeline.InstanceCase, async: false

  import ExUnit.CaptureLog

  alias Pipeline.Plugin.{Discovery, Resources}

  @source """
  defmodule DevelopmentTest.Recompiled do
    use Pipeline.Plugin, id: :recompiled
    def word, do: WORD
  end
  """

  defp compile(word) do
    Code.compiler_options(ignore_module_conflict: true)
    [{module, binary}] = Code.compile_string(String.replace(@source, "WORD", word))
    Code.compiler_options(ignore_module_conflict: false)
    {module, binary}
  end

  defp directory do
    directory = Path.join(System.tmp_dir!(), "development_#{System.unique_integer([:positive])}")
    File.mkdir_p!(directory)
    on_exit(fn -> File.rm_rf!(directory) end)
    directory
  end

  test "a plugin that runs and is recompiled is told of, once", %{instance: instance} do
    {module, _} = compile(":one")
    on_exit(fn -> Pipeline.InstanceCase.remove(module) end)
    {:ok, :recompiled} = Manager.load_plugin(module, %{}, instance: instance)

    look = fn ->
      capture_log(fn -> Resources.monitor_plugin(:recompiled, instance: instance) && sample(instance) end)
    end

    assert look.() == ""
    compile(":two")
    log = look.()
    assert log =~ "plugin :recompiled runs on: DevelopmentTest.Recompiled was recompiled"
    assert log =~ "Pipeline.Plugin.Manager.upgrade_plugin(:recompiled, DevelopmentTest.Recompiled)"
    assert look.() == ""
  end

  test "one that was upgraded or loaded anew is not", %{instance: instance} do
    {module, binary} = compile(":one")
    on_exit(fn -> Pipeline.InstanceCase.remove(module) end)
    {:ok, :recompiled} = Manager.load_plugin(module, %{}, instance: instance)
    sample(instance)
    directory = directory()
    path = Path.join(directory, "#{module}.beam")
    {^module, new} = compile(":two")
    File.write!(path, new)
    {:module, ^module} = :code.load_binary(module, String.to_charlist(path), binary)
    sample(instance)

    assert capture_log(fn ->
             {:ok, _} = Manager.upgrade_plugin(:recompiled, path, instance: instance, rollback: false)
             sample(instance)
           end) =~ ~r/\A((?!was recompiled).)*\z/s
  end

  defp sample(instance), do: Resources.Monitor.sample(instance)

  test "a stripped file of a plugin is told as such, also in ebin", %{instance: _} do
    {module, binary} = compile(":one")
    on_exit(fn -> Pipeline.InstanceCase.remove(module) end)
    {:ok, {^module, stripped}} = :beam_lib.strip(binary)
    assert :binary.match(stripped, "Attr") == :nomatch
    directory = directory()
    ebin = Path.join(directory, "app/ebin")
    File.mkdir_p!(ebin)
    path = Path.join(ebin, "#{module}.beam")
    File.write!(path, stripped)
    # Not a plugin.
    {:ok, {_, plain}} = :beam_lib.strip(:code.which(Enum) |> File.read!())
    File.write!(Path.join(ebin, "Elixir.Enum.beam"), plain)

    for paths <- [[directory], [ebin], [path], [Path.join(directory, "*/ebin")]] do
      test = self()
      assert {:ok, []} = Discovery.discover_plugins(paths, on_unreadable: &send(test, {:unreadable, &1}))
      assert_received {:unreadable, %{path: ^path, reason: :stripped, message: message}}
      assert message =~ "its attributes were stripped"
      refute_received {:unreadable, _}
    end

    File.write!(path, binary)
    assert {:ok, [%{manifest: %{id: :recompiled}}]} = Discovery.discover_plugins([directory])
  end

  # As in an escript, or an image without it.
  test "a program without the native library says so" do
    directory = directory()
    ebin = Path.join(directory, "pipeline_plugin/ebin")
    File.mkdir_p!(Path.dirname(ebin))
    File.cp_r!(Application.app_dir(:pipeline_plugin, "ebin"), ebin)
    program = "IO.inspect(Application.ensure_all_started(:pipeline_plugin))"
    {output, _status} = System.cmd("elixir", ["-pa", ebin, "-e", program], stderr_to_stdout: true)
    assert output =~ "the native library pipeline_nif is missing"
    assert output =~ "An escript or an archive cannot hold one: run a release"
  end

  describe "restart_plugin/2 with runs: :wait" do
    defp owner do
      plugin id: :owner do
        hook :around, :owned, fun: :read

        def init(config) do
          :ets.new(config.table, [:named_table])
          :ets.insert(config.table, {:n, 1})
          if test = config[:test], do: send(test, {:init, self()}) && receive(do: (:go -> :ok))
          {:ok, config}
        end

        def read(table, next), do: next.(:ets.lookup_element(table, :n, 2))
      end
    end

    test "runs wait while the process is away", %{instance: instance} do
      table = :"development_test_#{System.unique_integer([:positive])}"
      opts = [instance: instance]
      test = self()
      module = owner()
      loading = Task.async(fn -> Manager.load_plugin(module, %{table: table, test: test}, opts) end)
      assert_receive {:init, first}, 10_000
      send(first, :go)
      {:ok, :owner} = Task.await(loading)

      runners =
        for _ <- 1..4 do
          Task.async(fn ->
            Stream.repeatedly(fn -> Hook.run(instance, :owned, table, & &1) end)
            |> Enum.reduce_while(0, fn
              {:ok, 1}, n -> if stop?(), do: {:halt, n}, else: {:cont, n + 1}
              other, _n -> {:halt, other}
            end)
          end)
        end

      restarting = Task.async(fn -> Manager.restart_plugin(:owner, opts ++ [runs: :wait]) end)
      assert_receive {:init, second} when second != first, 10_000
      send(second, :go)
      assert Task.await(restarting) == :ok
      for %{pid: pid} <- runners, do: send(pid, :stop)
      for count <- Task.await_many(runners), do: assert(is_integer(count))
    end

    test "a plugin that cannot start again leaves no point closed", %{instance: instance} do
      opts = [instance: instance]

      module =
        plugin id: :once do
          hook :around, :owned

          def init(%{starts: starts} = config),
            do: if(:atomics.add_get(starts, 1, 1) == 1, do: {:ok, config}, else: {:error, :no_luck})
        end

      {:ok, :once} = Manager.load_plugin(module, %{starts: :atomics.new(1, [])}, opts)
      assert {:error, %Error{reason: :no_luck}} = Manager.restart_plugin(:once, opts ++ [runs: :wait])
      assert Hook.run(instance, :owned, :anything, & &1) == {:ok, :anything}
      assert_raise ArgumentError, ~r/runs: is/, fn -> Manager.restart_plugin(:once, opts ++ [runs: :no]) end
    end

    defp stop?, do: receive(do: (:stop -> true), after: (0 -> false))
  end
end
