defmodule Pipeline.LeakCheck.Difference do
  @moduledoc "What two measurements differ in, in words."

  alias Pipeline.Measured

  @doc "Of what there is more, with how many more: `{kind, what, number}`."
  @spec more(Measured.counted(), Measured.counted()) :: [{atom, term, pos_integer}]
  def more(before, later) do
    for {kind, counts} <- later,
        {what, count} <- counts,
        number = count - Map.get(before[kind], what, 0),
        number > 0,
        do: {kind, what, number}
  end

  # What the VM frees when it comes to it.
  @freed_late [:literals, :binaries]

  @doc "In what two differ. There may be less of what is freed late."
  @spec counted(Measured.counted(), Measured.counted()) :: [String.t()]
  def counted(before, later) do
    gone = more(later, Map.drop(before, @freed_late))
    Enum.map(more(before, later), &sentence(&1, "more")) ++ Enum.map(gone, &sentence(&1, "fewer"))
  end

  defp sentence({kind, :all, number}, which), do: "#{number} #{kind} #{which}"
  defp sentence({kind, what, number}, which), do: "#{number} #{kind} #{which}: #{inspect(what)}"

  @spec atoms(non_neg_integer, non_neg_integer) :: [String.t()]
  def atoms(before, later) when later <= before, do: []

  def atoms(before, later) do
    [
      "#{later - before} atoms more, the first: #{before |> Measured.atoms_since() |> Enum.take(10) |> inspect()}"
    ]
  end

  @spec native(map, map, %{bytes: non_neg_integer | :infinity, blocks: non_neg_integer | :infinity}) :: [
          String.t()
        ]
  def native(before, later, allowed) do
    for {library, {bytes, blocks}} <- later,
        {bytes_before, blocks_before} = Map.fetch!(before, library),
        bytes - bytes_before > allowed.bytes or blocks - blocks_before > allowed.blocks do
      "#{bytes - bytes_before} bytes in #{blocks - blocks_before} blocks more in #{inspect(library)}, " <>
        "of which #{allowed.bytes} in #{allowed.blocks} are allowed"
    end
  end
end
