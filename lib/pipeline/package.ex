defmodule Pipeline.Package do
  @moduledoc """
  Installs packages of plugins, and upgrades plugins to them.

  A package is one plugin with all its modules, its private dependencies and its `priv`, in one file
  `NAME-VERSION.plugin.tar.gz`. `mix pipeline.package` builds it in the plugin's project. An instance has a folder for
  packages:

      {Pipeline.Plugin.Manager, name: MyApp.Plugins, packages: "/var/lib/my_app/packages"}

  Installing puts a package there:

      {:ok, %{name: "greeter", version: "1.0.0"}} =
        Pipeline.Package.install("greeter-1.0.0.plugin.tar.gz", instance: MyApp.Plugins)

      {:ok, :greeter} = Pipeline.Plugin.Manager.load_plugin("greeter", %{}, instance: MyApp.Plugins)
      {:ok, "1.1.0"} = Pipeline.Package.upgrade(:greeter, "greeter-1.1.0.plugin.tar.gz", instance: MyApp.Plugins)
      Pipeline.Package.list(instance: MyApp.Plugins)
      Pipeline.Package.uninstall("greeter", instance: MyApp.Plugins)

  From the shell of a release that runs: `bin/my_app rpc 'Pipeline.Package.install!("https://…")'`. The tasks
  `mix pipeline.install` and so on do the same where there is Mix.

  ## Loaded as a unit

  Loading a package loads all its modules, also in a release, which loads nothing by itself. Its OTP application, with its
  environment, its `priv` and its supervision tree, starts before `c:Pipeline.Plugin.init/1` and stops after
  `c:Pipeline.Plugin.stop/1`. Instances share it, and it stops with the last plugin that needs it.

  Code belongs to the whole VM. A module that the VM has already in the same version is shared, and goes with the last
  package that has it. One that the host or another package has in another version refuses the load, with
  `{:module_clash, [{module, owner}]}`. `unload_plugin(id, purge: true)` takes all modules of the package out.

  A package may implement protocols of the host and of Elixir, which are consolidated: they know its implementations while
  it is loaded, in releases too. Meanwhile nothing can be derived (`@derive`) from such a protocol in this VM.

  An upgrade changes all modules in one step while no hook of the plugin runs, starts the application anew, and takes out
  what the new version does not have. When anything fails, the version before is back whole; a process of the package that
  still runs code of it is ended then. A package that several instances use is not upgraded in one of them, with
  `{:used_by, users}`, but in all with `instances: :all`.

  ## Options

  All functions but `upgrade/3`, which takes those of `Pipeline.Plugin.Manager.upgrade_plugin/3`, take

    * `:packages` - the folder; by default that of the instance
    * `:instance` - by default the application's own, whose folder is `config :pipeline_plugin, packages: "/path"`
    * `:progress` - called with a step, how much of it is done and how much there is (`nil` if that is not known). The
      steps are `:download` (bytes), `:check`, `:unpack` (files), `:install` and `:uninstall`

  `install/2` and `verify/2` take

    * `:trust` - public keys, as `mix pipeline.package --new-key` prints them. A package has to be signed by one of them.
      By default `config :pipeline_plugin, trust: [...]`; without that, packages need no signature. `nil` asks for none.
      With that setting, a plugin that is loaded or upgraded from a folder has to be a signed package, too
    * `:max_bytes`, `:max_unpacked`, `:max_files` - how large the archive and what it unpacks to may be, in bytes, and how
      many files it may have; by default 64 MiB, 256 MiB and 5,000
    * `:timeout` - milliseconds for a download, by default a minute

  ## Errors

  An error is a `Pipeline.Plugin.Error` of the step `:package`. Its reasons are

  | reason | meaning |
  |---|---|
  | `{:not_found, path}`, `{:bad_url, url}`, `{:download, term}` | there is no such file, or it cannot be fetched |
  | `{:too_large, :archive \\| :unpacked \\| :files, limit}` | it is larger than allowed |
  | `{:bad_archive, sentence}` | it is no gzipped tar in the format `ustar`, or is damaged |
  | `{:bad_path, path}`, `{:link, path}` | it has a file that would leave the folder, or a link |
  | `{:no_manifest, path}`, `{:invalid_manifest, sentence}` | it has no usable `plugin.json` |
  | `{:missing_file, path}`, `{:unlisted_file, path}`, `{:hash_mismatch, path}`, `{:module_mismatch, module}`, `{:module_twice, module}` | its files are not those that `plugin.json` lists |
  | `:bad_signature`, `:unsigned`, `{:untrusted, key}` | it is not signed by a key of `:trust` |
  | `{:wrong_platform, platforms, this}` | its native libraries are for others |
  | `{:requires, :elixir \\| :otp \\| :pipeline_plugin, needed, this}` | it needs another version |
  | `{:protocol, module, reason}` | it implements a consolidated protocol that cannot be made to know that |
  | `{:in_use, [{instance, id}]}` | instances have its plugin |
  | `:no_packages_folder` | the instance has no folder for packages |
  | `{:already_installed, name, version}` | another package of this name and version is installed |
  | `{:not_installed, name}`, `{:several_versions, versions}` | no package is meant, or several |
  | `{:disk, path, posix}` | a file could not be read or written |

  ## What an installation guarantees

  All checks come before the first byte is written. Then the files are written to a folder beside, and appear by one
  rename. A VM that is killed meanwhile leaves the package whole or nothing of it; the rest goes when an instance with
  this folder starts, or with the next installation. Give a folder to the instances of one VM.
  """

  alias Pipeline.{Instance, Options, RegularFile}
  alias Pipeline.Package.{Archive, Contents, Diagnosis, Download, Folder, Manifest, Problem, Signature, Units}
  alias Pipeline.Plugin.{Error, Manager, Packages}

  @limits [max_bytes: :archive, max_unpacked: :unpacked, max_files: :files]
  @checks [:trust, :progress, :timeout | Keyword.keys(@limits)]
  @timeout 60_000

  @typedoc "The path of an archive or of a folder with a `plugin.json`, an `http://` or `https://` URL, or the bytes of an archive."
  @type source :: Path.t() | String.t() | binary

  @typedoc """
  A package.

  `id` is that of its plugin as text, `platforms` is empty where it runs everywhere, `path` is its folder, `nil` for an
  archive. `used_by` are the plugins of this VM that are loaded from it.
  """
  @type info :: %{
          name: String.t(),
          version: String.t(),
          id: String.t(),
          description: String.t(),
          path: Path.t() | nil,
          used_by: [{instance :: term, Pipeline.Plugin.plugin_id()}],
          signed_by: String.t() | nil,
          platforms: [String.t()],
          requires: %{elixir: String.t(), otp: pos_integer, pipeline_plugin: String.t()},
          dependencies: [String.t()],
          modules: [String.t()]
        }

  @doc """
  Installs a package. The same package once more is no error.

  It is not loaded.
  """
  @spec install(source, keyword) :: {:ok, info} | {:error, Error.t()}
  def install(source, opts \\ []) do
    Options.validate!(opts, [:instance, :packages | @checks], "Pipeline.Package.install/2")

    with {:ok, folder} <- folder(opts),
         {:ok, contents} <- read(source, opts),
         :ok <- Contents.check_trust(contents, trust!(opts)),
         :ok <- Contents.check_platform(contents.manifest),
         {:ok, path} <- Folder.install(folder, contents, progress(opts)) do
      {:ok, describe(contents.manifest, contents.signed_by, path)}
    else
      {:error, reason} -> {:error, Problem.error(:install, shown(source), reason)}
    end
  end

  @doc "As `install/2`, but returns the package, and raises the error."
  @spec install!(source, keyword) :: info
  def install!(source, opts \\ []), do: source |> install(opts) |> value!()

  @doc """
  Takes a package out of the folder.

  It is called by its name, or by `NAME-VERSION` where several versions are installed.
  """
  @spec uninstall(String.t(), keyword) :: :ok | {:error, Error.t()}
  def uninstall(name, opts \\ []) do
    Options.validate!(opts, [:instance, :packages, :progress], "Pipeline.Package.uninstall/2")

    with {:ok, folder} <- folder(opts),
         {:ok, path} <- find(folder, name),
         :ok <- check_unused(path),
         :ok <- Folder.uninstall(folder, path, progress(opts)) do
      :ok
    else
      {:error, reason} -> {:error, Problem.error(:uninstall, name, reason)}
    end
  end

  @doc "As `uninstall/2`, but raises the error."
  @spec uninstall!(String.t(), keyword) :: :ok
  def uninstall!(name, opts \\ []), do: name |> uninstall(opts) |> value!()

  @doc """
  The packages that are installed, by name and version.

  A folder whose `plugin.json` cannot be read is left out; `verify/2` says why.
  """
  @spec list(keyword) :: [info]
  def list(opts \\ []) do
    Options.validate!(opts, [:instance, :packages], "Pipeline.Package.list/1")

    case folder(opts) do
      {:ok, folder} -> for path <- Folder.list(folder), {:ok, info} <- [read_info(path)], do: info
      {:error, _} -> []
    end
  end

  @doc "An installed package, or the first of the reasons why there is none of the name."
  @spec info(String.t(), keyword) :: {:ok, info} | {:error, Error.t()}
  def info(name, opts \\ []) do
    Options.validate!(opts, [:instance, :packages], "Pipeline.Package.info/2")

    with {:ok, folder} <- folder(opts), {:ok, path} <- find(folder, name), {:ok, info} <- read_info(path) do
      {:ok, info}
    else
      {:error, reason} -> {:error, Problem.error(:find, name, reason)}
    end
  end

  @doc "As `info/2`, but returns the package, and raises the error."
  @spec info!(String.t(), keyword) :: info
  def info!(name, opts \\ []), do: name |> info(opts) |> value!()

  @doc """
  Checks all that a package says of itself: its files, its signature.

  It takes the name of an installed package, or what `install/2` takes. Whether it fits this VM is not asked.
  """
  @spec verify(source, keyword) :: {:ok, info} | {:error, Error.t()}
  def verify(source, opts \\ []) do
    Options.validate!(opts, [:instance, :packages | @checks], "Pipeline.Package.verify/2")
    installed = if is_binary(source) and Folder.split(source) != :error, do: installed_path(source, opts)

    with {:ok, contents} <- read(installed || source, opts),
         :ok <- Contents.check_trust(contents, trust!(opts)) do
      {:ok, describe(contents.manifest, contents.signed_by, installed)}
    else
      {:error, reason} -> {:error, Problem.error(:verify, shown(source), reason)}
    end
  end

  @doc "As `verify/2`, but returns the package, and raises the error."
  @spec verify!(source, keyword) :: info
  def verify!(source, opts \\ []), do: source |> verify(opts) |> value!()

  @doc """
  What is wrong with the packages that are installed, each with a sentence: changed files, wrong signatures, versions and
  platforms that do not fit, modules that two packages have in different versions, dependencies that nothing meets.
  """
  @spec diagnose(keyword) :: [{package :: String.t(), sentence :: String.t()}]
  def diagnose(opts \\ []) do
    Options.validate!(opts, [:instance, :packages, :trust], "Pipeline.Package.diagnose/1")
    with {:ok, folder} <- folder(opts), do: Diagnosis.run(folder, trust!(opts)), else: (_ -> [])
  end

  @doc """
  Puts another version in the place of a plugin that runs: `Pipeline.Plugin.Manager.upgrade_plugin/3` to a package.

  The package is the name of one that is installed, of which the newest version is taken, `NAME-VERSION`, a path, or a
  URL or an archive, which is installed first. To go back to a version that is still installed, upgrade to that.
  """
  @spec upgrade(Pipeline.Plugin.plugin_id(), String.t(), keyword) ::
          {:ok, Pipeline.Plugin.version()} | {:error, Error.t()}
  def upgrade(id, package, opts \\ []) do
    case locate(package, Packages.folder(opts[:instance] || Instance.default())) do
      {:ok, path} -> Manager.upgrade_plugin(id, path, opts)
      {:error, reason} -> {:error, Error.of(Problem.error(:upgrade, shown(package), reason), :upgrade, id)}
    end
  end

  @doc "As `upgrade/3`, but returns the version, and raises the error."
  @spec upgrade!(Pipeline.Plugin.plugin_id(), String.t(), keyword) :: Pipeline.Plugin.version()
  def upgrade!(id, package, opts \\ []), do: id |> upgrade(package, opts) |> value!()

  @doc false
  # Whether a folder has a `plugin.json`.
  @spec installed?(Path.t()) :: boolean
  def installed?(folder), do: File.regular?(Path.join(folder, "plugin.json"))

  @doc false
  # The archive of a folder, for another node.
  @spec pack(Path.t()) :: {:ok, Packages.packed()} | {:error, Error.t()}
  def pack(folder) do
    with {:ok, %{manifest: manifest, entries: entries}} <- Contents.read_folder(folder, Archive.limits()) do
      {:ok,
       %{
         name: "#{manifest.name}-#{manifest.version}",
         archive: Archive.write(Map.values(entries)),
         module: String.to_atom(manifest.module),
         md5: Base.decode16!(manifest.modules[manifest.module], case: :lower)
       }}
    else
      {:error, reason} -> {:error, Problem.error(:load, folder, reason)}
    end
  end

  @doc false
  # Where the package is that is meant; one that has to be installed is.
  @spec locate(String.t(), folder :: Path.t() | nil) :: {:ok, Path.t()} | {:error, term}
  def locate(package, folder) do
    cond do
      Download.url?(package) or String.ends_with?(package, ".tar.gz") ->
        locate_installed(package, folder)

      Folder.split(package) != :error ->
        with({:ok, folder} <- given(folder), do: find_newest(folder, package))

      File.exists?(package) ->
        {:ok, Path.expand(package)}

      true ->
        {:error, {:not_found, package}}
    end
  end

  defp locate_installed(source, folder) do
    with {:ok, folder} <- given(folder),
         {:ok, info} <- install(source, packages: folder),
         do: {:ok, info.path}
  end

  defp given(nil), do: {:error, :no_packages_folder}
  defp given(folder), do: {:ok, Path.expand(folder)}

  defp find_newest(folder, name) do
    with {:error, {:several_versions, versions}} <- find(folder, name) do
      {:ok, Folder.path(folder, name, Enum.max(versions, Version))}
    end
  end

  defp check_unused(path) do
    if (users = users(path)) == [], do: :ok, else: {:error, {:in_use, users}}
  end

  defp users(path), do: if(unit = Units.all()[path], do: Units.users(unit), else: [])

  defp installed_path(name, opts) do
    with {:ok, folder} <- folder(opts), {:ok, path} <- find(folder, name), do: path, else: (_ -> nil)
  end

  # Sources

  defp read(<<31, 139, _::binary>> = bytes, opts), do: check(bytes, opts)

  defp read(source, opts) when is_binary(source) do
    cond do
      Download.url?(source) -> download(source, opts)
      File.dir?(source) -> checking(opts, fn -> Contents.read_folder(source, limits!(opts)) end)
      true -> read_file(source, opts)
    end
  end

  defp read(source, _opts) do
    raise ArgumentError, "a package is a path, a URL or the bytes of an archive, got: #{inspect(source)}"
  end

  defp download(url, opts) do
    progress = progress(opts)
    timeout = positive!(opts, :timeout, @timeout)

    with {:ok, bytes} <- Download.get(url, limits!(opts).archive, timeout, &progress.(:download, &1, &2)),
         do: check(bytes, opts)
  end

  defp read_file(path, opts) do
    limit = limits!(opts).archive

    case RegularFile.read(path, limit) do
      {:ok, bytes} -> check(bytes, opts)
      {:too_large, limit} -> {:error, {:too_large, :archive, limit}}
      {:error, :enoent} -> {:error, {:not_found, path}}
      {:error, posix} -> {:error, {:disk, path, posix}}
    end
  end

  defp check(bytes, opts), do: checking(opts, fn -> Contents.read_archive(bytes, limits!(opts)) end)

  defp checking(opts, check) do
    progress = progress(opts)
    progress.(:check, 0, 1)
    with {:ok, _contents} = checked <- check.(), do: tap(checked, fn _ -> progress.(:check, 1, 1) end)
  end

  # Options

  defp folder(opts) do
    case opts[:packages] || Packages.folder(opts[:instance] || Instance.default()) do
      nil -> {:error, :no_packages_folder}
      folder when is_binary(folder) -> {:ok, Path.expand(folder)}
      other -> raise ArgumentError, "packages: is the path of a folder, got: #{inspect(other)}"
    end
  end

  defp trust!(opts) do
    case Keyword.get_lazy(opts, :trust, fn -> Application.get_env(:pipeline_plugin, :trust) end) do
      nil -> nil
      keys when is_list(keys) -> Enum.map(keys, &key!/1)
      other -> raise ArgumentError, "trust: is a list of public keys, got: #{inspect(other)}"
    end
  end

  defp key!(key) do
    case Signature.public_key(key) do
      {:ok, key} -> key
      :error -> raise ArgumentError, "a key of trust: is text as \"ed25519:…\", got: #{inspect(key)}"
    end
  end

  defp limits!(opts) do
    for({option, limit} <- @limits, opts[option] != nil, do: {limit, positive!(opts, option, nil)})
    |> Archive.limits()
  end

  defp positive!(opts, option, default) do
    case Keyword.get(opts, option, default) do
      number when is_integer(number) and number > 0 -> number
      other -> raise ArgumentError, "#{option}: is a positive integer, got: #{inspect(other)}"
    end
  end

  defp progress(opts), do: opts[:progress] || fn _step, _done, _all -> :ok end

  # What is installed

  defp find(folder, name) do
    paths = Folder.list(folder)

    with {of, version} <- if(is_binary(name), do: Folder.split(name), else: :error),
         [path] <- Enum.filter(paths, &named?(Path.basename(&1), of, version)) do
      {:ok, path}
    else
      [_ | _] = several -> {:error, {:several_versions, for(path <- several, do: version(path))}}
      _ -> {:error, {:not_installed, name}}
    end
  end

  defp named?(folder, name, nil), do: match?({^name, _}, Folder.split(folder))
  defp named?(folder, name, version), do: Folder.split(folder) == {name, version}

  defp version(path) do
    {_name, version} = path |> Path.basename() |> Folder.split()
    version
  end

  defp read_info(path) do
    with {:ok, manifest} <- Contents.read_manifest(path) do
      {:ok, describe(manifest, signed_by(path), path)}
    end
  end

  defp signed_by(path) do
    with {:ok, text} <- RegularFile.read(Path.join(path, "plugin.json"), Manifest.most_bytes()),
         {:ok, signature} <- RegularFile.read(Path.join(path, "plugin.sig"), Signature.most_bytes()),
         {:ok, key} <- Signature.verify(text, signature) do
      key
    else
      _ -> nil
    end
  end

  defp describe(manifest, signed_by, path) do
    %{
      name: manifest.name,
      version: manifest.version,
      id: Manifest.plugin_id(manifest),
      description: text(manifest.plugin["description"]),
      path: path,
      used_by: users(path),
      signed_by: signed_by,
      platforms: manifest.platforms,
      requires: manifest.requires,
      dependencies: Manifest.dependencies(manifest),
      modules: manifest.modules |> Map.keys() |> Enum.sort()
    }
  end

  defp text(text) when is_binary(text), do: text
  defp text(_other), do: ""

  defp shown(<<31, 139, _::binary>>), do: "given as bytes"
  defp shown(source), do: if(Download.url?(source), do: Download.shown(source), else: source)

  defp value!(:ok), do: :ok
  defp value!({:ok, value}), do: value
  defp value!({:error, error}), do: raise(error)
end
