defmodule DocumentPipeline.Report do
  @moduledoc "Prints what the demo does, for a person to read."

  alias DocumentPipeline.Table

  @doc "Prints a heading."
  def heading(text), do: IO.puts(["\n", IO.ANSI.format([:bright, text]), "\n"])

  @doc "Prints the plugins that discovery found, none of which is loaded."
  def found(found) do
    heading("Plugins found in BEAM files, none loaded yet")

    found
    |> Enum.map(fn %{manifest: manifest, path: path} ->
      [name(manifest.id), manifest.version, dependencies(manifest), Path.relative_to_cwd(path)]
    end)
    |> Table.print(["id", "version", "depends on", "file"])
  end

  @doc "Prints the order in which plugins load."
  def waves(waves) do
    heading("Load order; plugins of one wave do not wait for each other")

    for {wave, number} <- Enum.with_index(waves, 1) do
      IO.puts("  #{number}. #{Enum.map_join(wave, ", ", &name/1)}")
    end
  end

  @doc "Prints the plugins that are loaded."
  def plugins(plugins) do
    heading("Plugins loaded")

    plugins
    |> Enum.map(fn info ->
      [name(info.id), info.version, to_string(info.state), capabilities(info), dependencies(info)]
    end)
    |> Table.print(["id", "version", "state", "capabilities", "depends on"])
  end

  @doc "Prints the chains of all hook points, in the order in which they run."
  def chains do
    heading("Hook chains, in the order in which they run")

    rows =
      for point <- Pipeline.Hook.points(), hook <- Pipeline.Hook.chain(point) do
        [inspect(point), to_string(hook.kind), name(hook.plugin), to_string(hook.priority), tier(hook)]
      end

    rows |> group_first() |> Table.print(["point", "kind", "plugin", "priority", "tier"])
  end

  @doc "Prints which document is run."
  def document(path, text) do
    heading("Running #{Path.relative_to_cwd(path)} (#{byte_size(text)} bytes)")
  end

  @doc "Prints the result of a run and the time of each node."
  def run(run) do
    redacted = count(run, "[REDACTED]")
    IO.puts(wrap(run.results.summary))
    IO.puts("\n  #{tokens(run)}, #{redacted} redacted\n")

    run.timings
    |> Enum.map(fn timing ->
      [name(timing.node), to_string(timing.type), milliseconds(timing.microseconds)]
    end)
    |> Table.print(["node", "type", "time"])
  end

  @doc "Prints that a plugin was loaded, with what it brought."
  def loaded(id) do
    info = Pipeline.Plugin.Manager.plugin_info!(id)
    IO.puts("  loaded #{name(id)} #{info.version}: #{info.description |> String.split("\n\n") |> hd()}\n")

    hooks =
      for point <- Pipeline.Hook.points(), hook <- Pipeline.Hook.chain(point), hook.plugin == id, do: hook

    hooks
    |> Enum.map(&[inspect(&1.point), to_string(&1.kind), to_string(&1.priority), tier(&1)])
    |> Table.print(["point", "kind", "priority", "tier"])
  end

  @doc "Prints what changed from one run to the next."
  def difference(before, now) do
    IO.puts("")

    Table.print(
      [
        ["redacted", count(before, "[REDACTED]"), count(now, "[REDACTED]")],
        ["links taken out", count(before, "[LINK]"), count(now, "[LINK]")],
        ["tokens", before.results.tokens.tidy, now.results.tokens.tidy],
        ["reading time", "-", Map.get(now.results, :reading_time, "-")]
      ]
      |> Enum.map(fn row -> Enum.map(row, &to_string/1) end),
      ["", "without", "with"]
    )
  end

  @doc "Prints that the plugin is gone, and whether the run is the first one again."
  def unloaded(id, first, third) do
    same? = Map.delete(first, :timings) == Map.delete(third, :timings)

    verdict =
      if same?, do: "the result is that of the first run again", else: "the result differs from the first run"

    IO.puts("\n  unloaded #{name(id)}: #{verdict}")
  end

  @doc "Prints the first lines of the metrics."
  def metrics(text) do
    heading("What the telemetry plugin counted, for Prometheus")
    text |> String.split("\n") |> Enum.filter(&String.starts_with?(&1, "pipeline_node_executions")) |> lines()
  end

  defp lines(lines), do: for(line <- lines, do: IO.puts("  " <> line))

  defp tokens(%{results: %{tokens: tokens}}) do
    "#{tokens.tidy} tokens in the document, #{tokens.summary} in the summary"
  end

  defp count(run, mark), do: length(String.split(run.results.tidy, mark)) - 1

  defp milliseconds(microseconds), do: :erlang.float_to_binary(microseconds / 1000, decimals: 2) <> " ms"

  defp tier(%{tier: :elixir}), do: "elixir"

  defp tier(%{tier: :native, native: {_library, name}, cost: cost, segment: segment}) do
    "native #{name} (#{cost}, call #{segment})"
  end

  defp capabilities(%{capabilities: capabilities}) do
    Enum.map_join(capabilities, ", ", fn
      {name, values} when is_list(values) and values != [] ->
        if Keyword.keyword?(values),
          do: to_string(name),
          else: "#{name}(#{Enum.map_join(values, " ", &to_string/1)})"

      {name, _value} ->
        to_string(name)
    end)
  end

  defp dependencies(%{dependencies: []}), do: "-"

  defp dependencies(%{dependencies: dependencies}) do
    Enum.map_join(dependencies, ", ", fn {target, opts} ->
      target = with {:capability, capability} <- target, do: "any #{name(capability)}"
      [name(target), opts[:version]] |> Enum.reject(&is_nil/1) |> Enum.join(" ")
    end)
  end

  # An atom that is read from a file may be unknown to the VM.
  defp name({:unknown_atom, name}), do: name
  defp name(id) when is_binary(id), do: id
  defp name(id), do: to_string(id)

  # A repeated first cell says nothing.
  defp group_first(rows) do
    {rows, _} =
      Enum.map_reduce(rows, nil, fn [first | rest], last ->
        {[if(first == last, do: "", else: first) | rest], first}
      end)

    rows
  end

  defp wrap(text) do
    text
    |> String.split()
    |> Enum.reduce([], fn
      word, [] -> [word]
      word, [line | lines] when byte_size(line) + byte_size(word) < 96 -> [line <> " " <> word | lines]
      word, lines -> [word | lines]
    end)
    |> Enum.reverse()
    |> Enum.map_join("\n", &("  " <> &1))
  end
end
