defmodule Pipeline.Package.Folder do
  @moduledoc false
  # The folder `packages:` of an instance. Each installed package is a folder in it, `NAME-VERSION`, which appears and
  # goes by a rename: whoever is killed meanwhile leaves the whole package or none, and a folder with a dot before its
  # name, which the next start or change sweeps away.
  #
  # One VM writes at a time, as far as the calls of this module go. Another VM, such as that of a Mix task, may write at
  # the same time: each has its own names for what is half done.

  alias Pipeline.Package.{Contents, Manifest}
  alias Pipeline.RegularFile

  @half ".half-"

  @type error :: {:disk, Path.t(), File.posix()} | {:already_installed, String.t(), String.t()}
  @type progress :: (step :: atom, done :: non_neg_integer, all :: pos_integer -> term)

  @doc "Puts a package that was checked into the folder, and returns its path there."
  @spec install(Path.t(), Contents.t(), progress) :: {:ok, Path.t()} | {:error, error}
  def install(folder, %Contents{manifest: manifest, entries: entries}, progress) do
    target = path(folder, manifest.name, manifest.version)

    changing(folder, fn ->
      with :ok <- sweep_now(folder),
           :new <- compare(target, entries, manifest),
           {:ok, half} <- half(folder) do
        try do
          with :ok <- write_all(half, Map.values(entries), progress) do
            progress.(:install, 0, 1)
            with :ok <- rename(half, target), do: installed(target, progress)
          end
        after
          File.rm_rf(half)
        end
      end
    end)
  end

  defp installed(target, progress) do
    sync_folder(Path.dirname(target))
    progress.(:install, 1, 1)
    {:ok, target}
  end

  # The same again is no error.
  defp compare(target, entries, manifest) do
    cond do
      not File.exists?(target) ->
        :new

      RegularFile.read(Path.join(target, "plugin.json"), Manifest.most_bytes()) ==
          {:ok, entries["plugin.json"].bytes} ->
        {:ok, target}

      true ->
        {:error, {:already_installed, manifest.name, manifest.version}}
    end
  end

  @doc "Takes a package out of the folder."
  @spec uninstall(Path.t(), Path.t(), progress) :: :ok | {:error, error}
  def uninstall(folder, target, progress) do
    changing(folder, fn ->
      with :ok <- sweep_now(folder), {:ok, half} <- half(folder) do
        progress.(:uninstall, 0, 1)

        with :ok <- rename(target, Path.join(half, "package")) do
          sync_folder(folder)
          progress.(:uninstall, 1, 1)
          File.rm_rf(half)
          :ok
        end
      end
    end)
  end

  @doc "Removes what was left half done."
  @spec sweep(Path.t()) :: :ok | {:error, error}
  def sweep(folder), do: changing(folder, fn -> sweep_now(folder) end)

  @doc "The folders of installed packages."
  @spec list(Path.t()) :: [Path.t()]
  def list(folder) do
    case File.ls(folder) do
      {:ok, names} -> for name <- Enum.sort(names), split(name) != :error, do: Path.join(folder, name)
      {:error, _} -> []
    end
  end

  @spec path(Path.t(), name :: String.t(), version :: String.t()) :: Path.t()
  def path(folder, name, version), do: Path.join(folder, "#{name}-#{version}")

  @doc "Name and version of `NAME-VERSION`, or the name alone."
  @spec split(String.t()) :: {name :: String.t(), version :: String.t() | nil} | :error
  def split(text) do
    case Regex.run(~r/\A([a-z][a-z0-9_]*)(?:-([0-9][0-9A-Za-z.+-]*))?\z/, text) do
      [_, name, version] -> {name, version}
      [_, name] -> {name, nil}
      nil -> :error
    end
  end

  defp changing(folder, change) do
    with :ok <- disk(File.mkdir_p(folder), folder) do
      :global.trans({{__MODULE__, Path.expand(folder)}, self()}, change, [node()])
    end
  end

  defp half(folder) do
    half = Path.join(folder, "#{@half}#{System.pid()}-#{System.unique_integer([:positive])}")
    with :ok <- disk(File.mkdir(half), half), do: {:ok, half}
  end

  # What is of this VM was left by a process that was killed, or by a VM before this one with its number: nobody else
  # changes the folder now.
  defp sweep_now(folder) do
    with {:ok, names} <- disk(File.ls(folder), folder) do
      for @half <> of = name <- names, stale?(of), do: File.rm_rf(Path.join(folder, name))
      :ok
    end
  end

  defp stale?(of) do
    case Integer.parse(of) do
      {pid, "-" <> _} -> System.pid() == "#{pid}" or not running?(pid)
      _ -> true
    end
  end

  defp running?(pid) do
    cond do
      File.dir?("/proc/self") -> File.dir?("/proc/#{pid}")
      ps = System.find_executable("ps") -> match?({_, 0}, System.cmd(ps, ["-p", "#{pid}"]))
      true -> false
    end
  end

  defp write_all(half, entries, progress) do
    all = length(entries)

    entries
    |> Enum.sort_by(& &1.path)
    |> Enum.with_index(1)
    |> Enum.find_value(:ok, fn {entry, done} ->
      with :ok <- write(half, entry) do
        progress.(:unpack, done, all)
        nil
      end
    end)
  end

  defp write(half, %{path: relative, bytes: bytes, executable?: executable?}) do
    path = Path.join(half, relative)

    with :ok <- disk(File.mkdir_p(Path.dirname(path)), path),
         :ok <- disk(File.write(path, bytes, [:exclusive, :sync]), path) do
      if executable?, do: disk(File.chmod(path, 0o755), path), else: :ok
    end
  end

  defp rename(from, to), do: disk(:file.rename(from, to), to)

  # Makes a new name survive a crash of the machine, where the file system can.
  defp sync_folder(folder) do
    with {:ok, file} <- :file.open(folder, [:read, :raw, :directory]) do
      _ = :file.sync(file)
      _ = :file.close(file)
    end

    :ok
  end

  defp disk({:error, posix}, path), do: {:error, {:disk, path, posix}}
  defp disk(done, _path), do: done
end
