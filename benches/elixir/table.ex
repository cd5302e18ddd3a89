defmodule Bench.Table do
  @moduledoc "Rows as a Markdown table."

  @spec render([map]) :: String.t()
  def render([]), do: ""

  def render(rows) do
    header = ["what", "against", "ratio", "10–90 %", "median", "against", "target", "verdict"]
    cells = [header | Enum.map(rows, &cells/1)]

    widths =
      cells
      |> Enum.zip_with(& &1)
      |> Enum.map(fn column -> column |> Enum.map(&String.length/1) |> Enum.max() end)

    [header | body] = for row <- cells, do: line(row, widths)
    rule = "|" <> Enum.map_join(widths, "|", &String.duplicate("-", &1 + 2)) <> "|"
    Enum.join([header, rule | body], "\n")
  end

  defp line(row, widths) do
    "| " <>
      (row
       |> Enum.zip(widths)
       |> Enum.map_join(" | ", fn {cell, width} -> String.pad_trailing(cell, width) end)) <> " |"
  end

  defp cells(row) do
    ratio = row.subject / row.reference

    [
      row.what,
      row.against,
      ratio(ratio),
      "#{ratio(row.low)}–#{ratio(row.high)}",
      duration(row.subject),
      duration(row.reference),
      if(row.target, do: "≤ #{row.target}", else: ""),
      verdict(ratio, row)
    ]
  end

  defp verdict(_ratio, %{target: nil}), do: ""

  defp verdict(ratio, %{target: target, low: low, high: high}) do
    verdict = if ratio <= target, do: "met", else: "missed"
    if low <= target and target < high, do: verdict <> ", range spans it", else: verdict
  end

  defp ratio(ratio) when ratio < 0.1, do: :erlang.float_to_binary(ratio * 1.0, decimals: 4)
  defp ratio(ratio), do: :erlang.float_to_binary(ratio * 1.0, decimals: 2)

  defp duration(ns) when ns < 1_000, do: rounded(ns, "ns")
  defp duration(ns) when ns < 1_000_000, do: rounded(ns / 1_000, "µs")
  defp duration(ns) when ns < 1_000_000_000, do: rounded(ns / 1_000_000, "ms")
  defp duration(ns), do: rounded(ns / 1_000_000_000, "s")

  defp rounded(value, unit) when value < 10,
    do: :erlang.float_to_binary(value * 1.0, decimals: 2) <> " " <> unit

  defp rounded(value, unit), do: :erlang.float_to_binary(value * 1.0, decimals: 1) <> " " <> unit
end
