defmodule Pipeline.Plugin.StoreTest do
  use ExUnit.Case, async: true

  import Bitwise
  import ExUnit.CaptureLog

  alias Pipeline.Plugin.Store

  setup do
    directory =
      Path.join(System.tmp_dir!(), "pipeline_store_#{System.pid()}_#{System.unique_integer([:positive])}")

    on_exit(fn -> File.rm_rf!(directory) end)
    {:ok, directory: directory, path: Path.join(directory, "plugins")}
  end

  test "keeps what was disabled, when and why", %{path: path} do
    {:ok, store, []} = Store.open(path)
    assert Store.disabled(store) == %{}
    assert {:ok, store} = Store.put(store, :blog, "leaks memory")
    assert {:ok, store} = Store.put(store, "blog", {:limit, 3})
    assert {:ok, store} = Store.put(store, Pipeline.Shop)
    assert {:ok, store} = Store.put(store, :gone)
    assert {:ok, store} = Store.delete(store, :gone)
    assert {:ok, store} = Store.delete(store, :never_there)

    assert {:ok, again, []} = Store.open(path)
    assert again == store

    assert %{
             :blog => %{reason: "leaks memory", since: %DateTime{} = since},
             "blog" => %{reason: "{:limit, 3}"},
             Pipeline.Shop => %{reason: nil}
           } = Store.disabled(again)

    assert map_size(Store.disabled(again)) == 3
    assert DateTime.diff(DateTime.utc_now(), since) in 0..60
    assert Store.disabled?(again, :blog) and Store.disabled?(again, "blog")
    refute Store.disabled?(again, :gone) or Store.disabled?(again, "Elixir.Pipeline.Shop")
    assert File.ls!(Path.dirname(path)) == ["plugins"]
  end

  test "makes no atoms, and writes unknown ones back", %{path: path} do
    unknown = "nobody_knows_this_" <> "atom_of_the_store"
    too_long = String.duplicate("x", 300)
    {:ok, store, []} = Store.open(path)
    {:ok, _} = Store.put(store, :aaaa, "why")

    # As another VM would have written it.
    rewrite(path, fn [{0, "aaaa", since, why}] ->
      [{0, unknown, since, why}, {0, too_long, since, []}, {1, <<255, 0>>, since, []}]
    end)

    {:ok, store, []} = Store.open(path)
    assert %{reason: "why"} = Store.disabled(store)[{:unknown_atom, unknown}]
    assert Map.has_key?(Store.disabled(store), {:unknown_atom, too_long})
    assert Store.disabled?(store, <<255, 0>>)
    assert_raise ArgumentError, fn -> String.to_existing_atom(unknown) end
    refute Store.disabled?(store, unknown)

    {:ok, _store} = Store.put(store, :other)
    {:ok, store, []} = Store.open(path)
    assert %{reason: "why"} = Store.disabled(store)[{:unknown_atom, unknown}]
    assert map_size(Store.disabled(store)) == 4
  end

  describe "sets a file aside, whole, that" do
    setup %{path: path} do
      {:ok, store, []} = Store.open(path)
      {:ok, store} = Store.put(store, :blog, "leaks memory")
      {:ok, _store} = Store.put(store, "shop")
      {:ok, binary: File.read!(path)}
    end

    test "ends too early, wherever", %{path: path, binary: binary} do
      for length <- 0..(byte_size(binary) - 1) do
        assert set_aside(path, binary_part(binary, 0, length)) == :truncated
      end
    end

    test "has a changed bit, whichever", %{path: path, binary: binary} do
      for byte <- 0..(byte_size(binary) - 1), bit <- 0..7 do
        {before, <<changed, rest::binary>>} = :erlang.split_binary(binary, byte)
        binary = <<before::binary, bxor(changed, 1 <<< bit), rest::binary>>
        assert set_aside(path, binary) in [:foreign, :truncated, :trailing, :checksum]
      end
    end

    test "is longer, of somebody else, of a later version, or no list of entries", %{
      path: path,
      binary: binary
    } do
      assert set_aside(path, binary <> "x") == :trailing
      assert set_aside(path, "<?xml version=\"1.0\"?>") == :foreign
      assert set_aside(path, with_header(2, <<1, 2, 3>>)) == {:format, 2}

      for term <- [
            :an_atom,
            [:an_atom],
            [{0, "a", 1, []} | :improper],
            [{2, "a", 1, []}],
            [{0, :a, 1, []}],
            [{0, "a", 1.0, []}],
            [{0, "a", 1 <<< 80, []}],
            [{0, "a", 1, [:a]}],
            [{0, "a", 1, ["a", "b"]}]
          ] do
        assert set_aside(path, with_header(1, :erlang.term_to_binary(term))) == :malformed
      end

      assert set_aside(path, with_header(1, "no term")) == :malformed
      # An atom that this VM does not know.
      atom = <<131, 119, 21, "unheard_of_atom_in_it">>
      assert set_aside(path, with_header(1, atom)) == :malformed
    end

    test "was set aside before: both stay", %{path: path, directory: directory} do
      for n <- 1..3 do
        File.write!(path, "foreign #{n}")
        capture_log(fn -> {:ok, _, [_]} = Store.open(path) end)
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
    test = self()
    log = capture_log(fn -> send(test, Store.open(path)) end)
    assert_received {:ok, store, [{:foreign, sentence}]}

    assert sentence =~
             ~r/\Athe plugin store #{path} is no plugin store; it was moved to #{path}.corrupt-\d{8}T/

    assert log =~ sentence
    assert {:ok, store} = Store.put(store, :blog)
    assert {:ok, ^store, []} = Store.open(path)
  end

  test "is not harmed by what a killed writer has left beside it", %{path: path, directory: directory} do
    {:ok, store, []} = Store.open(path)
    {:ok, store} = Store.put(store, :blog)
    fresh = path <> ".tmp-1-1"
    old = path <> ".tmp-1-2"
    other = path <> "2.tmp-1-2"
    for file <- [fresh, old, other], do: File.write!(file, "half a st")
    for file <- [old, other], do: File.touch!(file, System.os_time(:second) - 3600)

    assert {:ok, ^store, []} = Store.open(path)
    assert Enum.sort(File.ls!(directory)) == Enum.map([path, fresh, other], &Path.basename/1)
    assert {:ok, _} = Store.delete(store, :blog)
  end

  test "is the old one or the new one, whenever its writer is killed", %{path: path} do
    {:ok, store, []} = Store.open(path)
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

        assert {:ok, store, []} = Store.open(path)
        %{n: %{reason: found}} = Store.disabled(store)
        assert String.to_integer(found) in [last, n]
        String.to_integer(found)
    end
  end

  test "is whole at any time while two write it", %{path: path} do
    {:ok, store, []} = Store.open(path)
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
      assert {:ok, store, []} = Store.open(path)
      assert Store.disabled?(store, :first)
      if Enum.all?(writers, &(not Process.alive?(&1.pid))), do: seen, else: read.(read, seen + 1)
    end

    assert read.(read, 0) > 0
    stores = Task.await_many(writers)
    {:ok, store, []} = Store.open(path)
    assert store in stores
  end

  describe "that cannot be written" do
    test "is an error and stays as it was", %{directory: directory} do
      File.mkdir_p!(directory)
      file = Path.join(directory, "file")
      File.write!(file, "")

      {{:ok, below, [{{:unreadable, :enotdir}, _} | _]}, _log} =
        with_log(fn -> Store.open(Path.join(file, "plugins")) end)

      assert {:error, %Store.Error{} = error} = Store.put(below, :blog)
      assert error.reason in [:enotdir, :eexist]
      assert Store.disabled(below) == %{}

      # A file system on which nobody makes files, not even root.
      {:ok, nowhere, []} = Store.open("/proc/pipeline_plugins")
      assert {:error, %Store.Error{step: :open} = error} = Store.put(nowhere, :blog)

      assert Exception.message(error) =~
               ~r"\Athe plugin store /proc/pipeline_plugins was not written, no file can be made beside it: .*writable"
    end

    test "because a directory has its name, which is left alone", %{directory: directory} do
      File.mkdir_p!(directory)
      {{:ok, store, [{{:unreadable, :eisdir}, sentence}]}, _log} = with_log(fn -> Store.open(directory) end)
      assert sentence == "the plugin store #{directory} is a directory: give it the name of a file"
      assert {:error, %Store.Error{step: :rename}} = Store.put(store, :blog)
      assert File.ls!(directory) == []

      refute Enum.any?(
               File.ls!(Path.dirname(directory)),
               &String.starts_with?(&1, Path.basename(directory) <> ".")
             )
    end

    test "because an unusable file can neither be moved nor is overwritten" do
      {{:ok, store, [{:foreign, _}, {{:not_set_aside, _}, sentence}]}, _log} =
        with_log(fn -> Store.open("/proc/version") end)

      assert sentence =~ "the plugin store /proc/version cannot be moved out of the way: "
      assert {:error, %Store.Error{step: :set_aside}} = Store.put(store, :blog)
    end
  end

  # Opens a store of these bytes and returns what was found wrong with it.
  defp set_aside(path, binary) do
    File.write!(path, binary)
    {{:ok, store, [{reason, sentence}]}, log} = with_log(fn -> Store.open(path) end)
    assert Store.disabled(store) == %{}
    assert log =~ sentence
    [aside] = Path.wildcard(path <> ".corrupt-*")
    assert File.read!(aside) == binary
    refute File.exists?(path)
    File.rm!(aside)
    reason
  end

  defp rewrite(path, fun) do
    <<"pipeline plugins\n", 1::16, _::64, _::32, body::binary>> = File.read!(path)
    File.write!(path, with_header(1, body |> :erlang.binary_to_term() |> fun.() |> :erlang.term_to_binary()))
  end

  defp with_header(version, body) do
    header = <<version::16, byte_size(body)::64>>
    <<"pipeline plugins\n", header::binary, :erlang.crc32([header, body])::32, body::binary>>
  end
end
