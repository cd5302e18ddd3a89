defmodule Pipeline.Plugin.Discovery do
  @moduledoc """
  Finds plugins in BEAM files, without loading them.

      {:ok, found} = Pipeline.Plugin.Discovery.discover_plugins(["plugins/*/ebin"])
      {:ok, modules} = Pipeline.Plugin.Discovery.load_code(found)
      {:ok, ids} = Pipeline.Plugin.Manager.load_plugins(modules)

  The manifests are read by Rust threads, off the schedulers, from an attribute of the BEAM files. No code runs and no
  atom is made: an atom of a manifest that the VM does not know yet is `{:unknown_atom, name}`, until `load_code/1`
  loads the module.
  """

  alias Pipeline.Native
  alias Pipeline.Plugin.Discovery.{Code, Diagnosis, Stripped}
  alias Pipeline.{Foreign, Options}
  alias Pipeline.Plugin.{Error, Manifest}

  require Logger

  @typedoc "An atom, or the name of one that the VM does not know yet."
  @type name :: atom | {:unknown_atom, String.t()}

  @typedoc """
  A plugin that was found.

  `path` is the BEAM file; of a module in an archive it is `archive.ez/inner/x.beam`. `load_code/1` recognises the file
  by `digest`: SHA-256 of the file, or of the archive and the module.
  """
  @type found :: %{manifest: Manifest.t() | map, module: name, path: Path.t(), digest: binary}

  @typedoc """
  A file that may hold a plugin and cannot be used.

  `path` can hold any character that a file name can. A path that is not UTF-8 has its bytes escaped (`\\xff`).
  `message` is one line without control characters.
  """
  @type unreadable :: %{path: Path.t(), reason: atom, message: String.t()}

  @typedoc """
  Whether a found plugin can be loaded with the others: one is passed over for another version or a copy of it,
  unloadable for what the sentence says.
  """
  @type verdict :: :loadable | {:passed_over, sentence :: String.t()} | {:unloadable, sentence :: String.t()}

  @doc """
  Finds the plugins below some paths, sorted by path.

  A path is a directory (its own `*.beam` files and `*.ez` archives, those of its `ebin`, and `*/ebin` below it), a
  BEAM file, an archive or a glob of those.

  ## Options

    * `:on_unreadable` - called with each `t:unreadable/0`; by default it is logged as a warning
    * `:progress` - called with the number of files read so far and the number of files
  """
  @spec discover_plugins([Path.t()], keyword) :: {:ok, [found]}
  def discover_plugins(paths, opts \\ []) do
    Options.validate!(
      opts,
      [:on_unreadable, :progress],
      "Pipeline.Plugin.Discovery.discover_plugins/2"
    )

    _known = Manifest.words()
    progress = opts[:progress] || fn _done, _all -> :ok end
    {read, failed} = Native.Discovery.discover(Enum.map(paths, &Path.expand/1), progress)
    {found, unusable} = read |> Enum.map(&found/1) |> Enum.split_with(&is_map_key(&1, :manifest))

    on_unreadable = opts[:on_unreadable] || (&warn/1)
    unreadable = for {path, reason, message} <- failed, do: %{path: path, reason: reason, message: message}
    seen = for %{path: path} <- found ++ unusable ++ unreadable, do: path
    stripped = Stripped.find(paths, seen)
    for file <- Enum.sort_by(unreadable ++ unusable ++ stripped, & &1.path), do: on_unreadable.(file)

    {:ok, found}
  end

  @doc """
  Loads the modules of found plugins, so that they can be given to `Pipeline.Plugin.Manager.load_plugins/2`.

  All modules that stand beside a plugin, in its directory or in its archive, are loaded with it, and its directory joins
  the end of the code path. A file or an archive that has changed since it was found is not loaded. A plugin that is
  loaded from elsewhere is not replaced. Of the modules beside it, those that the VM has already are shared if they are
  the same; where one is another, `{:module_clash, [{module, owner}]}` says whose it is.

  The error is a `Pipeline.Plugin.Error` whose step is `:code`. The modules that this call had loaded are
  unloaded then, and the code path is as it was.
  """
  @spec load_code([found]) :: {:ok, [module]} | {:error, Error.t()}
  def load_code(found), do: Code.load(found)

  @doc """
  Tells which of the found plugins could be loaded together, were no other loaded, and what keeps the rest from it: a
  dependency that nothing meets, a cycle, a conflict of versions.

  Of several versions the one is taken that `Pipeline.Plugin.Loader.solve/3` chooses. Where not all plugins go together,
  those that come first do.
  """
  @spec diagnose([found]) :: [{found, verdict}]
  defdelegate diagnose(found), to: Diagnosis

  defp found({path, module, manifest, [], digest}) do
    case Manifest.check(manifest) do
      :ok -> %{path: path, module: module, manifest: manifest, digest: digest}
      {:error, sentence} -> %{path: path, reason: :invalid_manifest, message: sentence}
    end
  end

  defp found({path, _module, _manifest, missing, _digest}) do
    names = Enum.map_join(missing, ", ", fn {name, arity} -> "#{name}/#{arity}" end)
    message = "it carries a manifest but does not export #{names}; recompile it with use Pipeline.Plugin"
    %{path: path, reason: :missing_callbacks, message: message}
  end

  defp warn(%{path: path, message: message}) do
    Logger.warning("no plugin in #{Foreign.path(path)}: #{Foreign.line(message)}")
  end
end
