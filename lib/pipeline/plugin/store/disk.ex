defmodule Pipeline.Plugin.Store.Disk do
  @moduledoc false
  # Files that are replaced whole, or not at all.

  alias Pipeline.Plugin.Store.Error

  # Seconds after which nobody is writing a temporary file any more.
  @left_over 60

  # What file systems answer that cannot sync a directory.
  @unsupported [:einval, :enotsup, :eisdir, :eacces, :ebadf, :enosys]

  @doc "Writes a file beside the path, syncs it and moves it there. A reader finds the old file or the new one."
  @spec write(Path.t(), iodata) :: :ok | {:error, {Error.step(), :file.posix()}}
  def write(path, data) do
    temporary = "#{path}.tmp-#{System.pid()}-#{System.unique_integer([:positive])}"

    with :ok <- at(:make_directory, File.mkdir_p(Path.dirname(path))),
         :ok <- write_synced(temporary, data),
         :ok <- at(:rename, :file.rename(temporary, path)) do
      sync_directory(Path.dirname(path))
    else
      error ->
        _ = :file.delete(temporary)
        error
    end
  end

  defp write_synced(path, data) do
    with {:ok, file} <- at(:open, :file.open(path, [:write, :exclusive, :raw, :binary])) do
      try do
        with :ok <- at(:write, :file.write(file, data)), do: at(:sync, :file.sync(file))
      after
        :file.close(file)
      end
    end
  end

  # So that the new name outlives a crash of the machine too.
  defp sync_directory(directory) do
    with {:ok, file} <- :file.open(directory, [:read, :raw, :directory]) do
      try do
        :file.sync(file)
      after
        :file.close(file)
      end
    end
    |> case do
      {:error, posix} when posix not in @unsupported -> {:error, {:sync_directory, posix}}
      _synced -> :ok
    end
  end

  defp at(_step, :ok), do: :ok
  defp at(_step, {:ok, value}), do: {:ok, value}
  defp at(step, {:error, posix}), do: {:error, {step, posix}}

  @doc "Moves a file to a name that tells when it was found unusable, and returns it."
  @spec set_aside(Path.t()) :: {:ok, Path.t()} | {:error, :file.posix()}
  def set_aside(path) do
    time = DateTime.utc_now() |> DateTime.to_iso8601(:basic)
    aside = free("#{path}.corrupt-#{time}", 0)
    with :ok <- :file.rename(path, aside), do: {:ok, aside}
  end

  defp free(path, n) do
    name = if n == 0, do: path, else: "#{path}-#{n}"
    if match?({:ok, _}, File.lstat(name)), do: free(path, n + 1), else: name
  end

  @doc "Removes what writers that ended before they were done have left."
  @spec remove_leftovers(Path.t()) :: :ok
  def remove_leftovers(path) do
    before = System.os_time(:second) - @left_over
    directory = Path.dirname(path)
    prefix = Path.basename(path) <> ".tmp-"

    names = with {:error, _posix} <- File.ls(directory), do: {:ok, []}

    for name <- elem(names, 1),
        String.starts_with?(name, prefix),
        file = Path.join(directory, name),
        match?({:ok, %{mtime: time}} when time < before, File.lstat(file, time: :posix)) do
      File.rm(file)
    end

    :ok
  end
end
