defmodule Pipeline.Plugin.Discovery.Stripped do
  @moduledoc false
  # BEAM files of plugins whose attributes were stripped, and the manifest with them: `:beam_lib.strip_files/1` does that,
  # `mix release` does not. Nothing says so otherwise: such a file is one of a module that is no plugin.
  #
  # Only directories in which nothing else was found are looked at, so that reading many plugins stays fast. No atom is
  # made: the names in a file are searched as text.

  # A pattern with more wildcards, or with others, is not followed: it can be made to be slow.
  @most_wildcards 2
  # Files, and bytes and chunks of a file that are looked at.
  @most_files 10_000
  @most_bytes 4_194_304
  @most_chunks 100

  @spec find([Path.t()], seen :: [Path.t()]) :: [Pipeline.Plugin.Discovery.unreadable()]
  def find(paths, seen) do
    directories = MapSet.new(seen, &Path.dirname/1)

    for path <- paths |> Enum.flat_map(&files/1) |> Enum.uniq() |> Enum.take(@most_files),
        Path.dirname(path) not in directories,
        stripped?(path) do
      message =
        "it is of a plugin, and its attributes were stripped, which hold the manifest; strip it by mix release, which keeps " <>
          "them, or not at all"

      %{path: path, reason: :stripped, message: message}
    end
  end

  defp files(path) do
    path = Path.expand(path)

    path
    |> matching()
    |> Enum.flat_map(fn found ->
      cond do
        Path.extname(found) == ".beam" -> [found]
        File.dir?(found) -> Enum.flat_map(["", "ebin", "*/ebin"], &beams(found, &1))
        true -> []
      end
    end)
  end

  defp matching(path) do
    case {length(String.split(path, "*")) - 1, path =~ ~r/[?\[\]{}\\]|\*\*/} do
      {0, false} -> [path]
      {wildcards, false} when wildcards <= @most_wildcards -> Path.wildcard(path)
      _ -> []
    end
  end

  # The name of the directory is no pattern.
  defp beams(directory, "*/ebin"), do: directory |> list() |> Enum.flat_map(&beams(&1, "ebin"))

  defp beams(directory, below),
    do: for(path <- list(Path.join(directory, below)), Path.extname(path) == ".beam", do: path)

  defp list(directory) do
    case File.ls(directory) do
      {:ok, names} -> names |> Enum.sort() |> Enum.take(@most_files) |> Enum.map(&Path.join(directory, &1))
      {:error, _reason} -> []
    end
  end

  defp stripped?(path) do
    with {:ok, %{type: :regular}} <- File.stat(path),
         {:ok, <<"FOR1", _size::32, "BEAM", chunks::binary>>} <- beginning(path) do
      stripped?(chunks, @most_chunks, false)
    else
      _ -> false
    end
  end

  # Stripping compresses too. What is read is bounded, compressed or not.
  defp beginning(path) do
    with {:ok, file} <- :file.open(path, [:read, :raw, :binary, :compressed]) do
      try do
        :file.read(file, @most_bytes)
      after
        :file.close(file)
      end
    end
  end

  # Whether there is no chunk of attributes, and the names are those of a plugin.
  defp stripped?(<<"Attr", _::binary>>, _left, _plugin?), do: false

  defp stripped?(<<name::binary-size(4), size::32, rest::binary>>, left, plugin?)
       when left > 0 and size <= byte_size(rest) do
    chunk = binary_part(rest, 0, size)
    rest = binary_part(rest, size, byte_size(rest) - size)
    plugin? = plugin? or (name == "AtU8" and :binary.match(chunk, "__plugin__") != :nomatch)
    # Chunks begin at multiples of four.
    padding = rem(4 - rem(size, 4), 4)
    rest = if padding <= byte_size(rest), do: binary_part(rest, padding, byte_size(rest) - padding), else: ""
    stripped?(rest, left - 1, plugin?)
  end

  defp stripped?(rest, left, plugin?), do: rest == "" and left > 0 and plugin?
end
