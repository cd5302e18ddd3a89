defmodule Pipeline.Plugin.Discovery.Code do
  @moduledoc false
  # Loads the code of found plugins, each with all modules of the folder or the archive that it is in.

  alias Pipeline.{Foreign, Native}
  alias Pipeline.Package.{Problem, Server, Unit}
  alias Pipeline.Plugin.{Discovery, Error}

  @spec load([Discovery.found()]) :: {:ok, [module]} | {:error, Error.t()}
  def load(found), do: load(found, [], [], found)

  defp load([], modules, _loaded, _found), do: {:ok, Enum.reverse(modules)}

  defp load([plugin | rest], modules, loaded, found) do
    case load_plugin(plugin) do
      {:ok, module, nil} ->
        load(rest, [module | modules], loaded, found)

      {:ok, module, key} ->
        load(rest, [module | modules], [key | loaded], found)

      {:error, reason} ->
        for key <- loaded, do: Server.purge(key, false)
        {:error, error(plugin, reason, found)}
    end
  end

  defp load_plugin(%{module: module, path: path} = plugin) do
    case loaded_from(module) do
      nil ->
        load_unit(plugin)

      loaded ->
        if same_file?(loaded, path),
          do: {:ok, module, nil},
          else: {:error, {:loaded_from_elsewhere, module, loaded}}
    end
  end

  defp load_unit(%{module: module, path: path, digest: digest}) do
    with {:ok, binary, _beside} <- Native.Discovery.read_plugin_code(path, digest),
         {:ok, unit} <-
           Unit.read(path, trust: Application.get_env(:pipeline_plugin, :trust)),
         {:ok, module} <- find(unit, module, binary, path),
         {:ok, how} <- Server.load(unit) do
      {:ok, module, if(how == :loaded, do: unit.key)}
    else
      {:error, reason, sentence} -> {:error, {:unreadable, path, reason, sentence}}
      {:error, reason} -> {:error, reason}
    end
  end

  # The module whose manifest was read, and no other that came in its place.
  defp find(unit, module, binary, path) do
    name = name(module)
    md5 = :code.module_md5(binary)

    case Enum.find(unit.modules, fn {module, _code} -> Atom.to_string(module) == name end) do
      {module, %{md5: ^md5}} -> {:ok, module}
      _ -> {:error, {:cannot_load, path, :changed}}
    end
  end

  defp name({:unknown_atom, name}), do: name
  defp name(module), do: Atom.to_string(module)

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

  defp error(_plugin, %Error{} = error, _found), do: error

  defp error(plugin, {:unreadable, path, reason, sentence}, _found) do
    detail = "#{Foreign.path(path)} does not load: #{sentence}"
    %Error{new(plugin, {:cannot_load, path, reason}) | detail: detail}
  end

  # It may be another of the folder that does not load.
  defp error(plugin, {:cannot_load, path, reason}, found) do
    plugin = Enum.find(found, plugin, &(&1.path == path))

    detail =
      "#{Foreign.path(path)} does not load: #{inspect(reason)}; compile it again with this version of OTP, or leave it out"

    %Error{new(plugin, {:cannot_load, path, reason}) | detail: detail}
  end

  defp error(plugin, {:loaded_from_elsewhere, module, loaded} = reason, _found) do
    detail =
      "#{inspect(module)} is loaded from #{Foreign.line("#{loaded}")} and is not replaced; leave one of the two out, or " <>
        "unload the plugin and purge its module first"

    %Error{new(plugin, reason) | detail: detail}
  end

  defp error(plugin, reason, _found), do: %Error{new(plugin, reason) | detail: Problem.sentence(reason)}

  defp new(%{module: module, manifest: %{id: id}}, reason) do
    %Error{plugin: known(id), module: known(module), step: :code, reason: reason}
  end

  defp known({:unknown_atom, name}), do: name
  defp known(name), do: name
end
