defmodule Pipeline.Package.Archive do
  @moduledoc false
  # The archive of a package: a gzipped tar of regular files in the ustar format, made and read here.
  #
  # `:erl_tar` writes the time of day into it, cannot give a binary the mode of an executable, and reads what it must not
  # follow: links, absolute paths, files as large as a header claims. This reader takes regular files and nothing else,
  # and holds no more of the archive than its limits.

  @typedoc "A file of a package."
  @type entry :: %{path: String.t(), bytes: binary, executable?: boolean}

  @typedoc "Bytes of the archive, bytes of what it unpacks to, and number of files."
  @type limits :: %{archive: pos_integer, unpacked: pos_integer, files: pos_integer}

  @limits %{archive: 64 * 1024 * 1024, unpacked: 256 * 1024 * 1024, files: 5_000}

  @block 512
  # What inflating returns at a time is small; what is inflated at a time need not be.
  @slice 65_536
  @longest_path 240

  @type error ::
          {:too_large, :archive | :unpacked | :files, limit :: pos_integer}
          | {:bad_archive, sentence :: String.t()}
          | {:bad_path, String.t()}
          | {:link, String.t()}

  @doc "The limits, with those that are given in their place."
  @spec limits(keyword) :: limits
  def limits(given \\ []), do: Map.merge(@limits, Map.new(given))

  @doc "The archive of files. The same files, in any order, give the same bytes."
  @spec write([entry]) :: binary
  def write(entries) do
    blocks = for entry <- Enum.sort_by(entries, & &1.path), do: [header(entry), entry.bytes, padding(entry)]
    # gzip's own header has no time in it.
    [blocks, zeros(2 * @block)] |> IO.iodata_to_binary() |> :zlib.gzip()
  end

  defp header(%{path: path, bytes: bytes, executable?: executable?}) do
    {prefix, name} = split(path)
    mode = if executable?, do: 0o755, else: 0o644

    head = [
      field(name, 100),
      octal(mode, 8),
      octal(0, 8),
      octal(0, 8),
      octal(byte_size(bytes), 12),
      octal(0, 12)
    ]

    tail = ["0", field("", 100), "ustar\0", "00", field("", 80), field(prefix, 155), zeros(12)]
    sum = [head, "        ", tail] |> IO.iodata_to_binary() |> sum()
    [head, octal(sum, 7), " ", tail]
  end

  # A long path is in two fields, divided at a slash.
  defp split(path) when byte_size(path) <= 100, do: {"", path}

  defp split(path) do
    at =
      path
      |> :binary.matches("/")
      |> Enum.map(&elem(&1, 0))
      |> Enum.find(&(byte_size(path) - &1 - 1 <= 100 and &1 <= 155))

    if at == nil do
      raise ArgumentError, "the path #{path} is too long for an archive: shorten the names of its folders"
    end

    {binary_part(path, 0, at), binary_part(path, at + 1, byte_size(path) - at - 1)}
  end

  defp field(text, size), do: [text, zeros(size - byte_size(text))]

  defp octal(number, size),
    do: [number |> Integer.to_string(8) |> String.pad_leading(size - 1, "0"), 0]

  defp padding(%{bytes: bytes}), do: zeros(rem(@block - rem(byte_size(bytes), @block), @block))
  defp zeros(size), do: :binary.copy(<<0>>, size)
  defp sum(block), do: for(<<byte <- block>>, reduce: 0, do: (sum -> sum + byte))

  @doc "The files of an archive, by their paths."
  @spec read(binary, limits) :: {:ok, %{String.t() => entry}} | {:error, error}
  def read(archive, limits) when byte_size(archive) > limits.archive,
    do: {:error, {:too_large, :archive, limits.archive}}

  def read(archive, limits) do
    entries = archive |> inflate(limits.unpacked) |> entries(%{}, 0, limits)
    check_folders(entries)
    {:ok, entries}
  catch
    {:archive, error} -> {:error, error}
  end

  defp inflate(archive, limit) do
    zip = :zlib.open()

    try do
      # gzip, and nothing else.
      :ok = :zlib.inflateInit(zip, 31)
      tar = inflate_slices(zip, archive, [], 0, limit)
      # Fails where the checksum is not that of the content.
      :ok = :zlib.inflateEnd(zip)
      tar
    catch
      :error, _ -> bad("it is not gzip, or is cut off or damaged")
    after
      :zlib.close(zip)
    end
  end

  defp inflate_slices(zip, archive, done, size, limit) do
    {slice, rest} =
      if byte_size(archive) > @slice, do: :erlang.split_binary(archive, @slice), else: {archive, ""}

    {parts, size} = inflate_slice(:zlib.safeInflate(zip, slice), zip, [], size, limit)
    done = [done, parts]
    if rest == "", do: IO.iodata_to_binary(done), else: inflate_slices(zip, rest, done, size, limit)
  end

  defp inflate_slice({state, part}, zip, parts, size, limit) do
    size = size + IO.iodata_length(part)
    if size > limit, do: fail({:too_large, :unpacked, limit})
    parts = [parts, part]

    if state == :finished,
      do: {parts, size},
      else: inflate_slice(:zlib.safeInflate(zip, []), zip, parts, size, limit)
  end

  # Folders count too: reading one takes as long as reading a file.
  defp entries(_tar, _entries, read, limits) when read > limits.files,
    do: fail({:too_large, :files, limits.files})

  defp entries(<<header::binary-size(@block), rest::binary>>, entries, read, limits) do
    if header == zeros(@block), do: entries, else: entry(header, rest, entries, read, limits)
  end

  defp entries(_tar, _entries, _read, _limits), do: bad("it ends within a file")

  defp entry(header, rest, entries, read, limits) do
    <<name::binary-100, mode::binary-8, _owners::binary-16, size::binary-12, _time::binary-12, sum::binary-8,
      type, _link::binary-100, magic::binary-6, _version::binary-2, _names::binary-80, prefix::binary-155,
      _::binary>> = header

    check_header(header, number(sum), magic)
    path = path(text(prefix), text(name))
    size = number(size)

    case type do
      # A folder comes with the files in it.
      ?5 when size == 0 -> entries(rest, entries, read + 1, limits)
      regular when regular in [?0, 0] -> file(path, number(mode), size, rest, entries, read, limits)
      link when link in [?1, ?2] -> fail({:link, path})
      other -> bad("#{path} is neither a file nor a folder, but of the type #{inspect(<<other>>)}")
    end
  end

  defp check_header(<<before::binary-148, _sum::binary-8, behind::binary>>, sum, magic) do
    if sum(before) + 8 * ?\s + sum(behind) != sum, do: bad("the checksum of a file's header is wrong")
    unless binary_part(magic, 0, 5) == "ustar", do: bad("it is not a tar of the format ustar")
  end

  defp file(path, mode, size, rest, entries, read, limits) do
    if path in ["", "."] or not safe?(path), do: fail({:bad_path, path})
    if is_map_key(entries, path), do: bad("#{path} is in it twice")
    padded = size + rem(@block - rem(size, @block), @block)
    if padded > byte_size(rest), do: bad("#{path} claims #{size} bytes, which it does not have")
    {padded, rest} = :erlang.split_binary(rest, padded)
    executable? = Bitwise.band(mode, 0o100) != 0
    entry = %{path: path, bytes: binary_part(padded, 0, size), executable?: executable?}
    entries(rest, Map.put(entries, path, entry), read + 1, limits)
  end

  # Found here, since nothing is written before all is checked.
  defp check_folders(entries) do
    for {path, _entry} <- entries, folder <- folders(path), is_map_key(entries, folder) do
      bad("#{folder} is a file in it, and a folder too")
    end
  end

  defp folders(path) do
    for {at, 1} <- :binary.matches(path, "/"), do: binary_part(path, 0, at)
  end

  @doc """
  Whether a path stays within the folder that it is put into, on every system.

      iex> Enum.map(["ebin/a.beam", "../a", "/a", "a//b", "C:a", "a\\\\..\\\\b"], &Pipeline.Package.Archive.safe?/1)
      [true, false, false, false, false, false]
  """
  @spec safe?(String.t()) :: boolean
  def safe?(path) do
    String.valid?(path) and byte_size(path) <= @longest_path and
      not (path =~ ~r/[\\:\x00-\x1f\x7f]/) and
      Enum.all?(String.split(path, "/"), &(&1 not in ["", ".", ".."]))
  end

  defp path("", name), do: without_dot(name)
  defp path(prefix, name), do: without_dot(prefix <> "/" <> name)

  # As `tar -C DIR .` writes it.
  defp without_dot("./" <> path), do: String.trim_trailing(path, "/")
  defp without_dot(path), do: String.trim_trailing(path, "/")

  defp text(field), do: field |> :binary.split(<<0>>) |> hd()

  defp number(field) do
    case field |> text() |> String.trim() |> Integer.parse(8) do
      {number, ""} when number >= 0 -> number
      _ -> bad("a number of a file's header is none")
    end
  end

  @spec bad(String.t()) :: no_return
  defp bad(sentence), do: fail({:bad_archive, sentence})

  @spec fail(error) :: no_return
  defp fail(error), do: throw({:archive, error})
end
