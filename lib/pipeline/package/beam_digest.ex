defmodule Pipeline.Package.BeamDigest do
  @moduledoc false
  # The MD5 of a module's code, as `:code.module_md5/1` has it, of a file that nobody trusts.
  #
  # That function hands the file to the loader of the VM, which makes an atom of each name in it, and ends the VM where a
  # compressed part claims to be larger than the memory. Here the parts are split and hashed, and nothing else.

  # In the order in which they are hashed. A file has each at most once.
  @hashed ~w(Atom AtU8 Code StrT ImpT ExpT FunT LitT Meta)

  @doc "The digest in hexadecimal digits, `nil` for what is no BEAM file."
  @spec of(binary) :: String.t() | nil
  def of(<<"FOR1", size::32, file::binary>>) when byte_size(file) >= size do
    with <<"BEAM", chunks::binary>> <- binary_part(file, 0, size),
         %{"Code" => _} = chunks <- split(chunks, %{}) do
      hashed = for name <- @hashed, data = chunks[name], do: hashed(name, data)
      hashed |> :erlang.md5() |> Base.encode16(case: :lower)
    else
      _ -> nil
    end
  end

  def of(_bytes), do: nil

  defp split("", chunks), do: chunks

  defp split(<<name::binary-4, size::32, rest::binary>>, chunks) when name in @hashed,
    do: if(is_map_key(chunks, name), do: :twice, else: next(rest, size, &Map.put(chunks, name, &1)))

  defp split(<<_name::binary-4, size::32, rest::binary>>, chunks),
    do: next(rest, size, fn _data -> chunks end)

  defp split(_torn, _chunks), do: :torn

  # Each is padded to four bytes.
  defp next(rest, size, take) do
    padding = rem(4 - rem(size, 4), 4)

    case rest do
      <<data::binary-size(size), _::binary-size(padding), rest::binary>> -> split(rest, take.(data))
      _ -> :torn
    end
  end

  # A number of each function that differs from one build to the next counts as zero.
  defp hashed("FunT", <<count::binary-4, functions::binary>>), do: [count | without_uniq(functions, [])]
  defp hashed(_name, data), do: data

  defp without_uniq(<<function::binary-20, _uniq::binary-4, rest::binary>>, done),
    do: without_uniq(rest, [<<0::32>>, function | done])

  defp without_uniq(rest, done), do: Enum.reverse(done, [rest])
end
