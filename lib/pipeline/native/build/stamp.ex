defmodule Pipeline.Native.Build.Stamp do
  @moduledoc false
  # Remembers what an installed library was made of, so that `mix compile` need not ask Cargo.
  #
  # The stamp lies beside the library. It has the hash of the library, and of either each source file with the settings
  # of the build, or the artefact that it came out of. Cargo names the source files in the `.d` file of the library.

  alias Pipeline.Native.Build.{Cargo, Crate}

  # Files that change a build and that no `.d` file names, of the crate's folder and of those above it. One that is added
  # counts as a change.
  @settings ~w(Cargo.toml Cargo.lock)
  @inherited_settings ~w(.cargo/config.toml .cargo/config rust-toolchain.toml rust-toolchain)

  # Environment variables that change the output of a build. Others choose where it is put, or how it is shown.
  @variables ~r/^(RUSTFLAGS|CARGO_ENCODED_RUSTFLAGS|CARGO_BUILD_(RUSTFLAGS|TARGET)|CARGO_PROFILE_.+|CARGO_TARGET_(?!DIR$).+|RUSTC(_.+)?|RUSTUP_TOOLCHAIN)$/

  @doc "The file of the stamp of an installed library."
  @spec path(Path.t()) :: Path.t()
  def path(installed), do: Path.join(Path.dirname(installed), ".#{Path.basename(installed)}.stamp")

  @doc """
  Compares a library with its stamp. Returns `:current`, or `{:stale, reason}` with the reason as a clause.

  `artefact` is the name and checksum of the artefact that would be installed, or `nil` without one. A library that was
  built is current whether or not there is one.
  """
  @spec compare(Crate.t(), {String.t(), String.t()} | nil) :: :current | {:stale, String.t()}
  def compare(crate, artefact) do
    with {:ok, library} <- File.read(crate.installed),
         {:ok, stamp} <- read(crate.installed),
         true <- stamp.library == hash(library) do
      compare_origin(crate, stamp.origin, artefact)
    else
      {:error, _} ->
        {:stale, if(File.exists?(crate.installed), do: "no record tells what it was made of", else: first())}

      false ->
        {:stale, "the installed library is not the one that was built"}
    end
  end

  @doc "Where an installed library came from, as its stamp says."
  @spec origin(Path.t()) :: :built | {:artefact, name :: String.t()} | :changed | :unknown
  def origin(installed) do
    with {:ok, library} <- File.read(installed), {:ok, stamp} <- read(installed) do
      if stamp.library == hash(library), do: origin_of(stamp.origin), else: :changed
    else
      _ -> :unknown
    end
  end

  defp origin_of({:cargo, _settings, _files}), do: :built
  defp origin_of({:artefact, name, _checksum}), do: {:artefact, name}
  defp origin_of(_other), do: :unknown

  defp first, do: "the first build compiles all dependencies too, which takes some minutes"

  defp compare_origin(_crate, {:artefact, name, checksum}, {name, checksum}), do: :current
  defp compare_origin(_crate, {:artefact, _, _}, _), do: {:stale, "the installed library is another artefact"}

  defp compare_origin(crate, {:cargo, settings, files}, _artefact) do
    now = settings(crate)
    # Without a compiler there is nothing to build with either.
    now = if now.compiler, do: now, else: %{now | compiler: settings.compiler}

    case Enum.find(Map.keys(now), &(now[&1] != settings[&1])) do
      nil -> compare_files(crate, files)
      setting -> {:stale, "its #{setting} changed"}
    end
  end

  defp compare_files(crate, files) do
    case for {path, hash} <- files, hash != hash_of(crate, path), do: path do
      [] -> :current
      [path] -> {:stale, "#{path} changed"}
      [path | others] -> {:stale, "#{path} and #{length(others)} other files changed"}
    end
  end

  @doc """
  Writes the stamp of a library that Cargo has just built and that is installed.

  A file that may have been edited after Cargo had read it leaves the library without a stamp: the next compilation asks
  Cargo again. `started` is the time before Cargo ran, in seconds since 1970.
  """
  @spec write_built(Crate.t(), integer) :: :ok
  def write_built(crate, started) do
    with {:ok, paths} <- sources(crate),
         false <- Enum.any?(paths, &edited_since?(crate, &1, started)) do
      files = Map.new(paths, &{&1, hash_of(crate, &1)})
      write(crate, {:cargo, settings(crate), files})
    else
      _ -> remove(crate)
    end
  end

  @doc "Writes the stamp of an artefact that is installed."
  @spec write_artefact(Crate.t(), String.t(), String.t()) :: :ok
  def write_artefact(crate, name, checksum), do: write(crate, {:artefact, name, checksum})

  defp write(crate, origin) do
    stamp = %{origin: origin, library: hash(File.read!(crate.installed))}
    File.write!(path(crate.installed), :erlang.term_to_binary({1, stamp}, [:compressed]))
  end

  @doc "Removes the stamp of a library."
  @spec remove(Crate.t()) :: :ok
  def remove(crate) do
    _ = File.rm(path(crate.installed))
    :ok
  end

  defp read(installed) do
    with {:ok, bytes} <- File.read(path(installed)) do
      {1, %{origin: _, library: _} = stamp} = :erlang.binary_to_term(bytes, [:safe])
      {:ok, stamp}
    end
  rescue
    # Written by another version, or no stamp at all.
    _ in [ArgumentError, MatchError] -> {:error, :unreadable}
  end

  defp settings(crate) do
    variables = for {name, value} <- System.get_env(), name =~ @variables, into: %{}, do: {name, value}
    %{features: crate.features, target: crate.target, compiler: Cargo.compiler(crate), environment: variables}
  end

  # Relative to the crate, so that a project can be moved.
  defp sources(crate) do
    rules = Path.rootname(Crate.built(crate)) <> ".d"

    with {:ok, text} <- File.read(rules),
         [_target, prerequisites] <- String.split(text, ": ", parts: 2) do
      sources =
        prerequisites
        |> String.split("\n", parts: 2)
        |> hd()
        |> String.split(~r/(?<!\\) /, trim: true)
        |> Enum.map(&String.replace(&1, "\\ ", " "))

      manifests = sources |> Enum.map(&manifest/1) |> Enum.reject(&is_nil/1)

      inherited =
        for directory <- [crate.root | above(crate.root)],
            name <- @inherited_settings,
            do: Path.join(directory, name)

      settings = Enum.map(@settings, &Path.join(crate.root, &1)) ++ inherited
      {:ok, (sources ++ manifests ++ settings) |> Enum.map(&Path.relative_to(&1, crate.root)) |> Enum.uniq()}
    else
      _ -> :error
    end
  end

  defp above(directory) do
    case Path.dirname(directory) do
      ^directory -> []
      parent -> [parent | above(parent)]
    end
  end

  # The manifest of the crate that a source file belongs to.
  defp manifest(source) do
    directory = Path.dirname(source)
    manifest = Path.join(directory, "Cargo.toml")

    cond do
      directory == source -> nil
      File.exists?(manifest) -> manifest
      true -> manifest(directory)
    end
  end

  # Cargo itself writes the lock file, before it compiles anything.
  defp edited_since?(_crate, "Cargo.lock", _started), do: false

  defp edited_since?(crate, path, started) do
    case File.stat(Path.expand(path, crate.root), time: :posix) do
      {:ok, stat} -> stat.mtime >= started
      {:error, _} -> false
    end
  end

  defp hash_of(crate, path) do
    case File.read(Path.expand(path, crate.root)) do
      {:ok, contents} -> hash(contents)
      {:error, _} -> :missing
    end
  end

  # To tell versions apart; an artefact is verified by SHA-256.
  defp hash(bytes), do: :erlang.md5(bytes)
end
