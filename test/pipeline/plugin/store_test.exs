defmodule Pipeline.Plugin.StoreTest do
  use ExUnit.Case, async: true

  import Bitwise
  import ExUnit.CaptureLog

  alias Pipeline.Plugin.Store

  @magic "pipeline plugins\n"

  setup do
    directory =
      Path.join(System.tmp_dir!(), "pipeline_store_#{System.pid()}_#{System.unique_integer([:positive])}")

    on_exit(fn -> File.rm_rf!(directory) end)
    {:ok, directory: directory, path: Path.join(directory, "plugins")}
  end

  test "keeps what was disabled, when and why", %{path: path} do
    assert Store.check_writable(path) == :ok
    {:ok, store} = Store.open(path)
    refute Store.disabled?(store, :blog)
    assert {:ok, store} = Store.put(store, :blog, "leaks memory")
    assert {:ok, store} = Store.put(store, "blog", {:limit, 3})
    assert {:ok, store} = Store.put(store, Pipeline.Shop)
    assert {:ok, store} = Store.put(store, :gone)
    assert {:ok, store} = Store.delete(store, :gone)
    assert {:ok, store} = Store.delete(store, :never_there)

    assert {:ok, again} = Store.open(path)
    assert again == store
    assert {:ok, %{reason: "leaks memory", since: since}} = Store.disabled(again, :blog)
    assert (System.system_time(:microsecond) - since) in 0..60_000_000
    assert {:ok, %{reason: "{:limit, 3}"}} = Store.disabled(again, "blog")
    assert {:ok, %{reason: nil}} = Store.disabled(again, Pipeline.Shop)
    assert Store.disabled(again, :gone) == :error
    refute Store.disabled?(again, "Elixir.Pipeline.Shop")
    assert File.ls!(Path.dirname(path)) == ["plugins"]
  end

  test "makes no atoms, and writes unknown ones back", %{path: path} do
    unknown = "nobody_knows_this_atom_#{System.unique_integer([:positive])}"
    disabled = %{since: 1, reason: "why"}

    # As another VM would have written it.
    write(path, %{version: 1, plugins: %{{:atom, unknown} => %{disabled: disabled}}})
    {:ok, store} = Store.open(path)
    assert_raise ArgumentError, fn -> String.to_existing_atom(unknown) end
    refute Store.disabled?(store, unknown)

    {:ok, _store} = Store.put(store, :other)
    {:ok, store} = Store.open(path)
    assert Store.disabled?(store, :other)
    assert Store.disabled(store, String.to_atom(unknown)) == {:ok, disabled}
  end

  describe "sets a file aside, whole, that" do
    setup %{path: path} do
      {:ok, store} = Store.open(path)
      {:ok, store} = Store.put(store, :blog, "leaks memory")
      {:ok, _store} = Store.put(store, "shop")
      {:ok, binary: File.read!(path)}
    end

    test "ends too early, wherever", %{path: path, binary: binary} do
      for length <- 0..(byte_size(binary) - 1) do
        assert set_aside(path, binary_part(binary, 0, length)) == "is torn or was changed"
      end
    end

    test "has a changed bit, whichever", %{path: path, binary: binary} do
      for byte <- 0..(byte_size(binary) - 1), bit <- 0..7 do
        {before, <<changed, rest::binary>>} = :erlang.split_binary(binary, byte)
        binary = <<before::binary, bxor(changed, 1 <<< bit), rest::binary>>
        expected = if byte < byte_size(@magic), do: "is not a plugin store", else: "is torn or was changed"
        assert set_aside(path, binary) == expected
      end
    end

    test "is longer, of another program, of a later version, or has other content", %{
      path: path,
      binary: binary
    } do
      assert set_aside(path, binary <> "x") == "is torn or was changed"
      assert set_aside(path, "<?xml version=\"1.0\"?>") == "is not a plugin store"

      assert set_aside(path, file(%{version: 3, plugins: []})) ==
               "has the version 3, and this release reads up to 2"

      for term <- [:an_atom, [], %{plugins: %{}}, "text"] do
        assert set_aside(path, file(term)) == "has content that this release cannot read"
      end

      # An atom that this VM does not know, and bytes that are not a term.
      for bytes <- [<<131, 119, 21, "unheard_of_atom_in_it">>, "no term"] do
        assert set_aside(path, with_header(bytes)) == "has content that this release cannot read"
      end
    end

    test "is compressed, and small only for that", %{path: path} do
      term = %{version: 1, plugins: %{}, more: :binary.copy(<<0>>, 50_000_000)}
      bomb = with_header(:erlang.term_to_binary(term, compressed: 9))
      assert byte_size(bomb) < 100_000
      assert set_aside(path, bomb) == "has content that this release cannot read"
    end

    test "holds anything but plugins with a time and a reason", %{path: path} do
      disabled = %{since: 1, reason: "why"}

      for {key, plugin} <- [
            {{:atom, "a"}, 5},
            {{:atom, "a"}, &System.halt/1},
            {{:atom, "a"}, %{}},
            {{:atom, "a"}, %{disabled: 5}},
            {{:atom, "a"}, %{disabled: %{disabled | since: "now"}}},
            {{:atom, "a"}, %{disabled: %{disabled | reason: {:a, :b}}}},
            {{:atom, "a"}, %{disabled: %{disabled | reason: String.duplicate("x", 1_001)}}},
            {{:atom, "a"}, %{disabled: Map.put(disabled, :more, 1)}},
            {{:atom, "a"}, %{disabled: disabled, more: 1}},
            {{:atom, :a}, %{disabled: disabled}},
            {{:integer, "1"}, %{disabled: disabled}},
            {"a", %{disabled: disabled}}
          ] do
        assert set_aside(path, file(%{version: 1, plugins: %{key => plugin}})) ==
                 "has content that this release cannot read"
      end
    end

    test "is too large to be read", %{path: path} do
      {:ok, file} = :file.open(path, [:write, :raw])
      {:ok, _} = :file.position(file, 64 * 1024 * 1024)
      :ok = :file.truncate(file)
      :ok = :file.write(file, "x")
      :ok = :file.close(file)
      {{:ok, store}, log} = with_log(fn -> Store.open(path) end)
      assert store == %Store{path: path}
      assert log =~ "has more than 67108864 bytes"
    end

    test "follows one that was set aside before: both stay", %{path: path, directory: directory} do
      for n <- 1..3 do
        File.write!(path, "foreign #{n}")
        capture_log(fn -> {:ok, _} = Store.open(path) end)
      end

      aside =
        for "plugins.corrupt-" <> _ = name <- File.ls!(directory), do: File.read!(Path.join(directory, name))

      assert Enum.sort(aside) == ["foreign 1", "foreign 2", "foreign 3"]
      refute File.exists?(path)
    end
  end

  test "says what was wrong, and goes on", %{path: path, directory: directory} do
    File.mkdir_p!(directory)
    File.write!(path, "hosts: all")
    {{:ok, store}, log} = with_log(fn -> Store.open(path) end)
    assert log =~ ~r/the plugin store #{path} is not a plugin store; it was moved to #{path}.corrupt-\d{8}T/
    assert {:ok, store} = Store.put(store, :blog)
    assert Store.open(path) == {:ok, store}
  end

  test "is not harmed by what a killed writer has left beside it", %{path: path, directory: directory} do
    {:ok, store} = Store.open(path)
    {:ok, store} = Store.put(store, :blog)
    other = path <> "2.tmp-1-2"
    for file <- [path <> ".tmp-1-1", other], do: File.write!(file, "half a st")

    assert Store.check_writable(path) == :ok
    assert Store.open(path) == {:ok, store}
    assert Enum.sort(File.ls!(directory)) == Enum.map([path, other], &Path.basename/1)
  end

  test "is the old one or the new one, whenever its writer is killed", %{path: path} do
    {:ok, store} = Store.open(path)
    {:ok, store} = Store.put(store, :n, "0")

    for n <- 1..300, reduce: 0 do
      last ->
        {writer, monitor} =
          spawn_monitor(fn ->
            receive do: (:go -> :ok)
            {:ok, _} = Store.put(store, :n, "#{n}")
          end)

        send(writer, :go)
        # More or less far on its way.
        for _ <- 1..rem(n, 40)//1, do: :erlang.yield()
        Process.exit(writer, :kill)
        assert_receive {:DOWN, ^monitor, :process, ^writer, _}

        assert {:ok, store} = Store.open(path)
        {:ok, %{reason: found}} = Store.disabled(store, :n)
        assert String.to_integer(found) in [last, n]
        String.to_integer(found)
    end
  end

  test "is whole at any time while two write it", %{path: path} do
    {:ok, store} = Store.open(path)
    {:ok, store} = Store.put(store, :first)

    writers =
      for writer <- ["a", "b"] do
        Task.async(fn ->
          for n <- 1..150, reduce: store do
            store ->
              {:ok, store} = Store.put(store, "#{writer}#{n}", String.duplicate(writer, n))
              store
          end
        end)
      end

    read = fn read, seen ->
      assert {:ok, store} = Store.open(path)
      assert Store.disabled?(store, :first)
      if Enum.all?(writers, &(not Process.alive?(&1.pid))), do: seen, else: read.(read, seen + 1)
    end

    assert read.(read, 0) > 0
    stores = Task.await_many(writers, :infinity)
    {:ok, store} = Store.open(path)
    assert store in stores
  end

  test "keeps the beginning of a long reason", %{path: path} do
    {:ok, store} = Store.open(path)
    {:ok, store} = Store.put(store, :long, String.duplicate("é", 1_000_000))
    {:ok, store} = Store.put(store, :term, Enum.to_list(1..1_000_000))
    assert Store.open(path) == {:ok, store}

    for id <- [:long, :term] do
      {:ok, %{reason: reason}} = Store.disabled(store, id)
      assert String.valid?(reason) and byte_size(reason) <= 1_000
    end
  end

  test "is told with a name on one line", %{directory: directory} do
    path = Path.join(directory, "a\n[error] forged \e[31m")
    File.mkdir_p!(directory)
    File.write!(path, "foreign")
    log = capture_log(fn -> {:ok, _} = Store.open(path) end)
    assert log =~ "a\\n[error] forged \\x{1B}[31m"
    error = %Store.Error{path: path, step: :read, reason: :eacces}
    refute Exception.message(error) =~ "\n"
  end

  test "is not written through a link that somebody has put beside it", %{path: path, directory: directory} do
    File.mkdir_p!(directory)
    target = Path.join(directory, "target")
    File.write!(target, "precious")
    File.ln_s!(target, "#{path}.tmp-#{System.pid()}")
    assert Store.check_writable(path) == :ok
    assert File.read!(target) == "precious"
  end

  describe "that cannot be written" do
    test "because it is a pipe or a device, which is not opened", %{directory: directory} do
      File.mkdir_p!(directory)
      pipe = Path.join(directory, "pipe")
      {_, 0} = System.cmd("mkfifo", [pipe])

      for path <- [pipe, "/dev/zero"] do
        assert {:error, %Store.Error{step: :read, reason: :einval} = error} = Store.open(path)

        assert Exception.message(error) ==
                 "the plugin store #{path} cannot be read: invalid argument. " <>
                   "Name a regular file in store:, not a device or a pipe"
      end
    end

    test "is an error and stays as it was", %{directory: directory} do
      File.mkdir_p!(directory)
      file = Path.join(directory, "file")
      File.write!(file, "")
      below = Path.join(file, "plugins")
      assert {:error, %Store.Error{step: :directory}} = Store.check_writable(below)
      assert {:error, %Store.Error{step: :read, reason: :enotdir}} = Store.open(below)

      # A file system on which nobody makes files, not even root.
      assert {:error, %Store.Error{step: :write} = error} = Store.check_writable("/proc/pipeline_plugins")
      {:ok, nowhere} = Store.open("/proc/pipeline_plugins")
      assert Store.put(nowhere, :blog) == {:error, error}

      assert Exception.message(error) ==
               "the plugin store /proc/pipeline_plugins cannot be written, a file beside it cannot be made: " <>
                 "#{:file.format_error(error.reason)}. " <>
                 "Name a file in store: that the user of the VM can read and write, in such a directory"
    end

    test "because a directory has its name, which is left alone", %{directory: directory} do
      File.mkdir_p!(directory)
      assert {:error, %Store.Error{step: :read, reason: :eisdir} = error} = Store.check_writable(directory)
      assert {:error, ^error} = Store.open(directory)

      assert Exception.message(error) ==
               "the plugin store #{directory} cannot be read: illegal operation on a directory. " <>
                 "Name a file in store:, not a directory"

      assert File.ls!(directory) == []
    end

    test "because a file that is not a store can neither be renamed nor is overwritten" do
      assert {:error, %Store.Error{step: :set_aside}} = Store.open("/proc/version")
    end
  end

  # Opens a store of these bytes and returns what was found wrong with it.
  defp set_aside(path, binary) do
    File.write!(path, binary)
    {{:ok, store}, log} = with_log(fn -> Store.open(path) end)
    assert store == %Store{path: path}
    [aside] = Path.wildcard(path <> ".corrupt-*")
    assert File.read!(aside) == binary
    refute File.exists?(path)
    File.rm!(aside)
    [_, wrong] = Regex.run(~r/the plugin store #{path} (.*); it was moved to #{aside}/, log)
    wrong
  end

  defp write(path, term) do
    File.mkdir_p!(Path.dirname(path))
    File.write!(path, file(term))
  end

  defp file(term), do: term |> :erlang.term_to_binary() |> with_header()
  defp with_header(bytes), do: @magic <> :erlang.md5(bytes) <> bytes
end
