defmodule Pipeline.Package.ArchiveTest do
  use ExUnit.Case, async: true

  alias Pipeline.Package.Archive

  doctest Archive

  @limits Archive.limits(archive: 1_000_000, unpacked: 1_000_000, files: 20)

  defp entry(path, bytes \\ "content", executable? \\ false),
    do: %{path: path, bytes: bytes, executable?: executable?}

  defp by_path(entries), do: Map.new(entries, &{&1.path, &1})

  # An archive as others may write it, each file with the fields of `:erl_tar`.
  defp foreign(files) do
    path = Path.join(System.tmp_dir!(), "foreign_#{System.pid()}_#{System.unique_integer([:positive])}")
    on_exit(fn -> File.rm(path) end)
    :ok = :erl_tar.create(String.to_charlist(path), files, [:compressed])
    File.read!(path)
  end

  test "reads what it writes; the order of the files is of no consequence" do
    long = "priv/#{String.duplicate("folder/", 20)}#{String.duplicate("f", 80)}"

    entries = [
      entry("ebin/a.beam", ""),
      entry("priv/run", "#!", true),
      entry(long, :binary.copy("x", 70_000))
    ]

    archive = Archive.write(entries)
    assert Archive.read(archive, @limits) == {:ok, by_path(entries)}
    assert Archive.write(Enum.reverse(entries)) == archive
  end

  test "what it writes is a tar for others" do
    path = Path.join(System.tmp_dir!(), "own_#{System.pid()}_#{System.unique_integer([:positive])}")
    on_exit(fn -> File.rm(path) end)
    long = "priv/#{String.duplicate("folder/", 20)}file"
    File.write!(path, Archive.write([entry("ebin/a.beam", "A"), entry(long, "B")]))

    assert {:ok, files} = :erl_tar.extract(String.to_charlist(path), [:memory, :compressed])
    assert files == [{~c"ebin/a.beam", "A"}, {String.to_charlist(long), "B"}]
  end

  test "reads what others write" do
    assert {:ok, entries} = Archive.read(foreign([{~c"ebin/a.beam", "A"}, {~c"./priv/x", "B"}]), @limits)

    assert entries |> Map.values() |> Enum.map(&{&1.path, &1.bytes}) == [
             {"ebin/a.beam", "A"},
             {"priv/x", "B"}
           ]
  end

  test "refuses a file that is a folder too" do
    archive = Archive.write([entry("priv/a"), entry("priv/a/b")])

    assert {:error, {:bad_archive, "priv/a is a file in it, and a folder too"}} =
             Archive.read(archive, @limits)
  end

  test "counts folders among its files" do
    folders = for index <- 1..21, do: {~c"priv/#{index}", folder!()}
    assert Archive.read(foreign(folders), @limits) == {:error, {:too_large, :files, 20}}
  end

  defp folder! do
    path = Path.join(System.tmp_dir!(), "folder_#{System.pid()}_#{System.unique_integer([:positive])}")
    File.mkdir!(path)
    on_exit(fn -> File.rmdir!(path) end)
    String.to_charlist(path)
  end

  test "refuses paths that leave the folder" do
    for path <- ["../x", "ebin/../../x", "/etc/x", "a//b", "a/./b", "C:/x", "a\\b", "a\nb", <<"a", 255>>] do
      assert {:error, {:bad_path, _}} = Archive.read(Archive.write([entry(path)]), @limits)
    end
  end

  test "refuses links and devices" do
    folder = Pipeline.Packages.folder!()
    link = Path.join(folder, "link")
    File.ln_s!("/etc/passwd", link)
    archive = foreign([{~c"priv/link", String.to_charlist(link)}])
    assert Archive.read(archive, @limits) == {:error, {:link, "priv/link"}}

    # A hard link, and a character device.
    for {type, reason} <- [
          {?1, {:link, "x"}},
          {?3, {:bad_archive, ~s(x is neither a file nor a folder, but of the type "3")}}
        ] do
      assert Archive.read(retyped(Archive.write([entry("x")]), type), @limits) == {:error, reason}
    end
  end

  defp retyped(archive, type) do
    <<before::binary-148, _sum::binary-8, _type, behind::binary-355, rest::binary>> = :zlib.gunzip(archive)
    block = <<before::binary, "        ", type, behind::binary>>
    sum = for <<byte <- block>>, reduce: 0, do: (sum -> sum + byte)
    sum = sum |> Integer.to_string(8) |> String.pad_leading(6, "0")
    :zlib.gzip([before, sum, 0, " ", type, behind, rest])
  end

  test "holds no more than its limits, whatever is claimed" do
    bomb = Archive.write([entry("x", :binary.copy(<<0>>, 5_000_000))])
    assert byte_size(bomb) < 10_000
    assert Archive.read(bomb, @limits) == {:error, {:too_large, :unpacked, 1_000_000}}
    assert Archive.read(bomb, %{@limits | archive: 100}) == {:error, {:too_large, :archive, 100}}

    many = Archive.write(for n <- 1..30, do: entry("f#{n}"))
    assert Archive.read(many, @limits) == {:error, {:too_large, :files, 20}}

    # Sizes that lie: more than there is.
    tar = :zlib.gunzip(Archive.write([entry("x")]))
    <<before::binary-124, _size::binary-12, _::binary>> = tar
    lying = before <> "77777777777\0" <> binary_part(tar, 136, byte_size(tar) - 136)
    assert {:error, {:bad_archive, _}} = Archive.read(:zlib.gzip(lying), @limits)

    # With the right checksum.
    <<block::binary-512, rest::binary>> = lying
    <<first::binary-148, _sum::binary-8, last::binary>> = block

    sum =
      for(<<byte <- first <> "        " <> last>>, reduce: 0, do: (sum -> sum + byte)) |> Integer.to_string(8)

    lying = first <> String.pad_leading(sum, 6, "0") <> "\0 " <> last <> rest

    assert Archive.read(:zlib.gzip(lying), @limits) ==
             {:error, {:bad_archive, "x claims 8589934591 bytes, which it does not have"}}
  end

  test "refuses what is damaged, wherever it is cut or changed" do
    archive = Archive.write([entry("ebin/a", :crypto.strong_rand_bytes(2_000)), entry("priv/b", "text")])

    for size <- Enum.take_every(0..(byte_size(archive) - 1), 37) do
      assert {:error, {:bad_archive, _}} = Archive.read(binary_part(archive, 0, size), @limits)
    end

    for at <- Enum.take_every(10..(byte_size(archive) - 1), 41) do
      {before, <<byte, rest::binary>>} = :erlang.split_binary(archive, at)
      changed = before <> <<Bitwise.bxor(byte, 0x55)>> <> rest
      assert {:error, _} = Archive.read(changed, @limits)
    end

    assert {:error, {:bad_archive, _}} = Archive.read("no archive", @limits)
    assert {:error, {:bad_archive, _}} = Archive.read(:zlib.gzip("no tar"), @limits)
    twice = :zlib.gunzip(Archive.write([entry("x")]))
    twice = binary_part(twice, 0, 1024) <> twice
    assert Archive.read(:zlib.gzip(twice), @limits) == {:error, {:bad_archive, "x is in it twice"}}
  end
end
