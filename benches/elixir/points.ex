defmodule Bench.Points do
  @moduledoc """
  What figures are drawn of: points, each measured beside the others of its place on the x axis.

  As text, a line for each with tabs between figure, series, place, median, and the lowest and the highest tenth.
  """

  alias Bench.{Effort, Pair}

  @type point :: %{
          figure: String.t(),
          series: String.t(),
          x: number,
          median: float,
          low: float,
          high: float
        }

  @doc """
  Measures sides in turns, beginning with another one each round. Takes the options `:rounds` and `:times` of
  `Bench.Pair.row/3`, and `:per`.
  """
  @spec measure(String.t(), number, [{String.t(), Pair.side()}], keyword) :: [point]
  def measure(figure, x, sides, opts \\ []) do
    fn -> rounds(sides, opts) end
    |> Task.async()
    |> Task.await(:infinity)
    |> points(figure, x)
  end

  @doc "Points of rounds that were measured in another way: a list of values by name."
  @spec points([{String.t(), number}], String.t(), number) :: [point]
  def points(values, figure, x) do
    names = values |> Enum.map(&elem(&1, 0)) |> Enum.uniq()

    for name <- names do
      measured = for {^name, value} <- values, do: value

      %{
        figure: figure,
        series: name,
        x: x,
        median: Pair.quantile(measured, 0.5),
        low: Pair.quantile(measured, 0.1),
        high: Pair.quantile(measured, 0.9)
      }
    end
  end

  @doc "The sides in an order that is another one each round, so that whatever comes in turns falls on all."
  @spec turned([side], non_neg_integer) :: [side] when side: term
  def turned(sides, round) do
    {first, last} = Enum.split(sides, rem(round, length(sides)))
    last ++ first
  end

  @spec write([point]) :: iodata
  def write(points) do
    for point <- points do
      [
        Enum.map_join(
          [point.figure, point.series, point.x, point.median, point.low, point.high],
          "\t",
          &to_string/1
        ),
        "\n"
      ]
    end
  end

  @spec read(String.t()) :: [point]
  def read(text) do
    for line <- String.split(text, "\n", trim: true) do
      [figure, series | numbers] = String.split(line, "\t")
      [x, median, low, high] = for number <- numbers, do: number |> Float.parse() |> elem(0)
      %{figure: figure, series: series, x: trunc(x), median: median, low: low, high: high}
    end
  end

  defp rounds(sides, opts) do
    per = opts[:per] || 1
    # Calibration is the round that warms up.
    sides = for {name, side} <- sides, do: {name, side, opts[:times] || Pair.calibrate(side, 1)}

    for round <- 1..Effort.rounds(opts[:rounds] || 31),
        {name, side, times} <- turned(sides, round) do
      {name, Pair.batch(side, times) / per}
    end
    |> Enum.sort_by(fn {name, _} -> Enum.find_index(sides, &(elem(&1, 0) == name)) end)
  end
end
