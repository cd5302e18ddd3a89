defmodule Pipeline.Plugin.Excerpt do
  @moduledoc false
  # Shows terms and texts of unknown origin in messages and logs: short, on one line, without anything that a
  # terminal obeys. The `Inspect` code of a struct does not run.

  alias Pipeline.Plugin.Excerpt.Word

  @items 10
  @depth 4
  @text_bytes 200
  @characters 500
  # 255 characters.
  @atom_bytes 4 * 255

  @doc ~S"""
  A term, shortened. An atom that the VM does not know is shown as one.

      iex> Pipeline.Plugin.Excerpt.term({:unknown_atom, "blog"})
      ":blog"
      iex> Pipeline.Plugin.Excerpt.term(Enum.to_list(1..20))
      "[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, ...]"
      iex> Pipeline.Plugin.Excerpt.term(Integer.pow(2, 70))
      "an integer of more than 64 bits"
  """
  @spec term(term) :: String.t()
  def term(term) do
    term
    |> shorten(@depth)
    |> inspect(limit: :infinity, printable_limit: @text_bytes, width: :infinity)
    |> cut()
    |> line()
  end

  @doc ~S"""
  A text on one line: characters that control a terminal or cannot be seen are shown by their number.

      iex> Pipeline.Plugin.Excerpt.line("one\n\e[2Jtwo")
      "one\\u{0A}\\u{1B}[2Jtwo"
  """
  @spec line(String.t()) :: String.t()
  def line(text) do
    text = if String.valid?(text), do: text, else: inspect(text)

    Regex.replace(~r/[\p{C}\p{Zl}\p{Zp}]/u, text, fn <<char::utf8>> ->
      "\\u{#{char |> Integer.to_string(16) |> String.pad_leading(2, "0")}}"
    end)
  end

  defp cut(text) do
    case String.split_at(text, @characters) do
      {text, ""} -> text
      {text, _more} -> text <> "..."
    end
  end

  defp shorten({:unknown_atom, name}, _depth) when is_binary(name) and byte_size(name) <= @atom_bytes do
    %Word{
      text:
        if(match?("Elixir." <> _, name), do: String.replace_prefix(name, "Elixir.", ""), else: ":" <> name)
    }
  end

  defp shorten(term, 0) when is_list(term) or is_tuple(term) or is_map(term), do: %Word{text: "..."}
  defp shorten(list, depth) when is_list(list), do: items(list, depth - 1, @items)

  defp shorten(tuple, depth) when is_tuple(tuple) do
    shown =
      for index <- 0..(min(tuple_size(tuple), @items) - 1)//1, do: shorten(elem(tuple, index), depth - 1)

    List.to_tuple(if tuple_size(tuple) > @items, do: shown ++ [%Word{text: "..."}], else: shown)
  end

  defp shorten(map, depth) when is_map(map) do
    pairs = map |> :maps.iterator() |> pairs(@items)
    shown = for {key, value} <- pairs, do: {key(key, depth - 1), shorten(value, depth - 1)}
    more = if map_size(map) > @items, do: [{%Word{text: "..."}, %Word{text: "..."}}], else: []
    Map.new(shown ++ more)
  end

  defp shorten(binary, _depth) when is_binary(binary) and byte_size(binary) > @text_bytes do
    # The bytes that inspect looks at, and one more, so that it says that there are more.
    binary_part(binary, 0, min(byte_size(binary), 4 * @text_bytes + 1))
  end

  defp shorten(bits, _depth)
       when is_bitstring(bits) and not is_binary(bits) and byte_size(bits) > @text_bytes,
       do: %Word{text: "a bit string of #{bit_size(bits)} bits"}

  defp shorten(integer, _depth)
       when is_integer(integer) and (integer > 0xFFFFFFFFFFFFFFFF or integer < -0xFFFFFFFFFFFFFFFF),
       do: %Word{text: "an integer of more than 64 bits"}

  defp shorten(term, _depth), do: term

  defp items([head | tail], depth, left) when left > 0,
    do: [shorten(head, depth) | items(tail, depth, left - 1)]

  defp items([_ | _], _depth, 0), do: [%Word{text: "..."}]
  defp items(tail, depth, _left), do: shorten_tail(tail, depth)

  defp shorten_tail([], _depth), do: []
  defp shorten_tail(tail, depth), do: shorten(tail, depth)

  defp pairs(_iterator, 0), do: []

  defp pairs(iterator, left) do
    case :maps.next(iterator) do
      {key, value, iterator} -> [{key, value} | pairs(iterator, left - 1)]
      :none -> []
    end
  end

  # A map with this key would be inspected by the code of its struct.
  defp key(:__struct__, _depth), do: %Word{text: "__struct__"}
  defp key(key, depth), do: shorten(key, depth)
end
