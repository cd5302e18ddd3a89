defmodule Pipeline.Plugin.ExcerptTest do
  use ExUnit.Case, async: true

  alias Pipeline.Plugin.Excerpt

  doctest Excerpt

  defp doubled(0), do: 1
  defp doubled(rounds), do: {doubled(rounds - 1), doubled(rounds - 1)}

  defp shared(term, 0), do: term
  defp shared(term, rounds), do: shared([term, term], rounds - 1)

  test "what inspect shows well it shows as inspect does" do
    for term <- [
          nil,
          :a,
          "a",
          1,
          -2.5,
          [],
          [a: 1],
          [1 | 2],
          {},
          {:ok, "x"},
          %{},
          %{a: %{b: [1]}},
          [{:x, []} | :y]
        ] do
      assert Excerpt.term(term) == inspect(term)
    end
  end

  test "any term is short, on one line and takes no time" do
    million = 1_000_000

    for term <- [
          :erlang.bsl(1, 4 * million),
          -:erlang.bsl(1, 4 * million),
          Enum.to_list(1..million),
          List.to_tuple(Enum.to_list(1..million)),
          Map.new(1..million, &{&1, &1}),
          Enum.reduce(1..million, [], fn _, deep -> [deep] end),
          # 2^100 values, were it written out.
          shared(1, 100),
          doubled(10),
          String.duplicate("é", million),
          String.duplicate("\e[2J\n", million),
          :binary.copy(<<255>>, million),
          <<1::size(8_000_001)>>,
          %{String.duplicate("a", million) => :erlang.bsl(1, 4 * million)},
          %{__struct__: Range, first: :erlang.bsl(1, 4 * million)},
          %{__struct__: "none", message: ["\n"]},
          {:unknown_atom, "\e[2J" <> String.duplicate("a", million)},
          self(),
          make_ref(),
          &Excerpt.term/1
        ] do
      text = Excerpt.term(term)
      assert String.length(text) <= 520
      refute text =~ ~r/[\p{C}\p{Zl}\p{Zp}]/u
    end
  end

  defmodule Loud do
    defstruct [:secret]

    defimpl Inspect do
      def inspect(_loud, _opts), do: raise("called")
    end
  end

  test "no code of a struct runs" do
    assert Excerpt.term(struct!(Loud, secret: 1)) =~ "__struct__"
  end
end
