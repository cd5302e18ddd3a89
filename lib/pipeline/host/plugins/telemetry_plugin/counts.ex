defmodule Pipeline.Plugins.TelemetryPlugin.Counts do
  @moduledoc false
  # Counts the executions of nodes by outcome, their time, and the completed pipelines.
  #
  # Ids of nodes come from whoever writes pipelines. Counts are kept for so many nodes and outcomes; all others share
  # one count for each outcome. A large id is kept as the beginning of its text.

  alias Pipeline.CopiedSize
  alias Pipeline.Plugins.TelemetryPlugin.Metric

  @most 1_000
  @others :other_nodes
  # Bytes of an id.
  @id 256

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
    key = key(counts.nodes, {id(measured.node), measured.type, measured.outcome})
    {count, total} = Map.get(counts.nodes, key, {0, 0})
    %{counts | nodes: Map.put(counts.nodes, key, {count + 1, total + measured.microseconds})}
  end

  defp key(nodes, key) when is_map_key(nodes, key) or map_size(nodes) < @most, do: key
  defp key(_nodes, {_id, _type, outcome}), do: {@others, @others, outcome}

  defp id(id) do
    if CopiedSize.within?(id, @id), do: id, else: id |> Metric.text() |> String.slice(0, 64)
  end

  @spec add_pipeline(t) :: t
  def add_pipeline(%__MODULE__{} = counts), do: %{counts | pipelines: counts.pipelines + 1}

  @spec metrics(t) :: [Metric.t()]
  def metrics(%__MODULE__{} = counts) do
    nodes =
      for {{node, type, outcome}, counted} <- Enum.sort(counts.nodes),
          do: {[node: node, type: type, outcome: outcome], counted}

    [
      %Metric{
        name: "pipeline_node_executions",
        help: "Executions of nodes.",
        type: :counter,
        samples: for({labels, {count, _}} <- nodes, do: {"_total", labels, count})
      },
      %Metric{
        name: "pipeline_node_duration_seconds",
        help: "Time in nodes, hooks inside the span included.",
        type: :summary,
        samples:
          Enum.flat_map(nodes, fn {labels, {count, microseconds}} ->
            [{"_sum", labels, microseconds / 1_000_000}, {"_count", labels, count}]
          end)
      },
      %Metric{
        name: "pipeline_completions",
        help: "Pipelines that ran to their end.",
        type: :counter,
        samples: [{"_total", [], counts.pipelines}]
      }
    ]
  end
end
