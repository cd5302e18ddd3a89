defmodule Bench.Core do
  @moduledoc "The rows that the core's own program measures."

  def rows do
    {lines, 0} = System.cmd(Bench.CoreProcess.executable(), [])
    for line <- String.split(lines, "\n", trim: true), do: row(String.split(line, "\t"))
  end

  defp row([what, against, subject, reference, low, high, target]) do
    %{
      what: what,
      against: against,
      subject: number(subject),
      reference: number(reference),
      low: number(low),
      high: number(high),
      target: if(target != "-", do: number(target))
    }
  end

  defp number(text) do
    {number, ""} = Float.parse(text)
    number
  end
end
