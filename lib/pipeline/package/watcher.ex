defmodule Pipeline.Package.Watcher do
  @moduledoc false
  # Looks at the folder of packages of an instance, and carries out what people change there by hand: an archive that is
  # copied in is installed, a package or a folder with an `ebin` that appears or changes is loaded or upgraded to, and what
  # goes is unloaded.
  #
  # It looks in intervals, since no library that is told by the system is at hand everywhere, and a copy takes its time
  # anyway: a change counts once two looks have found the same. What the library itself changes in the folder is a change
  # like another, and nothing is left to be done about it by then.

  use GenServer

  require Logger

  alias Pipeline.{Foreign, Package, RegularFile}
  alias Pipeline.Instance.Names
  alias Pipeline.Package.{Folder, Unit, Units}
  alias Pipeline.Plugin.Manager

  @archive ".tar.gz"
  # Files of a folder that are looked at.
  @most_files 10_000
  @most_bytes 64 * 1024 * 1024

  @type option :: {:interval, pos_integer} | {:config, %{String.t() => map}}

  @spec start_link({instance :: term, Path.t(), [option]}) :: GenServer.on_start()
  def start_link({instance, _folder, _options} = argument),
    do: GenServer.start_link(__MODULE__, argument, name: Names.via(instance, :watcher))

  @impl GenServer
  def init({instance, folder, options}) do
    :ok = Names.label(instance, :watcher)
    state = %{instance: instance, folder: Path.expand(folder), options: options, done: %{}, last: nil}
    {:ok, look_later(state)}
  end

  @impl GenServer
  def handle_info(:look, %{done: done, last: last} = state) do
    now = entries(state.folder)

    state =
      if now == last and now != done,
        do: %{state | done: carry_out(now, done, state), last: nil},
        else: %{state | last: now}

    {:noreply, look_later(state)}
  end

  def handle_info(_other, state), do: {:noreply, state}

  defp look_later(%{options: options} = state) do
    Process.send_after(self(), :look, Keyword.get(options, :interval, 1_000))
    state
  end

  # What is in the folder, each by what changes when it does.
  defp entries(folder) do
    case File.ls(folder) do
      {:ok, names} ->
        for "" <> name <- names,
            not String.starts_with?(name, "."),
            entry = entry(Path.join(folder, name)),
            into: %{},
            do: {name, entry}

      {:error, _reason} ->
        %{}
    end
  end

  defp entry(path) do
    case File.lstat(path) do
      {:ok, %{type: :regular} = stat} -> if String.ends_with?(path, @archive), do: {:archive, print(stat)}
      {:ok, %{type: :directory}} -> folder(path)
      _other -> nil
    end
  end

  # An installed package does not change. One without a plugin.json is what a compiler writes.
  defp folder(path) do
    manifest = Path.join(path, "plugin.json")
    ebin = Path.join(path, "ebin")

    cond do
      match?({:ok, %{type: :regular}}, File.lstat(manifest)) -> {:folder, print(File.lstat!(manifest))}
      File.dir?(ebin) -> {:folder, files(ebin)}
      true -> nil
    end
  rescue
    # It goes while it is looked at.
    File.Error -> nil
  end

  defp files(ebin) do
    case File.ls(ebin) do
      {:ok, names} ->
        # Their content, since times have seconds: two compilations can leave files of one size and time.
        for name <- names |> Enum.sort() |> Enum.take(@most_files),
            {:ok, bytes} <- [RegularFile.read(Path.join(ebin, name), @most_bytes)],
            do: {name, :erlang.md5(bytes)}

      {:error, _reason} ->
        []
    end
  end

  defp print(stat), do: {stat.inode, stat.size, stat.mtime, stat.ctime}

  # Returns what there is then, as far as that is this process's doing.
  defp carry_out(now, done, state) do
    for {name, {:folder, _print}} <- done,
        not is_map_key(now, name),
        do: gone(Path.join(state.folder, name), state)

    for {name, entry} <- Enum.sort(now), done[name] != entry, reduce: now do
      now -> changed(entry, name, Path.join(state.folder, name), now, state)
    end
  end

  # The archive is moved in, so that a package that is uninstalled later does not come back.
  defp changed({:archive, _print}, name, path, now, state) do
    case Package.install(path, instance: state.instance) do
      {:ok, %{path: folder}} ->
        _ = File.rm(path)
        there(folder, state)
        now |> Map.delete(name) |> Map.put(Path.basename(folder), entry(folder))

      {:error, error} ->
        told(error, state)
        now
    end
  end

  defp changed({:folder, _print}, _name, path, now, state) do
    there(path, state)
    now
  end

  defp there(path, %{instance: instance} = state) do
    {name, version} = named(path)

    case loaded(name, instance) do
      nil -> load(path, name, state)
      {id, {^name, running}} -> if newer?(version, running), do: upgrade(id, path, state)
    end
  end

  defp load(path, name, %{instance: instance, options: options} = state) do
    config = options |> Keyword.get(:config, %{}) |> Map.get(name, %{})
    with {:error, error} <- Manager.load_plugin(path, config, instance: instance), do: told(error, state)
  end

  # Code belongs to the VM: all instances that have the package go along.
  defp upgrade(id, path, %{instance: instance} = state) do
    with {:error, error} <- Manager.upgrade_plugin(id, path, instance: instance, instances: :all),
         do: told(error, state)
  end

  # An older version that is put beside is for going back, by an upgrade to it. Without versions what is there is newer.
  defp newer?(version, running) when nil in [version, running], do: true

  defp newer?(version, running) do
    case {Version.parse(version), Version.parse(running)} do
      {{:ok, version}, {:ok, running}} -> Version.compare(version, running) == :gt
      _ -> false
    end
  end

  defp gone(path, %{instance: instance} = state) do
    for {key, unit} <- Units.all(), folder(key, path), {^instance, id} <- Units.users(unit) do
      with {:error, error} <- Manager.unload_plugin(id, instance: instance, purge: true),
           do: told(error, state)
    end
  end

  defp folder(key, path), do: key == path or key == Path.join(path, "ebin")

  # The plugin of a package, in whatever version.
  defp loaded(name, instance) do
    Enum.find_value(Units.all(), fn {key, %Unit{} = unit} ->
      with {^name, _version} = named <- named(key),
           {^instance, id} <- List.keyfind(Units.users(unit), instance, 0) do
        {id, named}
      else
        _ -> nil
      end
    end)
  end

  defp named(path) do
    path = if Path.basename(path) == "ebin", do: Path.dirname(path), else: path
    with :error <- Folder.split(Path.basename(path)), do: {Path.basename(path), nil}
  end

  # Once for each change.
  defp told(error, %{instance: instance, folder: folder}) do
    Logger.error(
      "the folder of packages #{Foreign.path(folder)}: #{Exception.message(error)}",
      instance: instance,
      plugin: error.plugin
    )
  end
end
