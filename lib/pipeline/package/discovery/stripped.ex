defmodule Pipeline.Plugin.Discovery.Stripped do
  @moduledoc false
  # BEAM files of plugins whose attributes were stripped, and the manifest with them: `:beam_lib.strip_files/1` does that,
  # `mix release` does not. Nothing says so otherwise: such a file is one of a module that is no plugin.
  #
  # Only directories in which nothing else was found are looked at, so that reading many plugins stays fast. Of a file
  # the heads of its chunks are read, and the names in it, which are searched as text: no atom is made.

  # A pattern with more wildcards, or with others, is not followed: it can be made to be slow.
  @most_wildcards 2
  # Files, bytes and chunks of a file, and bytes of the names in it that are looked at.
  @most_files 10_000
  @largest 16_777_216
  @most_chunks 100
  @most_bytes 1_048_576

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
         # Stripping compresses too.
         {:ok, file} <- :file.open(path, [:read, :raw, :binary, :compressed]) do
      try do
        beam?(file) and stripped?(file, 12, @most_chunks, false)
      after
        :file.close(file)
      end
    else
      _ -> false
    end
  end

  defp beam?(file), do: match?({:ok, <<"FOR1", _size::32, "BEAM">>}, :file.pread(file, 0, 12))

  # At the head of a chunk; whether the names of a plugin have been seen.
  defp stripped?(_file, at, left, _plugin?) when left == 0 or at > @largest, do: false

  defp stripped?(file, at, left, plugin?) do
    case :file.pread(file, at, 8) do
      {:ok, <<"Attr", _size::32>>} -> false
      {:ok, <<"AtU8", size::32>>} -> stripped?(file, next(at, size), left - 1, names?(file, at + 8, size))
      {:ok, <<_name::32, size::32>>} -> stripped?(file, next(at, size), left - 1, plugin?)
      _end -> plugin?
    end
  end

  # Chunks begin at multiples of four.
  defp next(at, size), do: at + 8 + div(size + 3, 4) * 4

  defp names?(file, at, size) do
    case :file.pread(file, at, min(size, @most_bytes)) do
      {:ok, names} -> :binary.match(names, "__plugin__") != :nomatch
      _ -> false
    end
  end
end
