defmodule Pipeline.Plugins.TelemetryPlugin.Metric do
  @moduledoc false
  # A metric with its samples, and the text in which Prometheus scrapes metrics: its own format of version 0.0.4, or
  # OpenMetrics 1.0, which names counters without `_total` and ends with a line that says so.

  # Bytes of a text that is a label's value as it is.
  @text 1_000

  @enforce_keys [:name, :help, :type, :samples]
  defstruct [:name, :help, :type, :samples]

  @typedoc "A part of a metric: what its name ends with, its labels and its value."
  @type sample :: {suffix :: String.t(), labels :: [{atom, term}], number}

  @type t :: %__MODULE__{
          name: String.t(),
          help: String.t(),
          type: :counter | :gauge | :summary,
          samples: [sample]
        }

  @type format :: :prometheus | :openmetrics

  @spec expose([t], format) :: String.t()
  def expose(metrics, format) do
    ended = if format == :openmetrics, do: "# EOF\n", else: ""
    IO.iodata_to_binary([Enum.map(metrics, &metric(&1, format)), ended])
  end

  defp metric(%__MODULE__{} = metric, format) do
    name =
      if metric.type == :counter and format == :prometheus, do: metric.name <> "_total", else: metric.name

    [
      ["# HELP ", name, " ", escape(metric.help), "\n"],
      ["# TYPE ", name, " ", Atom.to_string(metric.type), "\n"],
      for(
        {suffix, labels, value} <- metric.samples,
        do: [metric.name, suffix, labels(labels), " ", number(value), "\n"]
      )
    ]
  end

  defp labels([]), do: []

  defp labels(labels) do
    pairs = for {label, value} <- labels, do: [Atom.to_string(label), "=\"", escape(text(value)), "\""]
    ["{", Enum.intersperse(pairs, ","), "}"]
  end

  @doc "A label's value as one line of text."
  @spec text(term) :: String.t()
  def text(nil), do: ""
  def text(value) when is_atom(value), do: value |> Atom.to_string() |> String.replace_prefix("Elixir.", "")
  def text(value) when is_binary(value) and byte_size(value) > @text, do: Pipeline.Foreign.term(value)
  def text(value) when is_binary(value), do: if(String.valid?(value), do: value, else: inspect(value))
  def text(value) when is_float(value), do: number(value)
  def text(value), do: Pipeline.Foreign.term(value)

  defp number(value) when is_integer(value), do: Integer.to_string(value)
  defp number(value), do: Float.to_string(value)

  defp escape(text) do
    text |> String.replace("\\", "\\\\") |> String.replace("\"", "\\\"") |> String.replace("\n", "\\n")
  end
end
