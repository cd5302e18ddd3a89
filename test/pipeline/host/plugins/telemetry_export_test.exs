defmodule Pipeline.Plugins.TelemetryExportTest do
  use Pipeline.InstanceCase, async: true

  alias Pipeline.Plugins.TelemetryPlugin
  alias Pipeline.Plugins.TelemetryPlugin.{Metric, Statsd}

  # Its name has everything that a label has to escape.
  @other {:tenant, "a\"b\\c\nd|e,f"}

  setup %{instance: instance} do
    other = {instance, @other}
    start_supervised!({Manager, name: other})

    module =
      plugin id: :busy, version: "1.0.0" do
        hook :before, :busy_point, fun: :twice
        # Two of one name.
        hook :before, :busy_point, native: :put, config: %{field: :n, value: 1}
        hook :before, :busy_point, native: :put, config: %{field: :m, value: 1}
        def twice(context, next), do: next.(context)
      end

    for of <- [instance, other], do: {:ok, :busy} = Manager.load_plugin(module, %{}, instance: of)
    {:ok, other: other}
  end

  defp run(instance, times), do: for(_ <- 1..times, do: {:ok, _} = Hook.run(instance, :busy_point, %{}, & &1))

  defp expose(instance, format) do
    {:ok, text} = RPC.call(:telemetry, format, 60_000, instance: instance)
    text
  end

  test "Prometheus and OpenMetrics: every point of every instance", %{instance: instance, other: other} do
    {:ok, :telemetry} = Manager.load_plugin(TelemetryPlugin, %{}, instance: instance)
    run(instance, 3)
    run(other, 5)

    for {format, version} <- [prometheus: "0.0.4", openmetrics: "1.0"] do
      text = expose(instance, format)
      samples = parse!(text, version)
      of = &label/1

      assert [{_, 3.0}] =
               find(samples, "pipeline_point_runs_total", instance: of.(instance), point: "busy_point")

      assert [{_, 5.0}] =
               find(samples, "pipeline_point_runs_total", instance: of.(other), point: "busy_point")

      assert [_, _, _] =
               find(samples, "pipeline_hook_runs_total",
                 instance: of.(other),
                 plugin: "busy",
                 point: "busy_point"
               )

      assert [{_, 1.0}] =
               find(samples, "pipeline_plugin_state", instance: of.(other), plugin: "busy", state: "started")

      assert find(samples, "pipeline_point_duration_seconds", instance: of.(other), quantile: "0.99") != []
      assert [{_, none}] = find(samples, "pipeline_completions_total", [])
      assert none == 0.0
      check_with_prometheus_client(text, format)
    end
  end

  test "StatsD: what is new, tagged, in few packets", %{instance: instance, other: other} do
    {:ok, server} = :gen_udp.open(0, [:binary, active: true, ip: {127, 0, 0, 1}])
    {:ok, port} = :inet.port(server)
    run(instance, 2)

    config = %{statsd: %{"port" => port, prefix: "shop", interval: 3_600_000, tags: %{env: "te|st"}}}
    {:ok, :telemetry} = Manager.load_plugin(TelemetryPlugin, config, instance: instance)
    run(other, 7)
    {:ok, :ok} = RPC.call(:telemetry, :flush, 60_000, instance: instance)
    lines = lines(server)

    tags = "env:te_st,instance:#{clean(other)},point:busy_point"
    assert "shop.point.runs:7|c|##{tags}" in lines
    # What was counted before it came is not new.
    refute Enum.any?(
             lines,
             &(&1 =~ "shop.point.runs:2|c" and &1 =~ "instance:#{clean(instance)},point:busy_point")
           )

    assert Enum.any?(lines, &(&1 =~ "shop.hook.runs:" and &1 =~ "#{tags},plugin:busy,kind:before,hook:twice"))
    assert Enum.any?(lines, &(&1 =~ ~r/^shop\.point\.duration\.p99:\d+\.\d+\|g\|#/ and &1 =~ tags))

    for line <- lines, do: assert(line =~ ~r/^shop\.[a-z_.0-9]+:\d+(\.\d+)?\|[cg]\|#[^|#\s]+$/, line)

    # Nothing is counted twice, and what is left is sent at the end.
    run(other, 4)
    :ok = Manager.unload_plugin(:telemetry, instance: instance)
    assert "shop.point.runs:4|c|##{tags}" in lines(server)
  end

  test "StatsD: a timer sends, and a server that is not there harms nobody", %{
    instance: instance,
    other: other
  } do
    {:ok, server} = :gen_udp.open(0, [:binary, active: true, ip: {127, 0, 0, 1}])
    {:ok, port} = :inet.port(server)
    config = %{statsd: %{port: port, interval: 20}}
    {:ok, :telemetry} = Manager.load_plugin(TelemetryPlugin, config, instance: instance)
    run(other, 1)
    assert_receive {:udp, ^server, {127, 0, 0, 1}, _port, _packet}, 30_000
    :gen_udp.close(server)
    {:ok, :ok} = RPC.call(:telemetry, :flush, 60_000, instance: instance)
    {:ok, :ok} = RPC.call(:telemetry, :flush, 60_000, instance: instance)
    assert %{state: :started} = Manager.plugin_info!(:telemetry, instance: instance)

    {:error, error} =
      Manager.load_plugin(TelemetryPlugin, %{statsd: %{host: "no.such.host.invalid"}}, instance: other)

    assert %Error{step: :init, reason: {:statsd, "no.such.host.invalid", :nxdomain}} = error
  end

  test "packets hold as many lines as fit" do
    lines = for n <- 1..100, do: String.duplicate("x", 50) <> "#{n}"
    packets = Statsd.packets(lines)
    assert Enum.flat_map(packets, &String.split(&1, "\n")) == lines
    assert Enum.all?(packets, &(byte_size(&1) <= 1_432))
    assert length(packets) == 4
    assert Statsd.packets([]) == []
    long = String.duplicate("y", 2_000)
    assert Statsd.packets(["a", long, "b"]) == ["a", long, "b"]
  end

  defp lines(server) do
    receive do
      {:udp, ^server, _address, _port, packet} ->
        assert byte_size(packet) <= 1_432
        String.split(packet, "\n") ++ lines(server)
    after
      500 -> []
    end
  end

  defp clean(instance), do: instance |> Metric.text() |> String.replace(~r/[|#,:@\s]/u, "_")
  defp label(instance), do: Metric.text(instance)

  defp find(samples, name, labels) do
    for {^name, of, value} <- samples,
        Enum.all?(labels, fn {l, v} -> of[to_string(l)] == v end),
        do: {of, value}
  end

  # The grammar of the text format, strictly: each line, the metadata before the samples, no sample twice.
  defp parse!(text, version) do
    assert String.ends_with?(text, "\n")
    lines = text |> String.trim_trailing("\n") |> String.split("\n")
    {lines, ended} = if version == "1.0", do: Enum.split(lines, -1), else: {lines, []}
    assert ended == if(version == "1.0", do: ["# EOF"], else: [])
    name = "[a-zA-Z_:][a-zA-Z0-9_:]*"
    label = ~S'[a-zA-Z_][a-zA-Z0-9_]*="(?:[^"\\]|\\\\|\\"|\\n)*"'
    number = ~S"-?[0-9]+(?:\.[0-9]+)?(?:e-?[0-9]+)?"

    sample =
      Regex.compile!("\\A(" <> name <> ")(?:{(" <> label <> "(?:," <> label <> ")*)})? (" <> number <> ")\\z")

    {samples, _family} =
      Enum.reduce(lines, {[], nil}, fn line, {samples, family} ->
        case String.split(line, " ", parts: 4) do
          ["#", "HELP", of, _help] ->
            {samples, of}

          ["#", "TYPE", ^family, type] ->
            assert type in ["counter", "gauge", "summary"]
            {samples, family}

          _ ->
            assert [_, of, labels, value] = Regex.run(sample, line), "no sample: #{line}"

            assert String.starts_with?(of, String.replace_suffix(family, "_total", "")),
                   "#{of} stands in #{family}"

            labels =
              for [_, l, v] <- Regex.scan(~r/([a-zA-Z_]+)="((?:[^"\\]|\\.)*)"/, labels),
                  into: %{},
                  do: {l, unescape(v)}

            {value, ""} = Float.parse(value)
            {[{of, labels, value} | samples], family}
        end
      end)

    keys = for {of, labels, _} <- samples, do: {of, labels}
    assert keys == Enum.uniq(keys)
    samples
  end

  defp unescape(text), do: Regex.replace(~r/\\(.)/, text, fn _, c -> if c == "n", do: "\n", else: c end)

  # The parser of Prometheus' own Python client, where it is installed (`bin/verify exposition` installs it).
  defp check_with_prometheus_client(text, format) do
    python = System.get_env("PIPELINE_PROMETHEUS_PYTHON") || System.find_executable("python3")

    if python &&
         match?({_, 0}, System.cmd(python, ["-c", "import prometheus_client"], stderr_to_stdout: true)) do
      module =
        if format == :openmetrics,
          do: "prometheus_client.openmetrics.parser",
          else: "prometheus_client.parser"

      path = Path.join(System.tmp_dir!(), "exposition-#{System.unique_integer([:positive])}.txt")
      File.write!(path, text)

      program = """
      import sys
      from #{module} import text_string_to_metric_families
      families = list(text_string_to_metric_families(open(sys.argv[1], newline='').read()))
      assert sum(len(family.samples) for family in families) > 10
      print(len(families))
      """

      assert {_, 0} = System.cmd(python, ["-c", program, path], stderr_to_stdout: true)
      File.rm!(path)
    else
      if System.get_env("PIPELINE_PROMETHEUS_PYTHON"), do: flunk("prometheus_client is not installed")
    end
  end
end
