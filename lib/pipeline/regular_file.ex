defmodule Pipeline.RegularFile do
  @moduledoc false
  # Reads a regular file of bounded size. Other files can have no end, as `/dev/zero`, or block whoever opens them, as a
  # pipe does.

  @doc "The content of a file of at most so many bytes. A link to a regular file is followed."
  @spec read(Path.t(), most :: pos_integer) ::
          {:ok, binary} | {:too_large, pos_integer} | {:error, File.posix()}
  def read(path, most) do
    case File.stat(path) do
      {:ok, %{type: :regular}} -> path |> File.open([:read, :raw, :binary], &bounded(&1, most)) |> unwrap()
      {:ok, %{type: :directory}} -> {:error, :eisdir}
      {:ok, _other} -> {:error, :einval}
      {:error, posix} -> {:error, posix}
    end
  end

  # Some regular files, such as those of /proc, do not tell their size.
  defp bounded(file, most) do
    case :file.read(file, most + 1) do
      {:ok, binary} when byte_size(binary) > most -> {:too_large, most}
      {:ok, binary} -> {:ok, binary}
      :eof -> {:ok, ""}
      {:error, posix} -> {:error, posix}
    end
  end

  defp unwrap({:ok, result}), do: result
  defp unwrap(error), do: error
end
