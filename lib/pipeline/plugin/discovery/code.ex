defmodule Pipeline.Plugin.Discovery.Code do
  @moduledoc false
  # Loads the modules of found plugins. Their bytes are handed to the code server, so that a file may have any name and
  # may stand in an archive, in every version of OTP.

  alias Pipeline.{Foreign, Native}
  alias Pipeline.Plugin.{Discovery, Error}

  # What has been done so far, latest first: `{:loaded, module}` or `{:path, directory}`.
  @typep done :: [{:loaded, module} | {:path, charlist}]

  @spec load([Discovery.found()]) :: {:ok, [module]} | {:error, Error.t()}
  def load(found), do: load(found, [], [])

  defp load([], modules, _done), do: {:ok, Enum.reverse(modules)}

  defp load([plugin | rest], modules, done) do
    case load_plugin(plugin, done) do
      {:ok, module, done} ->
        load(rest, [module | modules], done)

      {:error, reason, done} ->
        Enum.each(done, &undo/1)
        {:error, error(plugin, reason)}
    end
  end

  defp load_plugin(%{module: module, path: path} = plugin, done) do
    case loaded_from(module) do
      nil -> load_file(plugin, done)
      loaded -> if same_file?(loaded, path), do: {:ok, module, done}, else: elsewhere(module, loaded, done)
    end
  end

  defp elsewhere(module, loaded, done), do: {:error, {:loaded_from_elsewhere, module, loaded}, done}

  # The other modules that stand beside it in an archive are loaded too, where the VM has none of the name: the code
  # server of newer versions of OTP finds nothing in archives.
  @spec load_file(Discovery.found(), done) :: {:ok, module, done} | {:error, term, done}
  defp load_file(%{module: module, path: path, digest: digest}, done) do
    case Native.Discovery.read_plugin_code(path, digest) do
      {:ok, binary, beside} ->
        # One in an archive has no directory that the code server could search.
        done = if File.regular?(path), do: add_path(Path.dirname(path), done), else: done

        with {:ok, module, done} <- load_binary(module, path, binary, done),
             do: load_beside(module, beside, done)

      {:error, reason, sentence} ->
        {:error, {:unreadable, path, reason, sentence}, done}
    end
  end

  defp load_beside(module, [], done), do: {:ok, module, done}

  defp load_beside(module, [{path, binary} | files], done) do
    name = path |> Path.basename(".beam") |> atom()

    if is_nil(name) or :code.which(name) != :non_existing do
      load_beside(module, files, done)
    else
      with {:ok, _beside, done} <- load_binary(name, path, binary, done),
           do: load_beside(module, files, done)
    end
  end

  defp load_binary({:unknown_atom, name}, path, binary, done) do
    case atom(name) do
      nil -> {:error, {:cannot_load, path, :badfile}, done}
      module -> load_binary(module, path, binary, done)
    end
  end

  defp load_binary(module, path, binary, done) do
    case :code.load_binary(module, String.to_charlist(path), binary) do
      {:module, module} -> {:ok, module, [{:loaded, module} | done]}
      {:error, reason} -> {:error, {:cannot_load, path, reason}, done}
    end
  end

  # Loading a module makes its atoms; its name is the first of them.
  defp atom(name) do
    String.to_atom(name)
  rescue
    SystemLimitError -> nil
  end

  defp loaded_from({:unknown_atom, _name}), do: nil

  defp loaded_from(module) do
    case :code.is_loaded(module) do
      false -> nil
      {:file, :cover_compiled} -> :code.where_is_file(~c"#{module}.beam")
      {:file, loaded} -> loaded
    end
  end

  # A directory can have several names.
  defp same_file?(loaded, path) when is_list(loaded) do
    loaded = List.to_string(loaded)
    loaded == path or (identity(loaded) != nil and identity(loaded) == identity(path))
  end

  defp same_file?(_preloaded, _path), do: false

  defp identity(path) do
    case File.stat(path) do
      {:ok, %File.Stat{major_device: device, inode: inode}} when inode != 0 -> {device, inode}
      _ -> nil
    end
  end

  defp add_path(directory, done) do
    directory = String.to_charlist(directory)

    if directory in :code.get_path() do
      done
    else
      :code.add_pathz(directory)
      [{:path, directory} | done]
    end
  end

  defp undo({:path, directory}), do: :code.del_path(directory)

  defp undo({:loaded, module}) do
    :code.purge(module)
    :code.delete(module)
    :code.purge(module)
  end

  defp error(plugin, {:unreadable, path, reason, sentence}) do
    detail = "#{Foreign.path(path)} does not load: #{sentence}"
    %Error{error(plugin, {:cannot_load, path, reason}) | detail: detail}
  end

  defp error(%{module: module, manifest: %{id: id}}, reason) do
    %Error{plugin: known(id), module: known(module), step: :code, reason: reason, detail: detail(reason)}
  end

  defp known({:unknown_atom, name}), do: name
  defp known(name), do: name

  defp detail({:loaded_from_elsewhere, module, loaded}) do
    "#{inspect(module)} is loaded from #{Foreign.line("#{loaded}")} and is not replaced; leave one of the two out, or " <>
      "unload the plugin and purge its module first"
  end

  defp detail({:cannot_load, path, reason}) do
    "#{Foreign.path(path)} does not load: #{inspect(reason)}; compile it again with this version of OTP, or leave it out"
  end
end
