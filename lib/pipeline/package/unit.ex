defmodule Pipeline.Package.Unit do
  @moduledoc false
  # What is loaded, upgraded and purged together: the modules of a package with their code, and its OTP applications.
  #
  # A unit comes from the folder of a package; from a folder with an `ebin`, or with BEAM files in it; or from an `.ez`. It
  # keeps the code of its modules, since the files may be gone or others when it has to come back.

  alias Pipeline.Native
  alias Pipeline.Package.{Archive, Contents, Problem, Signature}
  alias Pipeline.Plugin.{Discovery, Error}

  @enforce_keys [:key, :label, :plugins, :modules]
  defstruct [:key, :label, :plugins, :modules, app: nil, apps: [], paths: [], gone: []]

  @type code :: %{md5: binary, file: charlist, binary: binary}

  @type t :: %__MODULE__{
          # The folder or the file that it is from.
          key: Path.t(),
          # For people.
          label: String.t(),
          plugins: [module],
          modules: %{module => code},
          # The application of the package, which starts with its plugin, if it has one, and all that it brings.
          app: atom | nil,
          apps: [{atom, spec :: term}],
          # What joins the code path, so that `priv` is found.
          paths: [charlist],
          # Modules of a version before, which some process may still have run when it was upgraded.
          gone: [module]
        }

  @doc """
  Reads the unit at a path: the folder of a package, a folder with BEAM files, an `.ez`, or a BEAM file, which stands for the
  folder or the archive it is in. Code is not loaded; its atoms are made.

  With `trust:`, a folder is that of a package: one whose `plugin.json` was taken away would need no signature.
  """
  @spec read(Path.t(), trust: [Signature.public_key()] | nil) :: {:ok, t} | {:error, Error.t()}
  def read(path, opts \\ []) do
    path = Path.expand(path)

    cond do
      File.dir?(path) and opts[:trust] != nil -> read_package(path, opts[:trust])
      File.dir?(path) -> read_directory(path, opts)
      Path.extname(path) == ".ez" -> read_archive(path)
      true -> read_beside(path, opts)
    end
  end

  defp read_directory(folder, opts) do
    ebin = Path.join(folder, "ebin")

    cond do
      File.regular?(Path.join(folder, "plugin.json")) -> read_package(folder, opts[:trust])
      File.dir?(ebin) -> read_folder(ebin)
      true -> read_folder(folder)
    end
  end

  # In an archive it is `archive.ez/inner/x.beam`.
  defp read_beside(path, opts) do
    directory = Path.dirname(path)
    ebin? = Path.basename(directory) == "ebin"

    case String.split(path, ".ez/", parts: 2) do
      [archive, _inner] -> read_archive(archive <> ".ez")
      _ when ebin? -> read_directory(Path.dirname(directory), opts)
      _ -> read_folder(directory)
    end
  end

  defp read_package(folder, trust) do
    with {:ok, %{manifest: manifest, entries: entries} = contents} <-
           Contents.read_folder(folder, Archive.limits()),
         :ok <- Contents.check_trust(contents, trust),
         :ok <- Contents.check_platform(manifest),
         {:ok, apps} <- apps(entries) do
      modules =
        for {path, %{bytes: bytes}} <- entries, name = Contents.module(path), into: %{} do
          {String.to_atom(name), code(Path.join(folder, path), bytes)}
        end

      {:ok,
       %__MODULE__{
         key: folder,
         label: "#{manifest.name} #{manifest.version}",
         plugins: [String.to_atom(manifest.module)],
         modules: modules,
         app: String.to_atom(manifest.name),
         apps: apps,
         paths: entries |> Map.keys() |> Enum.filter(&Contents.module/1) |> paths(folder)
       }}
    else
      {:error, reason} -> {:error, Problem.error(:load, folder, reason)}
    end
  end

  defp paths(beams, folder) do
    beams |> Enum.map(&String.to_charlist(Path.join(folder, Path.dirname(&1)))) |> Enum.uniq() |> Enum.sort()
  end

  defp apps(entries) do
    files = for {path, %{bytes: bytes}} <- entries, Path.extname(path) == ".app", do: {path, bytes}
    parse_apps(files, [])
  end

  defp parse_apps([], apps), do: {:ok, apps}

  defp parse_apps([{path, bytes} | files], apps) do
    with {:ok, tokens, _} <- bytes |> to_text() |> :erl_scan.string(),
         {:ok, {:application, name, properties}} when is_atom(name) and is_list(properties) <-
           :erl_parse.parse_term(tokens) do
      parse_apps(files, [{name, {:application, name, without_library(properties)}} | apps])
    else
      _ -> {:error, {:invalid_app, path}}
    end
  end

  # It is there. While it starts and loads plugins, an application that waits for it would wait for ever.
  defp without_library(properties) do
    for property <- properties do
      case property do
        {:applications, apps} when is_list(apps) -> {:applications, apps -- [:pipeline_plugin]}
        other -> other
      end
    end
  end

  defp to_text(bytes),
    do: if(String.valid?(bytes), do: String.to_charlist(bytes), else: :binary.bin_to_list(bytes))

  # Without a plugin.json: the modules that are there, and the application that there may be.
  defp read_folder(ebin) do
    names = with {:ok, names} <- File.ls(ebin), do: Enum.sort(names), else: (_ -> [])
    paths = for name <- names, do: Path.join(ebin, name)
    beams = for path <- paths, Path.extname(path) == ".beam", File.regular?(path), do: {path, File.read(path)}

    files =
      for path <- paths, Path.extname(path) == ".app", {:ok, bytes} <- [File.read(path)], do: {path, bytes}

    with {:ok, apps} <- parse_apps(files, []),
         {:ok, modules} <- modules(beams) do
      {:ok,
       %__MODULE__{
         key: ebin,
         label: ebin,
         plugins: plugins(modules),
         modules: modules,
         app: with([{name, _}] <- apps, do: name, else: (_ -> nil)),
         apps: apps,
         paths: [String.to_charlist(ebin)]
       }}
    else
      {:error, reason} -> {:error, Problem.error(:load, ebin, reason)}
    end
  end

  defp modules(beams) do
    Enum.reduce_while(beams, {:ok, %{}}, fn
      {path, {:ok, bytes}}, {:ok, modules} ->
        # A file may be compressed, and have any name.
        case :beam_lib.info(bytes) do
          [{:binary, _}, {:module, module} | _] -> {:cont, {:ok, Map.put(modules, module, code(path, bytes))}}
          _ -> {:cont, {:ok, modules}}
        end

      {path, {:error, posix}}, _modules ->
        {:halt, {:error, {:disk, path, posix}}}
    end)
  end

  defp read_archive(path) do
    {:ok, found} = Discovery.discover_plugins([path], on_unreadable: fn _ -> :ok end)

    with [first | _] <- found,
         {:ok, binary, beside} <- Native.Discovery.read_plugin_code(first.path, first.digest) do
      beams = for {file, bytes} <- [{first.path, binary} | beside], do: {file, {:ok, bytes}}
      {:ok, modules} = modules(beams)
      {:ok, %__MODULE__{key: path, label: path, plugins: plugins(modules), modules: modules}}
    else
      [] ->
        {:error, Problem.error(:load, path, {:no_plugin, path})}

      {:error, reason, sentence} ->
        {:error, Problem.error(:load, path, {:bad_archive, "#{reason}: #{sentence}"})}
    end
  end

  defp plugins(modules), do: for({module, %{binary: binary}} <- modules, attribute(binary), do: module)

  @doc "The id of a plugin of the unit, as it will have it when it is loaded."
  @spec plugin_id(t, module) :: Pipeline.Plugin.plugin_id()
  def plugin_id(%__MODULE__{modules: modules}, module), do: attribute(modules[module].binary).id

  defp attribute(binary) do
    with {:ok, {_module, [attributes: attributes]}} <- :beam_lib.chunks(binary, [:attributes]),
         [%{id: _} = manifest] <- attributes[:pipeline_plugin] do
      manifest
    else
      _ -> nil
    end
  end

  defp code(path, bytes) do
    bytes = if match?(<<31, 139, _::binary>>, bytes), do: :zlib.gunzip(bytes), else: bytes
    %{md5: :code.module_md5(bytes), file: String.to_charlist(path), binary: bytes}
  end
end
