defmodule Bench.Core do
  @moduledoc "The rows and the points that the core's own program measures."

  alias Bench.{CoreProcess, Effort, Points, Readers}

  def rows do
    for line <- String.split(ask("rows", []), "\n", trim: true), do: row(String.split(line, "\t"))
  end

  def points, do: "points" |> ask(Enum.map(Readers.counts(), &to_string/1)) |> Points.read()

  defp ask(what, arguments) do
    {answer, 0} = System.cmd(CoreProcess.executable(), Effort.arguments() ++ [what | arguments])
    answer
  end

  defp row([what, against, subject, reference, low, high, target]) do
    %{
      what: what,
      against: against,
      subject: number(subject),
      reference: number(reference),
      low: number(low),
      high: number(high),
      section: :rest,
      target: if(target != "-", do: number(target))
    }
  end

  defp number(text) do
    {number, ""} = Float.parse(text)
    number
  end
end
