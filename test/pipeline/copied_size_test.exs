defmodule Pipeline.CopiedSizeTest do
  use ExUnit.Case, async: true

  alias Pipeline.{CopiedSize, RandomTerm}

  defp bytes(term), do: :erts_debug.flat_size(term) * :erlang.system_info(:wordsize)
  defp doubled(n), do: Enum.reduce(1..n, [1], fn _, term -> {term, term} end)

  test "it is about the size that the VM says" do
    :rand.seed(:exsss, 11)

    for _ <- 1..300, term = RandomTerm.term(), bytes(term) > 0 do
      binaries = byte_size(:erlang.term_to_binary(term))
      assert CopiedSize.within?(term, 4 * (bytes(term) + binaries) + 200)
    end

    for term <- [Enum.to_list(1..1000), List.to_tuple(Enum.to_list(1..1000)), doubled(10)] do
      assert CopiedSize.within?(term, bytes(term))
      refute CopiedSize.within?(term, bytes(term) - 8)
    end
  end

  test "it counts what each kind of term holds" do
    large = :binary.copy("x", 100_000)

    for term <- [
          large,
          [large],
          [1 | large],
          {1, large},
          %{1 => large},
          %{large => 1},
          Map.new(1..100, &{&1, large}),
          fn -> large end,
          Bitwise.bsl(1, 800_000)
        ] do
      refute CopiedSize.within?(term, 99_000)
      assert CopiedSize.within?(term, 11_000_000)
      assert CopiedSize.within?(term, :infinity)
    end

    for term <- [[], :atom, 1, 1.0, "", {}, %{}, self(), make_ref(), &File.cwd/0],
        do: assert(CopiedSize.within?(term, 100))
  end

  test "it ends once the limit is passed, whatever the term shares" do
    {:reductions, before} = Process.info(self(), :reductions)
    refute CopiedSize.within?(doubled(100), 1_000_000)
    refute CopiedSize.within?(fn -> doubled(100) end, 8)
    shared = doubled(100)
    refute CopiedSize.within?(fn -> shared end, 1_000_000)
    refute CopiedSize.within?(%{shared => shared}, 1_000_000)
    {:reductions, later} = Process.info(self(), :reductions)
    assert later - before < 10_000_000
  end
end
