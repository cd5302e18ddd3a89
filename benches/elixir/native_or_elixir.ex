defmodule Bench.NativeOrElixir do
  @moduledoc "From where on native hooks win, as sentences made of the points."

  # Figure, the native series, the one in Elixir, and what is counted along the x axis.
  @comparisons [
    {"dispatch", "Hook.run, native hooks, fused", "Hook.run, Elixir hooks",
     "trivial hooks next to each other"},
    {"dispatch", "Hook.run, native hooks, fused", "best in Elixir: closures, a try each",
     "trivial hooks next to each other"},
    {"dispatch", "Hook.run, native hooks, fused", "the original document's Hook.Manager",
     "trivial hooks next to each other"},
    {"work-redact", "native hook: redact", "Elixir hook: Regex, four times", "bytes of text to redact"},
    {"work-fields", "native hook: drop", "Elixir hook: Map.drop", "fields to drop"}
  ]

  @spec sentences([Bench.Points.point()]) :: [String.t()]
  def sentences(points) do
    for {figure, native, elixir, what} <- @comparisons,
        ratios = ratios(points, figure, native, elixir),
        ratios != [] do
      "- **#{what}**, native (`#{native}`) against `#{elixir}`: #{sentence(ratios)}."
    end
  end

  # In the order of the x axis.
  defp ratios(points, figure, native, elixir) do
    by_place = fn series ->
      for %{figure: ^figure, series: ^series} = point <- points, into: %{}, do: {point.x, point.median}
    end

    references = by_place.(elixir)

    for {x, time} <- Enum.sort(by_place.(native)), reference = references[x], do: {trunc(x), time / reference}
  end

  defp sentence([{least, first} | _] = ratios) do
    {most, last} = List.last(ratios)
    extremes = "#{ratio(first)} of its time at #{least}, #{ratio(last)} at #{most}"

    # It has overtaken where it stays ahead.
    case ratios |> Enum.reverse() |> Enum.take_while(fn {_, ratio} -> ratio < 1 end) |> List.last() do
      nil -> "loses at every size measured (#{extremes})"
      {^least, _} -> "wins at every size measured (#{extremes})"
      {from, at} -> "loses below #{from}, wins from there on (#{ratio(at)}; #{extremes})"
    end
  end

  defp ratio(ratio) when ratio < 0.095, do: :erlang.float_to_binary(ratio, decimals: 3)
  defp ratio(ratio), do: :erlang.float_to_binary(ratio, decimals: 2)
end
