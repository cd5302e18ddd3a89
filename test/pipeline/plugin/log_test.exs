defmodule Pipeline.Plugin.LogTest do
  # What happens to plugins leaves log lines with the plugin, its instance and its version.
  use Pipeline.InstanceCase, async: true

  import ExUnit.CaptureLog

  alias Pipeline.Instance.Names

  # The lines of this instance alone, without what stands before the metadata.
  defp lines(instance, fun) do
    log = capture_log([metadata: [:plugin, :instance, :version], format: "$metadata[$level] $message\n"], fun)
    mark = "instance=#{instance} "
    for line <- String.split(log, "\n"), String.contains?(line, mark), do: String.replace(line, mark, "")
  end

  defp plain(id) do
    name = :"Elixir.Pipeline.TestPlugin#{System.unique_integer([:positive])}"
    on_exit(fn -> Pipeline.InstanceCase.remove(name) end)
    Pipeline.InstanceCase.define(name, [id: id, version: "1.2.3"], quote(do: use(Pipeline.Reporter)), __ENV__)
    name
  end

  test "loading, disabling, enabling, holding, upgrading and unloading", %{instance: instance} do
    module = plain(:plain)
    newer = plain(:plain)
    opts = [instance: instance]

    assert lines(instance, fn ->
             {:ok, :plain} = Manager.load_plugin(module, %{}, opts)
             :ok = Manager.disable_plugin(:plain, opts)
             {:ok, :started} = Manager.enable_plugin(:plain, opts)
             {:ok, _} = Manager.upgrade_plugin(:plain, newer, opts)
             :ok = Manager.hold_plugin(:plain, opts)
             :ok = Manager.unload_plugin(:plain, opts)
           end) == [
             "plugin=plain version=1.2.3 [info] plugin :plain 1.2.3 is loaded",
             "plugin=plain version=1.2.3 [info] plugin :plain is disabled",
             "plugin=plain version=1.2.3 [info] plugin :plain is enabled and runs",
             "plugin=plain version=1.2.3 [info] plugin :plain is upgraded from 1.2.3",
             "plugin=plain version=1.2.3 [info] plugin :plain is held",
             "plugin=plain version=1.2.3 [info] plugin :plain is unloaded"
           ]
  end

  test "an operator's word on hooks", %{instance: instance} do
    hooked =
      plugin id: :hooked do
        hook :before, :step do
          def step(context, next), do: next.(context)
        end
      end

    opts = [instance: instance]

    assert lines(instance, fn ->
             {:ok, :hooked} = Manager.load_plugin(hooked, %{}, [hooks: %{step: [enabled: false]}] ++ opts)
             :ok = Manager.configure_hook(:hooked, :step, [priority: 90] ++ opts)
             :ok = Manager.configure_hook(:hooked, :step, [priority: nil, enabled: nil] ++ opts)
           end) == [
             "plugin=hooked version=1.0.0 [info] plugin :hooked 1.0.0 is loaded, its hooks overridden on :step (enabled: false)",
             "plugin=hooked version=1.0.0 [info] plugin :hooked has its hooks overridden on :step (enabled: false, priority: 90)",
             "plugin=hooked version=1.0.0 [info] plugin :hooked has its hooks on :step as it declares them"
           ]
  end

  test "a restart", %{instance: instance} do
    {:ok, :plain} = Manager.load_plugin(plain(:plain), %{test: self()}, instance: instance)
    :ok = Events.subscribe(self(), :plugin_restarted, instance: instance)

    assert "plugin=plain version=1.2.3 [warning] plugin :plain was restarted" in lines(instance, fn ->
             Process.exit(Names.whereis(instance, {:plugin, :plain}), :kill)
             assert_receive {:pipeline_event, {:plugin, :plugin_restarted}, _}
           end)
  end

  @tag restart: [max: 0, backoff: [min: 3_600_000, max: 3_600_000]]
  test "a plugin that has failed, and one that is held for want of it", %{instance: instance} do
    {:ok, :base} = Manager.load_plugin(plain(:base), %{}, instance: instance)

    needy =
      plugin id: :needy do
        depends_on(:base)
      end

    {:ok, :needy} = Manager.load_plugin(needy, %{}, instance: instance)
    :ok = Events.subscribe(self(), :plugin_failed, instance: instance)

    lines =
      lines(instance, fn ->
        Process.exit(Names.whereis(instance, {:plugin, :base}), :kill)
        assert_receive {:pipeline_event, {:plugin, :plugin_failed}, %{id: :base}}
      end)

    assert Enum.any?(lines, &(&1 =~ "plugin=base version=1.2.3 [error] plugin :base has failed: it crashed"))

    assert "plugin=needy version=1.0.0 [error] plugin :needy is held, since it needs :base; it starts again when that runs" in lines
  end

  test "plugins that are refused at boot", %{instance: instance} do
    name = :"#{instance} boot"

    failing =
      plugin id: :failing do
        @impl Pipeline.Plugin
        def init(_config), do: {:error, :no_disk}
      end

    needy =
      plugin id: :needy do
        depends_on(:nobody)
      end

    lines =
      lines(name, fn ->
        start_supervised!({Manager, name: name, plugins: [No.Such, failing, needy], restart: stay_failed()},
          id: name
        )
      end)

    assert Enum.any?(lines, &(&1 =~ "[error] could not load No.Such (step validate): there is no module"))
    assert Enum.any?(lines, &(&1 =~ "plugin=failing version=1.0.0 [error] could not load plugin :failing"))
    assert Enum.any?(lines, &(&1 =~ "plugin=needy version=1.0.0 [error] could not load plugin :needy"))
  end

  test "a hook that fails and is skipped, once in a while, without the context", %{instance: instance} do
    skipped =
      plugin id: :skipped, version: "2.0.0" do
        hook :before, :step, on_error: :skip do
          def step(context, _next), do: Map.fetch!(context, :missing)
        end
      end

    {:ok, :skipped} = Manager.load_plugin(skipped, %{}, instance: instance)

    log =
      lines(instance, fn ->
        for _ <- 1..100, do: {:ok, _} = Hook.run(instance, :step, %{secret: "s3cret"}, & &1)
      end)

    assert [line] = log

    assert line =~
             "plugin=skipped version=2.0.0 [warning] the :before hook of plugin :skipped on :step fails and is skipped: it raised KeyError in "

    refute line =~ "s3cret"
    assert %{skips: 100} = Hook.stats(:step, instance: instance)
  end

  test "a circuit that opens", %{instance: instance} do
    failing =
      plugin id: :failing, version: "3.0.0" do
        hook :before, :step, circuit: [failures: 1, window: 60_000, cool_down: 60_000] do
          def step(_context, _next), do: raise("no")
        end
      end

    {:ok, :failing} = Manager.load_plugin(failing, %{}, instance: instance)
    log = lines(instance, fn -> Hook.run(instance, :step, %{}, & &1) end)

    assert [
             "plugin=failing version=3.0.0 [warning] the circuit of the :before hook of plugin :failing on :step is open" <>
               _
           ] = log
  end
end
