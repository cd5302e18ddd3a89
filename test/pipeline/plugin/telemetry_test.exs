defmodule Pipeline.Plugin.TelemetryTest do
  # With a module `:telemetry` in the VM, which other tests do without.
  use Pipeline.InstanceCase, async: false

  alias Pipeline.Plugin.Telemetry
  alias Pipeline.Plugins.{DataTransformHandler, TelemetryPlugin}

  doctest Telemetry

  setup do
    :ok = Pipeline.TelemetryStandIn.load()
    on_exit(&Pipeline.TelemetryStandIn.unload/0)
  end

  defp attach(events) do
    test = self()
    handler = fn event, measurements, metadata, _ -> send(test, {event, measurements, metadata}) end
    :ok = apply(:telemetry, :attach_many, [make_ref(), events, handler, nil])
  end

  defp attach_metrics do
    attach(Enum.uniq(for {_kind, name, _opts} <- Telemetry.metrics(), do: Enum.drop(name, -1)))
  end

  defp start(instance, telemetry) do
    name = {instance, :telemetry}
    start_supervised!({Manager, name: name, telemetry: telemetry})
    name
  end

  defp hooks do
    plugin id: :hooks, version: "1.2.3" do
      hook :before, :point, fun: :first
      hook :around, :point, native: :retry, config: %{times: 1}
      hook :before, :point, native: :put, config: %{field: :n, value: 1}
      hook :before, :broken, fun: :broken, circuit: [failures: 1, cool_down: 60_000]
      def first(context, next), do: next.(context)
      def broken(%{secret: _} = context, _next), do: Map.fetch!(context, :nothing)
    end
  end

  test "the life of a plugin", %{instance: instance} do
    attach_metrics()
    module = hooks()
    opts = [instance: instance]
    {:ok, :hooks} = Manager.load_plugin(module, %{}, opts)
    about = %{plugin: :hooks, version: "1.2.3", instance: instance}

    assert_received {[:pipeline_plugin, :plugin, :started], %{count: 1, duration: duration}, metadata}
    assert is_integer(duration)
    assert Map.take(metadata, [:plugin, :version, :instance]) == about
    assert %{from: :loading, to: :started, reason: :load} = metadata

    Process.exit(Manager.plugin_info!(:hooks, opts).pid, :kill)
    assert_receive {[:pipeline_plugin, :plugin, :restarted], %{count: 1}, ^about}, 10_000
    {:ok, _} = Manager.upgrade_plugin(:hooks, hooks(), opts)
    assert_received {[:pipeline_plugin, :plugin, :upgraded], %{count: 1}, %{plugin: :hooks}}
    :ok = Manager.disable_plugin(:hooks, opts)
    assert_received {[:pipeline_plugin, :plugin, :stopped], %{count: 1}, %{plugin: :hooks, reason: :disabled}}
    :ok = Manager.unload_plugin(:hooks, opts)
    assert_received {[:pipeline_plugin, :plugin, :unloaded], %{count: 1}, ^about}

    bad =
      plugin id: :bad do
        def init(_config), do: {:error, %{private: "MARKER"}}
      end

    {:error, _} = Manager.load_plugin(bad, %{}, opts)
    assert_received {[:pipeline_plugin, :plugin, :failed], _, %{plugin: :bad} = metadata}
    refute inspect(metadata) =~ "MARKER"
  end

  test "hooks of each run that is sampled, and each failure", %{instance: instance} do
    attach_metrics()
    instance = start(instance, hooks: 1)
    {:ok, :hooks} = Manager.load_plugin(hooks(), %{}, instance: instance)

    # In the runs that are counted too, and in those that are not.
    for _ <- 1..3_000, do: assert({:ok, %{n: 1}} = Hook.run(instance, :point, %{}, & &1))

    told = drain([:pipeline_plugin, :hook, :stop])
    assert length(told) == 3 * 3_000
    by_hook = Enum.frequencies_by(told, fn {_, metadata} -> {metadata.kind, metadata.tier, metadata.fun} end)

    assert by_hook == %{
             {:before, :elixir, :first} => 3_000,
             {:before, :native, nil} => 3_000,
             {:around, :native, nil} => 3_000
           }

    {measurements, metadata} = hd(told)
    assert %{count: 1, duration: duration} = measurements
    assert is_integer(duration)
    assert %{plugin: :hooks, point: :point, outcome: :passed, instance: ^instance} = metadata

    {:error, _} = Hook.run(instance, :broken, %{secret: "MARKER"}, & &1)
    assert_received {[:pipeline_plugin, :hook, :exception], %{count: 1}, metadata}

    assert %{plugin: :hooks, point: :broken, kind: :before, reason: %KeyError{}, stacktrace: [_ | _]} =
             metadata

    refute inspect(metadata, structs: false, limit: :infinity) =~ "MARKER"
    assert_received {[:pipeline_plugin, :circuit, :open], %{count: 1, opened: 1}, circuit}

    assert %{plugin: :hooks, point: :broken, from: :closed, to: :open, reason: :failures, instance: ^instance} =
             circuit
  end

  test "one run in so many", %{instance: instance} do
    attach_metrics()
    instance = start(instance, hooks: 50)

    module =
      plugin id: :one do
        hook :before, :point
      end

    {:ok, :one} = Manager.load_plugin(module, %{}, instance: instance)
    for _ <- 1..20_000, do: {:ok, 1} = Hook.run(instance, :point, 1, & &1)
    # 400 are expected.
    assert length(drain([:pipeline_plugin, :hook, :stop])) in 200..700
  end

  test "without the setting a run has no step more", %{instance: instance} do
    attach_metrics()
    {:ok, :hooks} = Manager.load_plugin(hooks(), %{}, instance: instance)
    {:ok, _} = Hook.run(instance, :point, %{}, & &1)
    refute_received {[:pipeline_plugin, :hook, :stop], _, _}

    # What runs find is what the chain was closed to.
    {_drain, call, around, chain} = published(instance)
    assert {call, around} == {chain.call, chain.around}

    sampled = start(instance, hooks: 2)
    {:ok, :hooks} = Manager.load_plugin(hooks(), %{}, instance: sampled)
    {_drain, call, _around, chain} = published(sampled)
    assert call != chain.call
  end

  # The term of a point may still hold what was there before a change.
  defp published(instance) do
    case :persistent_term.get([instance | :point]) do
      {:pending, _generation, _from, new, _old} -> new
      published -> published
    end
  end

  test "a setting that makes no sense is refused" do
    for telemetry <- [[hooks: 0], [hooks: "1"], [hook: 1]] do
      assert_raise ArgumentError, ~r/telemetry:/, fn ->
        Manager.start_link(name: make_ref(), telemetry: telemetry)
      end
    end
  end

  test "every metric is of an event that is documented, and takes its tags from the metadata" do
    {:docs_v1, _, _, _, %{"en" => doc}, _, _} = Code.fetch_docs(Telemetry)

    for {kind, [:pipeline_plugin | name], options} <- Telemetry.metrics() do
      assert kind in [:counter, :summary]
      assert Enum.all?(options[:tags], &is_atom/1)
      assert is_binary(options[:description])
      assert doc =~ to_string(Enum.at(name, 0))
    end
  end

  test "spans of nodes go through it, without the context", %{instance: instance} do
    attach(for stage <- [:start, :stop, :exception], do: [:pipeline, :node, :execution, stage])
    {:ok, _} = Manager.load_plugins([DataTransformHandler, TelemetryPlugin], instance: instance)
    node = fn fun -> [%{id: :n, type: :transform, config: %{fun: fun}}] end
    {:ok, _} = Pipeline.Runner.run(node.(& &1), 1, instance: instance)

    assert_received {[:pipeline, :node, :execution, :start], %{system_time: _, monotonic_time: _},
                     %{node: :n}}

    assert_received {[:pipeline, :node, :execution, :stop], %{duration: _}, %{node: :n, result: :ok}}

    assert_raise KeyError, fn ->
      Pipeline.Runner.run(node.(&Map.fetch!(&1, :nothing)), %{private: "MARKER"}, instance: instance)
    end

    assert_received {[:pipeline, :node, :execution, :exception], %{duration: _}, metadata}
    assert %{kind: :error, reason: %KeyError{key: :nothing}, stacktrace: [_ | _]} = metadata
    refute inspect(metadata, structs: false, limit: :infinity) =~ "MARKER"
  end

  defp drain(event) do
    receive do
      {^event, measurements, metadata} -> [{measurements, metadata} | drain(event)]
    after
      0 -> []
    end
  end
end
