defmodule Pipeline.Package.Contents do
  @moduledoc false
  # All files of a package, judged: from an archive, or from the folder into which one was unpacked.

  alias Pipeline.Package.{Archive, Manifest, ModuleMD5, Platform, Signature}
  alias Pipeline.RegularFile

  @manifest "plugin.json"
  @signature "plugin.sig"

  @enforce_keys [:manifest, :entries, :signed_by]
  defstruct [:manifest, :entries, :signed_by]

  @type t :: %__MODULE__{
          manifest: Manifest.t(),
          entries: %{Path.t() => Archive.entry()},
          signed_by: Signature.public_key() | nil
        }

  @typedoc "Why a package is not what it says, or does not fit here."
  @type error ::
          Archive.error()
          | {:no_manifest, Path.t()}
          | {:invalid_manifest, String.t()}
          | {:missing_file, Path.t()}
          | {:unlisted_file, Path.t()}
          | {:hash_mismatch, Path.t()}
          | {:module_mismatch, String.t()}
          | {:module_twice, String.t()}
          | :bad_signature
          | :unsigned
          | {:untrusted, Signature.public_key()}
          | {:wrong_platform, [String.t()], String.t()}
          | {:requires, :elixir | :otp | :pipeline_plugin, needed :: term, have :: term}
          | {:disk, Path.t(), File.posix()}

  @doc "Reads the bytes of an archive, and checks all that the package says of itself."
  @spec read_archive(binary, Archive.limits()) :: {:ok, t} | {:error, error}
  def read_archive(bytes, limits) do
    with {:ok, entries} <- Archive.read(bytes, limits), do: check(entries)
  end

  @doc "The same for a folder."
  @spec read_folder(Path.t(), Archive.limits()) :: {:ok, t} | {:error, error}
  def read_folder(folder, limits) do
    with {:ok, entries} <- list([""], folder, %{}, 0, limits), do: check(entries)
  end

  @doc "The manifest of a folder alone; nothing is compared with it."
  @spec read_manifest(Path.t()) :: {:ok, Manifest.t()} | {:error, error}
  def read_manifest(folder) do
    path = Path.join(folder, @manifest)

    case RegularFile.read(path, Manifest.most_bytes()) do
      {:ok, text} -> Manifest.decode(text)
      {:too_large, most} -> {:error, Manifest.too_large(most)}
      {:error, :enoent} -> {:error, {:no_manifest, folder}}
      {:error, posix} -> {:error, {:disk, path, posix}}
    end
  end

  defp list([], _folder, entries, _size, _limits), do: {:ok, entries}

  defp list([path | rest], folder, entries, size, limits) do
    full = Path.join(folder, path)

    # No link is followed, as in an archive.
    case File.lstat(full) do
      {:ok, %File.Stat{type: :directory}} ->
        with {:ok, names} <- disk(File.ls(full), full) do
          paths = for name <- names, do: if(path == "", do: name, else: path <> "/" <> name)
          list(paths ++ rest, folder, entries, size, limits)
        end

      {:ok, %File.Stat{type: :regular} = stat} ->
        size = size + stat.size

        with :ok <- within(limits, size, map_size(entries) + 1),
             {:ok, bytes} <- read(full, limits) do
          executable? = Bitwise.band(stat.mode, 0o100) != 0
          entry = %{path: path, bytes: bytes, executable?: executable?}
          list(rest, folder, Map.put(entries, path, entry), size, limits)
        end

      {:ok, _link_or_device} ->
        {:error, {:link, path}}

      error ->
        disk(error, full)
    end
  end

  # It can have grown, or become another, since it was looked at.
  defp read(full, %{unpacked: most}) do
    with {:too_large, most} <- disk(RegularFile.read(full, most), full),
         do: {:error, {:too_large, :unpacked, most}}
  end

  defp within(%{unpacked: most}, size, _files) when size > most, do: {:error, {:too_large, :unpacked, most}}
  defp within(%{files: most}, _size, files) when files > most, do: {:error, {:too_large, :files, most}}
  defp within(_limits, _size, _files), do: :ok

  defp disk({:error, posix}, path), do: {:error, {:disk, path, posix}}
  defp disk(done, _path), do: done

  defp check(entries) do
    with {:ok, text} <- manifest(entries),
         {:ok, manifest} <- Manifest.decode(text),
         {:ok, signed_by} <- signed_by(entries[@signature], text),
         files = Map.drop(entries, [@manifest, @signature]),
         :ok <- check_files(files, manifest),
         :ok <- check_modules(files, manifest) do
      {:ok, %__MODULE__{manifest: manifest, entries: entries, signed_by: signed_by}}
    end
  end

  defp manifest(%{@manifest => %{bytes: text}}), do: {:ok, text}
  defp manifest(_entries), do: {:error, {:no_manifest, @manifest}}

  defp signed_by(nil, _text), do: {:ok, nil}
  defp signed_by(%{bytes: signature}, text), do: Signature.verify(text, signature)

  defp check_files(files, %{files: listed}) do
    # In one order, so that the error is the same each time.
    (Map.keys(files) ++ Map.keys(listed))
    |> Enum.uniq()
    |> Enum.sort()
    |> Enum.find_value(:ok, fn path ->
      case {files[path], listed[path]} do
        {nil, _} -> {:error, {:missing_file, path}}
        {_, nil} -> {:error, {:unlisted_file, path}}
        {%{bytes: bytes}, sha} -> if sha256(bytes) != sha, do: {:error, {:hash_mismatch, path}}
      end
    end)
  end

  defp check_modules(files, %{modules: listed, module: plugin} = manifest) do
    beams = for {path, %{bytes: bytes}} <- files, module = module(path), do: {module, md5(bytes)}
    there = Map.new(beams)

    cond do
      map_size(there) != length(beams) ->
        [{twice, _} | _] = beams -- Enum.uniq_by(beams, &elem(&1, 0))
        {:error, {:module_twice, twice}}

      # Of what is no BEAM file there is no digest.
      broken = Enum.find_value(beams, fn {module, md5} -> md5 == nil && module end) ->
        {:error, {:module_mismatch, broken}}

      there != listed ->
        different = Enum.find(Enum.sort(Map.keys(Map.merge(there, listed))), &(there[&1] != listed[&1]))
        {:error, {:module_mismatch, different}}

      not is_map_key(there, plugin) ->
        {:error, {:missing_file, "ebin/#{plugin}.beam"}}

      not is_map_key(manifest.files, "ebin/#{manifest.name}.app") ->
        {:error, {:missing_file, "ebin/#{manifest.name}.app"}}

      true ->
        :ok
    end
  end

  @doc "The module that a file of a package has the code of."
  @spec module(Path.t()) :: String.t() | nil
  def module(path) do
    case String.split(path, "/") do
      ["ebin", file] -> beam(file)
      ["lib", _dependency, "ebin", file] -> beam(file)
      _ -> nil
    end
  end

  defp beam(file), do: if(Path.extname(file) == ".beam", do: Path.rootname(file))

  @doc "As `plugin.json` has them."
  @spec sha256(binary) :: String.t()
  def sha256(bytes), do: :sha256 |> :crypto.hash(bytes) |> Base.encode16(case: :lower)

  @spec md5(binary) :: String.t() | nil
  def md5(bytes) do
    if md5 = ModuleMD5.of(bytes), do: Base.encode16(md5, case: :lower)
  end

  @doc "Whether it is signed by one of these keys. `nil` asks for no signature; one that is there was right all the same."
  @spec check_trust(t, [Signature.public_key()] | nil) :: :ok | {:error, error}
  def check_trust(%__MODULE__{}, nil), do: :ok
  def check_trust(%__MODULE__{signed_by: nil}, _keys), do: {:error, :unsigned}

  def check_trust(%__MODULE__{signed_by: key}, keys),
    do: if(key in keys, do: :ok, else: {:error, {:untrusted, key}})

  @doc "Whether this VM is what the package needs."
  @spec check_platform(Manifest.t()) :: :ok | {:error, error}
  def check_platform(%Manifest{platforms: platforms, requires: requires}) do
    have = %{
      otp: Platform.otp(),
      elixir: System.version(),
      pipeline_plugin: Platform.library(),
      platform: Platform.name()
    }

    cond do
      platforms != [] and have.platform not in platforms ->
        {:error, {:wrong_platform, platforms, have.platform}}

      have.otp < requires.otp ->
        {:error, {:requires, :otp, requires.otp, have.otp}}

      true ->
        Enum.find_value([:elixir, :pipeline_plugin], :ok, fn what ->
          unless Version.match?(have[what], requires[what]),
            do: {:error, {:requires, what, requires[what], have[what]}}
        end)
    end
  end
end
