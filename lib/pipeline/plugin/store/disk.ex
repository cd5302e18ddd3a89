defmodule Pipeline.Plugin.Store.Disk do
  @moduledoc false
  # Replaces a file in one step: a reader finds the old file or the new one, whole.

  alias Pipeline.Plugin.Store.Error

  @type error :: {:error, {Error.step(), :file.posix()}}

  # Bytes of a file that is read: of some 60,000 plugins.
  @most 64 * 1024 * 1024

  @doc "Reads a regular file of bounded size. Others can have no end, or block whoever opens them."
  @spec read(Path.t()) :: {:ok, binary} | {:too_large, pos_integer} | error
  def read(path) do
    case File.stat(path) do
      {:ok, %{type: :regular}} -> step(:read, File.open(path, [:read, :raw, :binary], &bounded/1)) |> unwrap()
      {:ok, %{type: :directory}} -> {:error, {:read, :eisdir}}
      {:ok, _other} -> {:error, {:read, :einval}}
      {:error, posix} -> {:error, {:read, posix}}
    end
  end

  # Some regular files, such as those of /proc, do not tell their size.
  defp bounded(file) do
    case :file.read(file, @most + 1) do
      {:ok, binary} when byte_size(binary) > @most -> {:too_large, @most}
      {:ok, binary} -> {:ok, binary}
      :eof -> {:ok, ""}
      {:error, posix} -> {:error, {:read, posix}}
    end
  end

  defp unwrap({:ok, result}), do: result
  defp unwrap(error), do: error

  @doc "Writes a file beside the path, synced, and renames it to the path."
  @spec write(Path.t(), iodata) :: :ok | error
  def write(path, data) do
    temporary = temporary(path)

    with :ok <- step(:directory, File.mkdir_p(Path.dirname(path))),
         :ok <- step(:write, File.write(temporary, data, [:exclusive, :sync])),
         :ok <- step(:rename, :file.rename(temporary, path)) do
      sync_directory(Path.dirname(path))
    else
      error ->
        _ = File.rm(temporary)
        error
    end
  end

  # Makes the new name survive a crash of the machine. Not every file system can, and the file is in place
  # already.
  defp sync_directory(directory) do
    with {:ok, file} <- :file.open(directory, [:read, :raw, :directory]) do
      _ = :file.sync(file)
      _ = :file.close(file)
    end

    :ok
  end

  @doc "Tries out what `write/2` needs, and removes the temporary files of writers that were killed."
  @spec check_writable(Path.t()) :: :ok | error
  def check_writable(path) do
    directory = Path.dirname(path)

    with :ok <- step(:read, if(File.dir?(path), do: {:error, :eisdir}, else: :ok)),
         :ok <- step(:directory, File.mkdir_p(directory)),
         :ok <- step(:write, File.write(temporary(path), "", [:exclusive])),
         {:ok, names} <- step(:directory, File.ls(directory)) do
      leftovers = Enum.filter(names, &String.starts_with?(&1, Path.basename(path) <> ".tmp-"))
      Enum.each(leftovers, &File.rm(Path.join(directory, &1)))
    end
  end

  # Written exclusively: nobody can have put a link there.
  defp temporary(path), do: "#{path}.tmp-#{System.pid()}-#{System.unique_integer([:positive])}"

  @doc "Renames a file so that its new name says when it was found unusable, and returns that name."
  @spec set_aside(Path.t()) :: {:ok, Path.t()} | error
  def set_aside(path) do
    time = DateTime.to_iso8601(DateTime.utc_now(), :basic)
    aside = "#{path}.corrupt-#{time}-#{System.unique_integer([:positive])}"
    with :ok <- step(:set_aside, :file.rename(path, aside)), do: {:ok, aside}
  end

  defp step(step, {:error, posix}), do: {:error, {step, posix}}
  defp step(_step, done), do: done
end
