defmodule Pipeline.LeakCheck.Difference do
  @moduledoc "What two measurements differ in, in words."

  alias Pipeline.Measured

  # Those that happen to be in use: messages, files, what is measured; and a literal or two that the VM has not freed for a
  # process that was killed meanwhile: one is left in every tenth run of 1,000 injected faults, and no more after 6,000.
  @at_hand %{binaries: 16, literals: 2}

  @doc "Of what there is more, with how many more: `{kind, what, number}`."
  @spec more(Measured.counted(), Measured.counted()) :: [{atom, term, pos_integer}]
  def more(before, later) do
    for {kind, counts} <- later,
        {what, count} <- counts,
        number = count - Map.get(before[kind], what, 0),
        number > Map.get(@at_hand, kind, 0),
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

  @spec words(map, map, non_neg_integer) :: [String.t()]
  def words(before, later, allowed) do
    for {made_by, words} <- later,
        more = words - Map.get(before, made_by, 0),
        more > allowed,
        do: "#{more} words more are held by #{inspect(made_by)}, of which #{allowed} are allowed"
  end

  @spec atoms(integer, [String.t()] | nil) :: [String.t()]
  def atoms(number, _names) when number <= 0, do: []
  def atoms(number, names), do: ["#{number} atoms more: #{inspect(names || [], limit: 10)}"]

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
