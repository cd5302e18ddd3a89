defmodule Pipeline.Plugin.Store.Disk do
  @moduledoc false
  # Replaces a file in one step: a reader finds the old file or the new one, whole.

  alias Pipeline.Plugin.Store.Error
  alias Pipeline.RegularFile

  @type error :: {:error, {Error.step(), :file.posix()}}

  # Bytes of a file that is read: of some 60,000 plugins.
  @most 64 * 1024 * 1024

  @doc "Reads a regular file of bounded size."
  @spec read(Path.t()) :: {:ok, binary} | {:too_large, pos_integer} | error
  def read(path) do
    with {:error, posix} <- RegularFile.read(path, @most), do: {:error, {:read, posix}}
  end

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
