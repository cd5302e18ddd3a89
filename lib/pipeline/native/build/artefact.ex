defmodule Pipeline.Native.Build.Artefact do
  @moduledoc false
  # Precompiled libraries: names, archives and checksums as rustler_precompiled has them.

  alias Pipeline.Native.Build.{Crate, Download}

  # The version of Erlang's NIF interface that the crates are built for: OTP 24 and newer load it.
  @nif_version "2.16"

  # Bytes. The library of this package has about 12 MB, compressed 5.
  @max_archive 128 * 1024 * 1024
  # Milliseconds for a download as a whole.
  @timeout 300_000

  # Writing an archive as bytes that depend on nothing but the library.
  @fixed_times [atime: 0, mtime: 0, ctime: 0, uid: 0, gid: 0]

  @type name :: String.t()
  @type checksum :: String.t()

  @doc "The folder or URL that the application configures, `nil` if it configures none."
  @spec source(Crate.t()) :: String.t() | nil
  def source(crate) do
    case Application.get_env(crate.app, :native_artefacts) do
      nil ->
        nil

      source when is_binary(source) ->
        source

      other ->
        Mix.raise("native_artefacts of #{inspect(crate.app)} is a folder or URL, got: #{inspect(other)}")
    end
  end

  @doc """
  The name of the archive for a crate, and its checksum.

  The error says why there is none, as a clause.
  """
  @spec expected(Crate.t()) :: {:ok, {name, checksum}} | {:error, String.t()}
  def expected(%{module: nil} = crate), do: {:error, "no module: is given for #{crate.name} in mix.exs"}

  def expected(%{all_features?: false}),
    do: {:error, "precompiled libraries have all features, and others are chosen"}

  def expected(crate) do
    name = name(crate)
    file = checksum_file(crate)

    case read_checksums(file) do
      {:ok, %{^name => checksum}} -> {:ok, {name, checksum}}
      {:ok, _} -> {:error, "#{file} has no checksum of #{name}"}
      {:error, :enoent} -> {:error, "there is no file #{file}"}
      {:error, reason} -> Mix.raise("could not read the checksums of #{crate.name}: #{reason}")
    end
  end

  @doc "The name of the archive: `libpipeline_nif-v0.1.0-nif-2.16-x86_64-unknown-linux-gnu.so.tar.gz`."
  @spec name(Crate.t()) :: name
  def name(crate), do: library(crate) <> ".tar.gz"

  # The VM loads .so on macOS too, and the Rustler community names it so.
  defp library(crate) do
    target = crate.target || host()
    {prefix, extension} = Crate.affixes(target)
    extension = if extension == ".dylib", do: ".so", else: extension
    base = prefix <> String.replace(crate.name, "-", "_")
    "#{base}-v#{crate.version}-nif-#{@nif_version}-#{target}#{extension}"
  end

  @doc "The target of this VM, as Rust names it."
  @spec host() :: String.t()
  def host, do: target(List.to_string(:erlang.system_info(:system_architecture)), :os.type())

  @doc """
  The target of a system, as Rust names it.

      iex> Pipeline.Native.Build.Artefact.target("x86_64-pc-linux-gnu", {:unix, :linux})
      "x86_64-unknown-linux-gnu"
      iex> Pipeline.Native.Build.Artefact.target("aarch64-alpine-linux-musl", {:unix, :linux})
      "aarch64-unknown-linux-musl"
      iex> Pipeline.Native.Build.Artefact.target("arm-apple-darwin22.1.0", {:unix, :darwin})
      "aarch64-apple-darwin"
      iex> Pipeline.Native.Build.Artefact.target("win32", {:win32, :nt})
      "x86_64-pc-windows-msvc"
  """
  @spec target(String.t(), {atom, atom}) :: String.t()
  def target(architecture, system) do
    parts = String.split(architecture, "-")

    case system do
      {:win32, _} -> "x86_64-pc-windows-msvc"
      {:unix, :darwin} -> "#{darwin(hd(parts))}-apple-darwin"
      {:unix, :linux} -> "#{linux(hd(parts))}-unknown-linux-#{List.last(parts)}"
      _ -> architecture
    end
  end

  defp darwin("arm" <> _), do: "aarch64"
  defp darwin(architecture), do: architecture

  defp linux("amd64"), do: "x86_64"
  defp linux("riscv64"), do: "riscv64gc"
  defp linux(architecture), do: architecture

  @doc """
  Reads an archive from a folder or URL, and returns the library in it.

  `{:unavailable, reason}` if there is none, as a clause. Raises `Mix.Error` if there is one with another checksum, of
  which nothing is unpacked.
  """
  @spec fetch(Crate.t(), String.t(), {name, checksum}) :: {:ok, binary} | {:unavailable, String.t()}
  def fetch(crate, source, {name, checksum}) do
    with {:ok, archive} <- archive(source, name, checksum) do
      verify!(crate, source, name, checksum, archive)
      keep(source, name, archive)
      {:ok, unpack!(crate, name, archive)}
    end
  end

  defp archive(source, name, checksum) do
    if url?(source), do: cached(source, name, checksum), else: read(Path.join(source, name))
  end

  defp cached(source, name, checksum) do
    with {:ok, archive} <- read(in_cache(name)),
         true <- checksum(archive) == checksum do
      {:ok, archive}
    else
      _ -> download(String.trim_trailing(source, "/") <> "/" <> name)
    end
  end

  defp download(url) do
    Mix.shell().info("Downloading #{url}")

    case Download.get(url, max_bytes: @max_archive, timeout: @timeout) do
      {:ok, archive} -> {:ok, archive}
      {:error, reason} -> {:unavailable, "#{url} could not be downloaded: #{reason}"}
    end
  end

  defp read(file) do
    with {:ok, %{size: size}} when size <= @max_archive <- File.stat(file),
         {:ok, archive} <- File.read(file) do
      {:ok, archive}
    else
      {:ok, %{size: size}} -> {:unavailable, "#{file} has #{size} bytes, more than #{@max_archive}"}
      {:error, reason} -> {:unavailable, "#{file} could not be read: #{:file.format_error(reason)}"}
    end
  end

  defp verify!(crate, source, name, expected, archive) do
    found = checksum(archive)

    if found != expected do
      Mix.raise(
        "#{name} from #{source} is not the library that #{checksum_file(crate)} names, so nothing of it was unpacked: " <>
          "its checksum is #{found}, not #{expected}. Get the archive and the checksum file of the same release, or " <>
          "build the library with PIPELINE_NATIVE_BUILD=1"
      )
    end
  end

  # A folder is as near as the cache.
  defp keep(source, name, archive) do
    if url?(source), do: keep_in_cache(in_cache(name), archive)
  end

  defp keep_in_cache(file, archive) do
    unless File.read(file) == {:ok, archive} do
      File.mkdir_p!(Path.dirname(file))
      new = "#{file}.#{System.pid()}"
      File.write!(new, archive)
      File.rename!(new, file)
    end
  end

  defp in_cache(name) do
    directory =
      System.get_env("PIPELINE_NATIVE_CACHE") || to_string(:filename.basedir(:user_cache, "pipeline_plugin"))

    Path.join(directory, name)
  end

  defp unpack!(crate, name, archive) do
    library = String.to_charlist(library(crate))

    case :erl_tar.extract({:binary, archive}, [:memory, :compressed]) do
      {:ok, [{^library, bytes}]} ->
        bytes

      {:ok, files} ->
        Mix.raise(
          "#{name} should have the one file #{library}, and has #{inspect(Enum.map(files, &elem(&1, 0)))}"
        )

      {:error, reason} ->
        Mix.raise("could not unpack #{name}: #{:erl_tar.format_error(reason)}")
    end
  end

  @doc "Writes the archive of a library that is built, and returns its path and checksum."
  @spec pack!(Crate.t(), Path.t()) :: {Path.t(), checksum}
  def pack!(crate, directory) do
    File.mkdir_p!(directory)
    file = Path.join(directory, name(crate))
    library = File.read!(Crate.built(crate))

    with {:ok, tar} <- :erl_tar.open(String.to_charlist(file), [:write, :compressed]),
         :ok <- :erl_tar.add(tar, library, String.to_charlist(library(crate)), @fixed_times),
         :ok <- :erl_tar.close(tar) do
      {file, checksum(File.read!(file))}
    else
      {:error, reason} -> Mix.raise("could not write #{file}: #{:erl_tar.format_error(reason)}")
    end
  end

  @doc "The file with the checksums of a crate's archives: of the configuration, or in the project that has the crate."
  @spec checksum_file(Crate.t()) :: Path.t()
  def checksum_file(crate) do
    Application.get_env(crate.app, :native_checksums) || Path.expand("checksum-#{crate.module}.exs")
  end

  @doc "Reads a checksum file. The error is a clause."
  @spec read_checksums(Path.t()) :: {:ok, %{name => checksum}} | {:error, :enoent | String.t()}
  def read_checksums(file) do
    # The file is Elixir, and nothing in it is evaluated.
    with {:ok, text} <- File.read(file),
         {:ok, {:%{}, _, pairs}} <- Code.string_to_quoted(text, existing_atoms_only: true),
         true <- Enum.all?(pairs, &match?({name, "sha256:" <> _} when is_binary(name), &1)) do
      {:ok, Map.new(pairs)}
    else
      {:error, :enoent} -> {:error, :enoent}
      {:error, reason} when is_atom(reason) -> {:error, "#{file}: #{:file.format_error(reason)}"}
      _ -> {:error, "#{file} is no map of names to \"sha256:…\". mix pipeline.native.package writes it"}
    end
  end

  @doc "Adds checksums to a file. Those of other versions go."
  @spec write_checksums!(Crate.t(), Path.t(), %{name => checksum}) :: :ok
  def write_checksums!(crate, file, new) do
    known =
      case read_checksums(file) do
        {:ok, known} -> Map.filter(known, fn {name, _} -> name =~ "-v#{crate.version}-nif-" end)
        {:error, :enoent} -> %{}
        {:error, reason} -> Mix.raise("could not read the checksums of #{crate.name}: #{reason}")
      end

    lines =
      for {name, checksum} <- Enum.sort(Map.merge(known, new)),
          do: "  #{inspect(name)} => #{inspect(checksum)},\n"

    File.write!(file, ["%{\n", lines, "}\n"])
  end

  defp checksum(bytes), do: "sha256:" <> Base.encode16(sha256(bytes), case: :lower)

  # Only Mix calls this, so that the application itself need not depend on crypto.
  defp sha256(bytes), do: apply(:crypto, :hash, [:sha256, bytes])

  defp url?(source), do: source =~ ~r{^https?://}i
end
