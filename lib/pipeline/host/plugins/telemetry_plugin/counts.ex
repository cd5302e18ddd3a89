defmodule Pipeline.Plugins.TelemetryPlugin.Counts do
  @moduledoc false
  # Counts the executions of nodes by outcome, their time, and the completed pipelines.

  defstruct nodes: %{}, pipelines: 0

  @type t :: %__MODULE__{
          nodes: %{
            {node :: term, type :: atom, outcome :: atom} => {count :: pos_integer, microseconds :: integer}
          },
          pipelines: non_neg_integer
        }

  @spec new() :: t
  def new, do: %__MODULE__{}

  @spec add_node(t, %{node: term, type: atom, outcome: atom, microseconds: integer}) :: t
  def add_node(%__MODULE__{} = counts, measured) do
    key = {measured.node, measured.type, measured.outcome}
    {count, total} = Map.get(counts.nodes, key, {0, 0})
    %{counts | nodes: Map.put(counts.nodes, key, {count + 1, total + measured.microseconds})}
  end

  @spec add_pipeline(t) :: t
  def add_pipeline(%__MODULE__{} = counts), do: %{counts | pipelines: counts.pipelines + 1}

  @doc """
  The [text format](https://prometheus.io/docs/instrumenting/exposition_formats/) of Prometheus, version
  0.0.4.
  """
  @spec to_prometheus(t) :: String.t()
  def to_prometheus(%__MODULE__{} = counts) do
    nodes = Enum.sort(counts.nodes)

    IO.iodata_to_binary([
      head("pipeline_node_executions_total", "Executions of nodes.", "counter"),
      for({key, {count, _}} <- nodes, do: line("pipeline_node_executions_total", key, count)),
      head("pipeline_node_duration_seconds", "Time in nodes, hooks inside the span included.", "summary"),
      for {key, {count, microseconds}} <- nodes do
        [
          line("pipeline_node_duration_seconds_sum", key, microseconds / 1_000_000),
          line("pipeline_node_duration_seconds_count", key, count)
        ]
      end,
      head("pipeline_completions_total", "Pipelines that ran to their end.", "counter"),
      ["pipeline_completions_total ", Integer.to_string(counts.pipelines), "\n"]
    ])
  end

  defp head(name, help, type), do: ["# HELP ", name, " ", help, "\n# TYPE ", name, " ", type, "\n"]

  defp line(name, {node, type, outcome}, value) do
    labels =
      Enum.map_intersperse([node: node, type: type, outcome: outcome], ",", fn {label, value} ->
        [Atom.to_string(label), "=\"", escape(text(value)), "\""]
      end)

    [name, "{", labels, "} ", to_string(value), "\n"]
  end

  defp text(value) when is_atom(value) or is_binary(value), do: to_string(value)
  defp text(value), do: Pipeline.Foreign.term(value)

  defp escape(text) do
    text |> String.replace("\\", "\\\\") |> String.replace("\"", "\\\"") |> String.replace("\n", "\\n")
  end
end
