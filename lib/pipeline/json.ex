defmodule Pipeline.JSON do
  @moduledoc false
  # The JSON of `plugin.json` and `plugin.sig`, and of what tasks print. Elixir 1.14 has none, and a library would be a
  # dependency of every host.
  #
  # Written with sorted keys, so that the same term gives the same bytes. Read strictly: the text comes from outside and
  # what is signed must have one meaning, so a key twice, a float or nesting beyond 32 levels is refused.

  alias Pipeline.Foreign

  @deepest 32

  # Digits of an integer: what fits into 64 bits.
  @longest_integer 18

  @type value ::
          nil | boolean | integer | String.t() | [value] | %{optional(String.t()) => value}

  @doc "JSON of a term, indented, with a line break at its end."
  @spec encode(value) :: String.t()
  def encode(value), do: IO.iodata_to_binary([encode(value, "\n"), "\n"])

  defp encode(nil, _indent), do: "null"
  defp encode(true, _indent), do: "true"
  defp encode(false, _indent), do: "false"
  defp encode(number, _indent) when is_integer(number), do: Integer.to_string(number)
  defp encode(text, _indent) when is_binary(text), do: [?", escape(text), ?"]
  defp encode([], _indent), do: "[]"

  defp encode(list, indent) when is_list(list) do
    inner = indent <> "  "
    ["[", list |> Enum.map(&[inner, encode(&1, inner)]) |> Enum.intersperse(","), indent, "]"]
  end

  defp encode(map, _indent) when map == %{}, do: "{}"

  defp encode(map, indent) when is_map(map) do
    inner = indent <> "  "
    members = for {key, value} <- Enum.sort(map), do: [inner, ?", escape(key), "\": ", encode(value, inner)]
    ["{", Enum.intersperse(members, ","), indent, "}"]
  end

  defp escape(text) do
    for <<character::utf8 <- text>>, into: "" do
      case character do
        ?" -> "\\\""
        ?\\ -> "\\\\"
        ?\n -> "\\n"
        control when control < 0x20 -> "\\u" <> String.pad_leading(Integer.to_string(control, 16), 4, "0")
        other -> <<other::utf8>>
      end
    end
  end

  @doc "The term of a JSON text. The error is half a sentence."
  @spec decode(binary) :: {:ok, value} | {:error, String.t()}
  def decode(text) do
    with true <- String.valid?(text),
         {value, rest} <- value(space(text), @deepest),
         "" <- space(rest) do
      {:ok, value}
    else
      false -> {:error, "is not UTF-8"}
      rest -> {:error, "goes on after its end with #{beginning(rest)}"}
    end
  catch
    {:json, sentence} -> {:error, sentence}
  end

  defp value(_text, 0), do: fail("is nested deeper than #{@deepest} levels")
  defp value("null" <> rest, _deep), do: {nil, rest}
  defp value("true" <> rest, _deep), do: {true, rest}
  defp value("false" <> rest, _deep), do: {false, rest}
  defp value("\"" <> rest, _deep), do: string(rest, [])
  defp value("[" <> rest, deep), do: list(space(rest), [], deep - 1)
  defp value("{" <> rest, deep), do: object(space(rest), %{}, deep - 1)
  defp value(text, _deep), do: integer(text)

  defp list("]" <> rest, [], _deep), do: {[], rest}

  defp list(text, items, deep) do
    {item, rest} = value(text, deep)

    case space(rest) do
      "," <> rest -> list(space(rest), [item | items], deep)
      "]" <> rest -> {Enum.reverse([item | items]), rest}
      rest -> unexpected(rest)
    end
  end

  defp object("}" <> rest, map, _deep) when map == %{}, do: {map, rest}

  defp object("\"" <> text, map, deep) do
    {key, rest} = string(text, [])
    if is_map_key(map, key), do: fail("has the key #{Foreign.term(key)} twice")
    {value, rest} = rest |> space() |> colon() |> space() |> value(deep)
    map = Map.put(map, key, value)

    case space(rest) do
      "," <> rest -> object(space(rest), map, deep)
      "}" <> rest -> {map, rest}
      rest -> unexpected(rest)
    end
  end

  defp object(text, _map, _deep), do: unexpected(text)

  defp colon(":" <> rest), do: rest
  defp colon(text), do: unexpected(text)

  defp string(text, done) do
    {plain, rest} = :erlang.split_binary(text, plain(text, 0))
    done = [done, plain]

    case rest do
      "\"" <> rest -> {IO.iodata_to_binary(done), rest}
      "\\" <> rest -> escaped(rest, done)
      "" -> fail("ends within a string")
      _control -> fail("has a control character in a string")
    end
  end

  # How many bytes stand for themselves.
  defp plain(<<byte, rest::binary>>, size) when byte >= 0x20 and byte not in [?", ?\\],
    do: plain(rest, size + 1)

  defp plain(_rest, size), do: size

  defp escaped("u" <> rest, done) do
    case unit(rest) do
      {high, "\\u" <> rest} when high in 0xD800..0xDBFF ->
        case unit(rest) do
          {low, rest} when low in 0xDC00..0xDFFF ->
            character = 0x10000 + (high - 0xD800) * 0x400 + (low - 0xDC00)
            string(rest, [done, <<character::utf8>>])

          _ ->
            fail("has half a surrogate pair")
        end

      {half, _rest} when half in 0xD800..0xDFFF ->
        fail("has half a surrogate pair")

      {character, rest} ->
        string(rest, [done, <<character::utf8>>])
    end
  end

  for {escape, character} <- [
        {"\"", "\""},
        {"\\", "\\"},
        {"/", "/"},
        {"b", "\b"},
        {"f", "\f"},
        {"n", "\n"},
        {"r", "\r"},
        {"t", "\t"}
      ] do
    defp escaped(unquote(escape) <> rest, done), do: string(rest, [done, unquote(character)])
  end

  defp escaped(text, _done), do: unexpected(text)

  defp unit(<<digits::binary-4, rest::binary>>) do
    if digits =~ ~r/\A[0-9a-fA-F]{4}\z/,
      do: {String.to_integer(digits, 16), rest},
      else: fail("has a \\u without four hexadecimal digits")
  end

  defp unit(_text), do: fail("ends within a string")

  defp integer(text) do
    case Regex.run(~r/\A-?(?:0|[1-9][0-9]*)(?![0-9.eE])/, text) do
      [digits] when byte_size(digits) <= @longest_integer ->
        {String.to_integer(digits), binary_part(text, byte_size(digits), byte_size(text) - byte_size(digits))}

      [_digits] ->
        fail("has an integer of more than #{@longest_integer} digits")

      nil ->
        unexpected(text)
    end
  end

  defp space(<<space, rest::binary>>) when space in [?\s, ?\t, ?\r, ?\n], do: space(rest)
  defp space(text), do: text

  # Ten characters, each of one code point: a letter can have any number of accents.
  defp beginning(text) do
    ten = for <<character::utf8 <- binary_part(text, 0, min(byte_size(text), 40))>>, do: character
    ten |> Enum.take(10) |> List.to_string() |> Foreign.term()
  end

  @spec unexpected(String.t()) :: no_return
  defp unexpected(""), do: fail("ends too early")
  defp unexpected(text), do: fail("has #{beginning(text)} where it does not belong")

  @spec fail(String.t()) :: no_return
  defp fail(sentence), do: throw({:json, sentence})
end
