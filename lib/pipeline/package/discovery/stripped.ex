defmodule Pipeline.Plugin.Discovery.Stripped do
  @moduledoc false
  # BEAM files of plugins whose attributes were stripped, and the manifest with them: `:beam_lib.strip_files/1` does that,
  # `mix release` does not. Nothing says so otherwise: such a file is one of a module that is no plugin.
  #
  # Only directories in which nothing else was found are looked at, so that reading many plugins stays fast. No atom is
  # made: the names in a file are searched as text.

  # Bytes of a file.
  @largest 16 * 1024 * 1024
  # Files that are looked at.
  @most 10_000

  @spec find([Path.t()], seen :: [Path.t()]) :: [Pipeline.Plugin.Discovery.unreadable()]
  def find(paths, seen) do
    directories = MapSet.new(seen, &Path.dirname/1)

    for path <- paths |> Enum.flat_map(&files/1) |> Enum.uniq() |> Enum.take(@most),
        Path.dirname(path) not in directories,
        stripped?(path) do
      message =
        "it is of a plugin, and its attributes were stripped, which hold the manifest; strip it by mix release, which keeps " <>
          "them, or not at all"

      %{path: path, reason: :stripped, message: message}
    end
  end

  defp files(path) do
    path
    |> Path.expand()
    |> Path.wildcard()
    |> Enum.flat_map(fn found ->
      cond do
        Path.extname(found) == ".beam" -> [found]
        File.dir?(found) -> Path.wildcard(found <> "/{*,ebin/*,*/ebin/*}.beam")
        true -> []
      end
    end)
  end

  defp stripped?(path) do
    with {:ok, %{type: :regular, size: size}} when size <= @largest <- File.stat(path),
         {:ok, <<"FOR1", _size::32, "BEAM", chunks::binary>>} <- File.read(path),
         %{"Attr" => :none} = found <- chunks(chunks, %{"Attr" => :none}) do
      :binary.match(found["AtU8"] || "", "__plugin__") != :nomatch
    else
      _ -> false
    end
  end

  defp chunks(<<name::binary-size(4), size::32, rest::binary>>, found) when byte_size(rest) >= size do
    <<chunk::binary-size(size), rest::binary>> = rest
    padding = min(rem(4 - rem(size, 4), 4), byte_size(rest))
    <<_padding::binary-size(padding), rest::binary>> = rest
    chunks(rest, if(name in ["Attr", "AtU8"], do: Map.put(found, name, chunk), else: found))
  end

  defp chunks(_end, found), do: found
end
