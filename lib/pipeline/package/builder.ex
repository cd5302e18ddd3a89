defmodule Pipeline.Package.Builder do
  @moduledoc false
  # Builds the archive of a package from what Mix has compiled.

  alias Pipeline.Package.{Archive, Contents, Manifest, Platform, Signature}
  alias Pipeline.Plugin.Discovery

  # What a running system does not need, and what tells where and when a module was compiled: with it no two builds in
  # different folders are alike. `:beam_lib.strip/1` would take the attributes too, and with them the plugin's manifest.
  @dropped [~c"Dbgi", ~c"Docs", ~c"CInf", ~c"ExCk", ~c"Abst"]

  @typedoc "An OTP application as it is compiled: its folder has `ebin` and may have `priv`."
  @type app :: %{
          required(:name) => atom,
          required(:version) => String.t(),
          required(:folder) => Path.t(),
          optional(:needs) => [atom]
        }

  @type requires :: %{elixir: String.t(), otp: pos_integer, pipeline_plugin: String.t()}

  @type built :: %{file: String.t(), bytes: binary, manifest: Manifest.t()}

  @doc """
  Builds the package of an application, with its private dependencies.

  `module` names the plugin where the application has several. `key` is a private key to sign with. Errors are sentences.
  """
  @spec build(app, [app], requires, module: module | nil, key: String.t() | nil) ::
          {:ok, built} | {:error, String.t()}
  def build(app, dependencies, requires, opts \\ []) do
    own = files(app, "")
    files = Enum.flat_map(dependencies, &files(&1, "lib/#{&1.name}-#{&1.version}/")) ++ own
    modules = for %{path: path, bytes: bytes} <- files, module = Contents.module(path), do: {module, bytes}

    with :ok <- check_unique(modules),
         {:ok, found} <- find_plugin(app, opts[:module]),
         :ok <- check_version(found.manifest.version, app.version),
         manifest = manifest(app, found, files, modules, requires),
         text = Manifest.encode(manifest),
         # What is written here has to be taken there.
         {:ok, ^manifest} <- decode(text),
         {:ok, signature} <- sign(text, opts[:key]) do
      bytes = Archive.write([entry("plugin.json", text) | signature] ++ files)
      {:ok, %{file: "#{app.name}-#{app.version}.plugin.tar.gz", bytes: bytes, manifest: manifest}}
    end
  end

  defp files(app, prefix) do
    for folder <- ["ebin", "priv"], path <- regular_files(Path.join(app.folder, folder), folder) do
      full = Path.join(app.folder, path)
      bytes = File.read!(full)
      stripped = if Path.extname(path) == ".beam", do: strip(bytes), else: bytes
      executable? = Bitwise.band(File.stat!(full).mode, 0o100) != 0
      %{entry(prefix <> path, stripped) | executable?: executable? and Path.extname(path) != ".beam"}
    end
  end

  # Links are followed: `_build` links to `priv`, and the package has the file.
  defp regular_files(folder, relative) do
    case File.ls(folder) do
      {:ok, names} ->
        names
        |> Enum.reject(&String.starts_with?(&1, "."))
        |> Enum.flat_map(&regular_files(Path.join(folder, &1), relative <> "/" <> &1))

      {:error, :enotdir} ->
        [relative]

      {:error, _} ->
        []
    end
  end

  defp entry(path, bytes), do: %{path: path, bytes: bytes, executable?: false}

  defp strip(beam) do
    {:ok, _module, chunks} = :beam_lib.all_chunks(beam)
    {:ok, stripped} = chunks |> Enum.reject(fn {name, _} -> name in @dropped end) |> :beam_lib.build_module()
    stripped
  end

  defp check_unique(modules) do
    names = Enum.map(modules, &elem(&1, 0))

    case names -- Enum.uniq(names) do
      [] ->
        :ok

      [twice | _] ->
        {:error, "the module #{twice} is in two of the applications that go into the package; rename one"}
    end
  end

  defp find_plugin(app, wanted) do
    {:ok, found} = Discovery.discover_plugins([Path.join(app.folder, "ebin")], on_unreadable: fn _ -> :ok end)
    named = Enum.map(found, &{text(&1.module), &1})

    case {wanted, named} do
      {nil, [{_name, plugin}]} ->
        {:ok, plugin}

      {nil, []} ->
        {:error, "there is no plugin in it: no module uses Pipeline.Plugin"}

      {nil, _several} ->
        {:error,
         "there are several plugins in it: #{list(named)}. Name one: pipeline_package: [plugin: MODULE]"}

      {module, _} ->
        pick(named, Atom.to_string(module))
    end
  end

  defp pick(named, module) do
    case List.keyfind(named, module, 0) do
      {_name, plugin} -> {:ok, plugin}
      nil -> {:error, "#{short(module)} is no plugin of the project. There are: #{list(named)}"}
    end
  end

  defp list(named), do: Enum.map_join(named, ", ", fn {name, _} -> short(name) end)
  defp short(module), do: String.replace_prefix(module, "Elixir.", "")

  defp text({:unknown_atom, name}), do: name
  defp text(module), do: Atom.to_string(module)

  defp check_version(version, version), do: :ok

  defp check_version(plugin, project) do
    {:error,
     "the plugin has the version #{plugin}, and the project #{project}; make them one: " <>
       "use Pipeline.Plugin, version: Mix.Project.config()[:version]"}
  end

  defp manifest(app, found, files, modules, requires) do
    native? = Enum.any?(files, &Platform.native?(&1.path))

    %Manifest{
      name: Atom.to_string(app.name),
      version: app.version,
      module: text(found.module),
      plugin: Manifest.describe(found.manifest),
      requires: requires,
      platforms: if(native?, do: [Platform.name()], else: []),
      modules: Map.new(modules, fn {module, bytes} -> {module, Contents.md5(bytes)} end),
      files: Map.new(files, &{&1.path, Contents.sha256(&1.bytes)})
    }
  end

  defp decode(text) do
    with {:error, {:invalid_manifest, sentence}} <- Manifest.decode(text),
         do: {:error, "the plugin.json of it #{sentence}"}
  end

  defp sign(_text, nil), do: {:ok, []}

  defp sign(text, key) do
    case Signature.sign(text, key) do
      {:ok, signature} ->
        {:ok, [entry("plugin.sig", signature)]}

      {:error, :bad_key} ->
        {:error, "the key to sign with is none; mix pipeline.package --new-key PATH makes a pair"}
    end
  end
end
