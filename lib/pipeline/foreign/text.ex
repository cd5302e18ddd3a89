defmodule Pipeline.Foreign.Text do
  @moduledoc false
  # A term as one line of text. It is as `inspect/1` has it, except for what is large, and for structs: those whose module
  # has an Inspect of its own are shown without their fields, since that is how modules keep secrets out of logs.

  # Of a line, in bytes; of a term, in terms within it; of a string, in characters for each term that is left; of another
  # binary, in bytes; of an integer, in words, whose decimal digits take quadratic time.
  @longest 4_000
  @terms 100
  @printable 10
  @bytes 50
  @words 16

  # Their Inspect is for looks.
  @open [Date, Time, NaiveDateTime, DateTime, MapSet, Version]

  @spec term(term, pos_integer) :: String.t()
  def term(term, terms \\ @terms) do
    {text, _left} = show(term, terms)
    text |> IO.iodata_to_binary() |> line()
  end

  # Terms that are left to show are counted down. Each level uses one up, so that the depth is bounded too.
  defp show(_term, left) when left <= 0, do: {"...", 0}
  defp show([], left), do: {"[]", left - 1}

  defp show(list, left) when is_list(list) do
    {first, end_of_list} = first(list, left, [])

    cond do
      end_of_list == :done and printable?(first) ->
        {inspect(first), left - 1}

      end_of_list == :done and keyword?(first) ->
        {texts, left} = pairs(first, left - 1)
        {["[", join(texts), "]"], left}

      true ->
        {texts, left} = items(first, left - 1)
        {rest, left} = rest(end_of_list, left)
        {["[", join(texts), rest, "]"], left}
    end
  end

  # An atom of a manifest that the VM does not know.
  defp show({:unknown_atom, "Elixir." <> name}, left) when byte_size(name) <= 1020, do: {name, left - 1}

  defp show({:unknown_atom, name}, left) when is_binary(name) and byte_size(name) <= 1020,
    do: {":" <> name, left - 1}

  defp show(tuple, left) when is_tuple(tuple) do
    first = for index <- 0..(min(tuple_size(tuple), left) - 1)//1, do: elem(tuple, index)
    {texts, left} = items(first, left - 1)
    {["{", join(texts), "}"], left}
  end

  defp show(%Range{first: first, last: last, step: step}, left)
       when is_integer(first) and is_integer(last) and is_integer(step) do
    {[first, last, step], left} = Enum.map_reduce([first, last, step], left, &show(&1, &2 + 1))
    {[first, "..", last, if(step == "1", do: "", else: ["//", step])], left - 1}
  end

  defp show(%{__struct__: module} = struct, left) when is_atom(module) do
    fields = Map.delete(struct, :__struct__)

    if closed?(module) or not Enum.all?(pairs_of(fields, left), fn {field, _} -> is_atom(field) end),
      do: {["%", inspect(module), "{...}"], left - 1},
      else: map(["%", inspect(module), "{"], Map.delete(fields, :__exception__), left)
  end

  defp show(map, left) when is_map(map), do: map("%{", map, left)

  defp show(integer, left) when is_integer(integer) do
    words = :erts_debug.flat_size(integer)
    text = if words > @words, do: "#Integer<#{words * 8} bytes>", else: Integer.to_string(integer)
    {text, left - 1}
  end

  # Numbers, atoms, binaries, functions and identifiers, for which Inspect calls nobody.
  defp show(other, left), do: {inspect(other, printable_limit: left * @printable, limit: @bytes), left - 1}

  defp closed?(module) do
    module not in @open and exists?("Elixir.Inspect." <> String.replace_prefix("#{module}", "Elixir.", ""))
  end

  # As names of modules do, of which something is loaded.
  defp exists?(name) do
    is_atom(String.to_existing_atom(name))
  rescue
    _ in [ArgumentError, SystemLimitError] -> false
  end

  defp map(opening, map, left) do
    pairs = pairs_of(map, left)
    {texts, left} = if(keyword?(pairs), do: &pairs/2, else: &arrows/2).(sorted(pairs), left - 1)
    {[opening, join(texts), "}"], left}
  end

  defp pairs_of(map, most), do: map |> :maps.iterator() |> :maps.next() |> pairs_of(most, [])

  defp pairs_of({key, value, next}, most, pairs) when most > 0,
    do: pairs_of(:maps.next(next), most - 1, [{key, value} | pairs])

  defp pairs_of(_end, _most, pairs), do: Enum.reverse(pairs)

  # Other keys can be terms that take long to compare.
  defp sorted(pairs), do: if(keyword?(pairs), do: Enum.sort_by(pairs, &elem(&1, 0)), else: pairs)

  defp items(terms, left), do: each(terms, left, &show/2)

  defp pairs(pairs, left) do
    each(pairs, left, fn {key, value}, left ->
      {text, left} = show(value, left)
      {[Macro.inspect_atom(:key, key), " ", text], left}
    end)
  end

  defp arrows(pairs, left) do
    each(pairs, left, fn {key, value}, left ->
      {key, left} = show(key, left)
      {value, left} = show(value, left)
      {[key, " => ", value], left}
    end)
  end

  # Of a container at most so many are looked at as are left, which do not suffice for all then: it ends in "...".
  defp each([], left, _show), do: {[], left}
  defp each(_terms, left, _show) when left <= 0, do: {["..."], 0}

  defp each([term | terms], left, show) do
    {text, left} = show.(term, left)
    {texts, left} = each(terms, left, show)
    {[text | texts], left}
  end

  # The beginning of a list, and how it goes on.
  defp first([], _most, first), do: {Enum.reverse(first), :done}
  defp first([_ | _], 0, first), do: {Enum.reverse(first), :cut}
  defp first([head | tail], most, first), do: first(tail, most - 1, [head | first])
  defp first(tail, _most, first), do: {Enum.reverse(first), {:improper, tail}}

  defp rest(end_of_list, left) when is_atom(end_of_list), do: {"", left}

  defp rest({:improper, tail}, left) do
    {text, left} = show(tail, left)
    {[" | ", text], left}
  end

  defp printable?(list), do: List.ascii_printable?(list)
  defp keyword?(pairs), do: pairs != [] and Enum.all?(pairs, &match?({key, _} when is_atom(key), &1))
  defp join(texts), do: Enum.intersperse(texts, ", ")

  @doc """
  Text as one line of valid UTF-8, cut where it is too long.

  Line breaks with the space around them become a space. Other control characters, those that change the direction of
  text, and bytes that are no UTF-8 are escaped.
  """
  @spec line(binary) :: String.t()
  def line(text), do: text |> escape([], 0) |> String.trim_trailing()

  defp escape("", done, _size), do: text(done)
  defp escape(_rest, done, size) when size >= @longest, do: text(["..." | done])

  defp escape(<<character, rest::binary>>, done, size) when character in 32..126,
    do: escape(rest, [character | done], size + 1)

  defp escape(<<character, rest::binary>>, done, size) when character in [?\n, ?\r] do
    spaces = Enum.drop_while(done, &(&1 == ?\s))
    escape(after_spaces(rest, @longest), [?\s | spaces], size + 1)
  end

  # Control characters, invisible ones, and those that change the direction of text.
  defp escape(<<character::utf8, rest::binary>>, done, size) do
    text = <<character::utf8>>

    if text =~ ~r/[\p{C}\p{Zl}\p{Zp}]/u,
      do: escape(rest, ["\\x{#{Integer.to_string(character, 16)}}" | done], size + 6),
      else: escape(rest, [text | done], size + byte_size(text))
  end

  defp escape(<<byte, rest::binary>>, done, size),
    do: escape(rest, ["\\x" <> Base.encode16(<<byte>>) | done], size + 4)

  defp after_spaces(<<space, rest::binary>>, left) when space in [?\s, ?\n, ?\r] and left > 0,
    do: after_spaces(rest, left - 1)

  defp after_spaces(rest, _left), do: rest

  defp text(done), do: done |> Enum.reverse() |> IO.iodata_to_binary()
end
