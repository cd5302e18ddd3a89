defmodule Pipeline.Plugins.TelemetryPluginTest do
  use Pipeline.InstanceCase, async: true

  alias Pipeline.Plugins.{DataTransformHandler, TelemetryPlugin}
  alias Pipeline.Runner

  doctest TelemetryPlugin

  setup %{instance: instance} do
    {:ok, _} = Manager.load_plugins([DataTransformHandler, TelemetryPlugin], instance: instance)
    :ok
  end

  defp run(instance, id, fun),
    do: Runner.run([%{id: id, type: :transform, config: %{fun: fun}}], 1, instance: instance)

  test "emits a span for each node through events, as the host has no :telemetry", %{instance: instance} do
    for stage <- [:start, :stop, :exception] do
      :ok = Pipeline.Events.subscribe([:pipeline, :node, :execution, stage], instance: instance)
    end

    :ok = Pipeline.Events.subscribe([:pipeline, :complete], instance: instance)
    {:ok, _} = run(instance, :good, & &1)

    assert_received {:pipeline_event, [:pipeline, :node, :execution, :start],
                     %{metadata: %{node: :good, type: :transform}}}

    assert_received {:pipeline_event, [:pipeline, :node, :execution, :stop],
                     %{metadata: %{node: :good, result: :ok}, measurements: %{duration: duration}}}

    assert duration > 0
    assert_received {:pipeline_event, [:pipeline, :complete], %{measurements: %{nodes: 1}}}

    assert_raise RuntimeError, "bad", fn -> run(instance, :bad, fn _ -> raise "bad" end) end

    assert_received {:pipeline_event, [:pipeline, :node, :execution, :exception],
                     %{metadata: %{node: :bad, kind: :error, reason: %RuntimeError{}}}}
  end

  test "counts runs and durations per node and outcome, and writes them for Prometheus", %{instance: instance} do
    for _ <- 1..3, do: {:ok, _} = run(instance, :good, & &1)
    assert_raise RuntimeError, fn -> run(instance, "od\"d", fn _ -> raise "bad" end) end

    assert {:ok, counts} = RPC.call(:telemetry, :counts, 5000, instance: instance)
    assert %{{:good, :transform, :ok} => {3, _}, {"od\"d", :transform, :exception} => {1, _}} = counts.nodes
    assert counts.pipelines == 3

    assert {:ok, text} = RPC.call(:telemetry, :prometheus, 5000, instance: instance)
    assert text =~ "# TYPE pipeline_node_executions_total counter\n"
    assert text =~ ~s(pipeline_node_executions_total{node="good",type="transform",outcome="ok"} 3\n)

    assert text =~
             ~S(pipeline_node_executions_total{node="od\"d",type="transform",outcome="exception"} 1) <> "\n"

    assert text =~
             ~r/pipeline_node_duration_seconds_sum{node="good",type="transform",outcome="ok"} \d+\.\d+(e-\d+)?\n/

    assert text =~ ~s(pipeline_node_duration_seconds_count{node="good",type="transform",outcome="ok"} 3\n)
    assert String.ends_with?(text, "pipeline_completions_total 3\n")

    for line <- String.split(text, "\n", trim: true) do
      assert line =~ ~r/^(# (HELP|TYPE) [a-z_]+ .+|[a-z_]+({.+})? [0-9.e-]+)$/
    end
  end

  test "keeps a bounded number of nodes, and the beginning of their ids" do
    alias Pipeline.Plugins.TelemetryPlugin.{Counts, Metric}
    measured = &%{node: &1, type: :any, outcome: &2, microseconds: 1}
    shared = Enum.reduce(1..40, 1, fn _, inner -> {inner, inner} end)
    large = [shared, String.duplicate("x", 10_000_000), Integer.pow(7, 1_000_000), <<255, 0::80_000>>]

    counts =
      for id <- large ++ Enum.to_list(1..5_000), outcome <- [:ok, :error], reduce: Counts.new() do
        counts -> Counts.add_node(counts, measured.(id, outcome))
      end

    assert map_size(counts.nodes) == 1_002
    assert {4_504, 4_504} = counts.nodes[{:other_nodes, :other_nodes, :ok}]
    assert :erts_debug.flat_size(counts) < 100_000
    assert counts |> Counts.metrics() |> Metric.expose(:prometheus) |> byte_size() < 1_000_000
  end

  test "answers an unknown request with an error", %{instance: instance} do
    assert RPC.call(:telemetry, :nonsense, 5000, instance: instance) ==
             {:error, {:unknown_request, :nonsense}}
  end
end
