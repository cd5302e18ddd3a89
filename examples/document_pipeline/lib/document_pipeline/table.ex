defmodule DocumentPipeline.Table do
  @moduledoc "Prints rows in columns as wide as their widest cell."

  @doc "Prints rows of strings below a head."
  @spec print([[String.t()]], [String.t()]) :: :ok
  def print(rows, head) do
    widths = Enum.zip_with([head | rows], fn cells -> cells |> Enum.map(&String.length/1) |> Enum.max() end)
    IO.puts([IO.ANSI.format([:faint, line(head, widths)])])
    for row <- rows, do: IO.puts(line(row, widths))
    :ok
  end

  defp line(cells, widths) do
    padded = Enum.zip_with(cells, widths, fn cell, width -> String.pad_trailing(cell, width) end)
    String.trim_trailing("  " <> Enum.join(padded, "  "))
  end
end
