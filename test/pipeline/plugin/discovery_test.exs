defmodule Pipeline.Plugin.DiscoveryTest do
  use Pipeline.InstanceCase, async: true

  import ExUnit.CaptureLog

  alias Pipeline.Plugin.Discovery

  @moduletag :tmp_dir

  # Compiled by another VM: until a test loads one of these, this VM knows none of their atoms. A test that loads has
  # modules of its own.
  @sources """
  defmodule DiscoveryFixture.Seen do
    use Pipeline.Plugin, id: :discovery_fixture_seen, version: "1.2.0"
    capability :discovery_fixture_counting, [:discovery_fixture_word, "text"]
    depends_on :discovery_fixture_base, version: "~> 1.0"
    depends_on capability: :discovery_fixture_llm, optional: true
  end

  defmodule DiscoveryFixture.Other do
    use Pipeline.Plugin, id: "other"
  end

  defmodule DiscoveryFixture.NotOne do
    def __plugin__, do: %{}
  end

  defmodule DiscoveryFixture.Lacking do
    Module.register_attribute(__MODULE__, :pipeline_plugin, persist: true)
    @pipeline_plugin %{id: :discovery_fixture_lacking, version: "1.0.0", capabilities: [], dependencies: []}
  end

  defmodule DiscoveryFixture.Odd do
    Module.register_attribute(__MODULE__, :pipeline_plugin, persist: true)
    @pipeline_plugin %{id: :odd, version: "1.0.0", capabilities: [{:a, 1} | :b], dependencies: []}
    def __plugin__, do: @pipeline_plugin
  end

  defmodule DiscoveryFixture.Deep do
    Module.register_attribute(__MODULE__, :pipeline_plugin, persist: true)
    @pipeline_plugin %{id: Enum.reduce(1..5_000, [], fn _, deep -> [deep] end)}
    def __plugin__, do: @pipeline_plugin
  end

  defmodule DiscoveryFixture.LoadedBase do
    use Pipeline.Plugin, id: :discovery_fixture_loaded_base, version: "1.4.0"
  end

  defmodule DiscoveryFixture.LoadedOnTop do
    use Pipeline.Plugin, id: :discovery_fixture_loaded_on_top
    depends_on :discovery_fixture_loaded_base, version: "~> 1.0"

    hook :before, :step do
      def step(context, next), do: next.(DiscoveryFixture.LoadedBeside.mark(context))
    end
  end

  defmodule DiscoveryFixture.LoadedBeside do
    def mark(context), do: Map.put(context, :marked, true)
  end

  defmodule DiscoveryFixture.Archived do
    use Pipeline.Plugin, id: :discovery_fixture_archived

    hook :before, :step do
      def step(context, next), do: next.(DiscoveryFixture.ArchivedBeside.mark(context))
    end
  end

  defmodule DiscoveryFixture.ArchivedBeside do
    def mark(context), do: Map.put(context, :archived, true)
  end

  defmodule DiscoveryFixture.Twice do
    use Pipeline.Plugin, id: :discovery_fixture_twice
  end

  defmodule DiscoveryFixture.Undone do
    use Pipeline.Plugin, id: :discovery_fixture_undone
  end

  defmodule DiscoveryFixture.Renamed do
    use Pipeline.Plugin, id: :discovery_fixture_renamed
  end

  defmodule DiscoveryFixture.Squeezed do
    use Pipeline.Plugin, id: :discovery_fixture_squeezed
  end

  defmodule DiscoveryFixture.Gone do
    use Pipeline.Plugin, id: :discovery_fixture_gone
  end

  defmodule DiscoveryFixture.Broken do
    @on_load :fail
    use Pipeline.Plugin, id: :discovery_fixture_broken
    def fail, do: :error
  end
  """

  setup_all do
    {:ok, compiled: Pipeline.Elsewhere.compile!(@sources)}
  end

  # Puts modules into a directory; the atoms of their names are not made.
  defp put(context, names, directory) do
    directory = Path.join(context.tmp_dir, directory)
    File.mkdir_p!(directory)

    for name <- names do
      path = Path.join(directory, beam(name))
      File.cp!(Path.join(context.compiled, beam(name)), path)
      path
    end
  end

  defp beam(name), do: "Elixir.DiscoveryFixture.#{name}.beam"

  defp archive(context, names, inner) do
    path = Path.join(context.tmp_dir, "archive.ez")

    files =
      for name <- names do
        {~c"#{inner}/#{beam(name)}", File.read!(Path.join(context.compiled, beam(name)))}
      end

    {:ok, _} = :zip.create(String.to_charlist(path), files)
    path
  end

  defp discover(paths, opts \\ []) do
    test = self()
    opts = Keyword.put_new(opts, :on_unreadable, &send(test, {:unreadable, Path.basename(&1.path), &1}))
    {:ok, found} = Discovery.discover_plugins(List.wrap(paths), opts)
    found
  end

  defp text(id) when is_binary(id), do: id
  defp text({:unknown_atom, name}), do: name
  defp text(id), do: Atom.to_string(id)

  defp ids(found), do: Enum.map(found, &text(&1.manifest.id))

  describe "discover_plugins/2" do
    test "reads manifests and makes no atoms", context do
      [path, _, _] = put(context, ~w(Seen Other NotOne), "seen/ebin")
      found = discover(context.tmp_dir)

      for name <- ~w(discovery_fixture_seen discovery_fixture_word Elixir.DiscoveryFixture.Seen) do
        assert_raise ArgumentError, fn -> String.to_existing_atom(name) end
      end

      assert [%{manifest: %{id: "other"}}, %{path: ^path, module: module, manifest: manifest}] = found
      assert module == {:unknown_atom, "Elixir.DiscoveryFixture.Seen"}
      assert manifest.id == {:unknown_atom, "discovery_fixture_seen"}
      assert manifest.version == "1.2.0"

      assert manifest.capabilities == [
               {{:unknown_atom, "discovery_fixture_counting"},
                [{:unknown_atom, "discovery_fixture_word"}, "text"]}
             ]

      assert manifest.dependencies == [
               {{:unknown_atom, "discovery_fixture_base"}, [version: "~> 1.0"]},
               {{:capability, {:unknown_atom, "discovery_fixture_llm"}}, [optional: true]}
             ]

      refute_received {:unreadable, _, _}
    end

    test "takes directories, files, archives and globs", context do
      [file] = put(context, ~w(Other), "one/ebin")
      put(context, ~w(Seen), "two/ebin")
      archive = archive(context, ~w(Seen NotOne), "inner-1.0/ebin")
      tmp = context.tmp_dir

      assert ids(discover([file])) == ["other"]

      assert ids(discover([Path.join(tmp, "one"), Path.join(tmp, "two/ebin")])) == [
               "other",
               "discovery_fixture_seen"
             ]

      assert ids(discover([tmp <> "/*/ebin"])) == ["other", "discovery_fixture_seen"]
      assert ids(discover([tmp <> "/{two,three}/ebin/*.Seen.beam"])) == ["discovery_fixture_seen"]
      assert ids(discover([tmp <> "/**/*Other*"])) == ["other"]
      assert ids(discover([tmp <> "/one", file, tmp <> "/*/ebin/*Other.beam"])) == ["other"]
      assert discover([tmp <> "/no*such"]) == []

      assert [%{path: path}] = discover([archive])
      assert path == archive <> "/inner-1.0/ebin/Elixir.DiscoveryFixture.Seen.beam"
      assert length(discover([tmp])) == 3
      refute_received {:unreadable, _, _}
    end

    test "reports what cannot be read, with a reason, and finds the others", context do
      [good] = put(context, ~w(Other), "ebin")
      seen = File.read!(Path.join(context.compiled, beam("Seen")))
      directory = Path.dirname(good)
      write = &File.write!(Path.join(directory, &1), &2)

      write.("empty.beam", "")
      write.("text.beam", "this is no module")
      write.("truncated.beam", binary_part(seen, 0, div(byte_size(seen), 2)))
      # The size of the first chunk, at byte 16, claims four gigabytes.
      <<head::binary-size(16), _size::32, rest::binary>> = seen
      write.("lying.beam", head <> <<0xFFFFFFFF::32>> <> rest)
      write.("text.ez", "this is no archive")
      write.("bomb.beam", bomb())
      put(context, ~w(Lacking Odd Deep), "ebin")
      File.mkdir!(Path.join(directory, "directory.beam"))

      assert [%{path: ^good}] = discover(directory)

      reasons =
        for {:unreadable, name, %{reason: reason, message: message}} <- received() do
          assert is_binary(message) and message =~ " "
          {name, reason}
        end

      assert Map.new(reasons) == %{
               "empty.beam" => :not_a_beam_file,
               "text.beam" => :not_a_beam_file,
               "truncated.beam" => :truncated,
               "lying.beam" => :truncated,
               "text.ez" => :archive,
               "bomb.beam" => :inflated_too_large,
               "directory.beam" => :not_a_regular_file,
               beam("Lacking") => :missing_callbacks,
               beam("Odd") => :invalid_manifest,
               beam("Deep") => :term_too_deep
             }
    end

    test "says which callbacks a module lacks that claims a manifest", context do
      put(context, ~w(Lacking), "ebin")
      assert discover(context.tmp_dir) == []

      assert_received {:unreadable, _, %{reason: :missing_callbacks, message: message}}

      assert message ==
               "it carries a manifest but does not export __plugin__/0; recompile it with use Pipeline.Plugin"
    end

    test "logs what cannot be read where nobody asked for it", context do
      path = Path.join(context.tmp_dir, "text.beam")
      File.write!(path, "this is no module")

      log = capture_log(fn -> assert Discovery.discover_plugins([path, path <> "/missing"]) == {:ok, []} end)

      assert log =~ "no plugin in #{path}: the file is no BEAM file"
      assert log =~ "no plugin in #{path}/missing: "
    end

    test "tells how far it has come", context do
      for n <- 1..70 do
        [path] = put(context, ~w(Other), "many/ebin")
        File.rename!(path, Path.join(context.tmp_dir, "many/ebin/copy#{n}.beam"))
      end

      test = self()
      discover(context.tmp_dir, progress: fn done, all -> send(test, {:progress, done, all}) end)

      assert_received {:progress, 64, 70}
      assert_received {:progress, 70, 70}
      refute_received {:progress, _, _}
    end

    test "refuses unknown options" do
      assert_raise ArgumentError, ~r/unknown option :progres of .* Did you mean :progress\?/, fn ->
        Discovery.discover_plugins([], progres: 1)
      end
    end
  end

  describe "load_code/1" do
    test "loads the modules, with what stands beside them, for the manager", context do
      directory = context |> put(~w(LoadedBase LoadedOnTop LoadedBeside), "ebin") |> hd() |> Path.dirname()
      found = discover(directory)
      assert Enum.all?(found, &match?({:unknown_atom, _}, &1.module))

      assert {:ok, modules} = Discovery.load_code(found)
      assert Enum.map(modules, &inspect/1) == ["DiscoveryFixture.LoadedBase", "DiscoveryFixture.LoadedOnTop"]
      assert Enum.count(:code.get_path(), &(&1 == String.to_charlist(directory))) == 1

      assert {:ok, ids} = Manager.load_plugins(modules, instance: context.instance)
      assert Enum.map(ids, &text/1) == ["discovery_fixture_loaded_base", "discovery_fixture_loaded_on_top"]
      assert Hook.run(context.instance, :step, %{}, &Function.identity/1) == {:ok, %{marked: true}}

      # Once more: the same modules, and the path as it is.
      assert Discovery.load_code(found) == {:ok, modules}
      assert Discovery.load_code(discover(directory)) == {:ok, modules}
      assert Enum.count(:code.get_path(), &(&1 == String.to_charlist(directory))) == 1
      assert [%{module: module} | _] = discover(directory)
      assert module == hd(modules)
      forget(modules, directory)
    end

    test "loads from an archive, with what stands beside them", context do
      archive = archive(context, ~w(Archived ArchivedBeside Lacking), "inner/ebin")
      found = discover(archive)
      assert {:ok, [module]} = Discovery.load_code(found)
      assert {:file, loaded} = :code.is_loaded(module)
      assert List.to_string(loaded) == archive <> "/inner/ebin/" <> beam("Archived")

      assert {:ok, _} = Manager.load_plugins([module], instance: context.instance)
      assert Hook.run(context.instance, :step, %{}, &Function.identity/1) == {:ok, %{archived: true}}
      assert Discovery.load_code(found) == {:ok, [module]}
      forget([module], nil)
    end

    test "replaces no module that is loaded from elsewhere", context do
      [one] = put(context, ~w(Twice), "one")
      [two] = put(context, ~w(Twice), "two")
      {:ok, [module]} = Discovery.load_code(discover(one))

      assert {:error, %Error{step: :code, reason: reason} = error} = Discovery.load_code(discover(two))
      assert reason == {:loaded_from_elsewhere, module, String.to_charlist(one)}
      assert Exception.message(error) =~ "DiscoveryFixture.Twice is loaded from #{one} and is not replaced"
      assert {:file, loaded} = :code.is_loaded(module)
      assert List.to_string(loaded) == one

      # The same file under another name is the same.
      link = Path.join(context.tmp_dir, "link")
      File.ln_s!(Path.dirname(one), link)
      assert Discovery.load_code(discover(link)) == {:ok, [module]}
      forget([module], Path.dirname(one))
    end

    test "undoes what it has done when one does not load", context do
      directory = context |> put(~w(Broken Undone), "ebin") |> hd() |> Path.dirname()
      found = directory |> discover() |> Enum.reverse()

      assert {:error, %Error{step: :code, plugin: "discovery_fixture_broken"} = error} =
               Discovery.load_code(found)

      assert {:cannot_load, broken, :on_load_failure} = error.reason
      assert Exception.message(error) =~ "#{broken} does not load: :on_load_failure; compile it again"

      refute String.to_charlist(directory) in :code.get_path()
      assert [%{module: _broken}, %{module: undone}] = discover(directory)
      assert is_atom(undone) and :code.is_loaded(undone) == false
    end

    test "says so when the file is gone or changed", context do
      [path] = put(context, ~w(Gone), "ebin")
      found = discover(path)
      File.write!(path, "this is no module")

      capture_log(fn ->
        assert {:error, %Error{reason: {:cannot_load, ^path, _}}} = Discovery.load_code(found)
      end)

      File.rm!(path)
      assert {:error, %Error{reason: {:cannot_load, ^path, :not_found}}} = Discovery.load_code(found)

      archive = archive(context, ~w(Gone), "inner/ebin")
      found = discover(archive)
      File.write!(archive, "this is no archive")
      assert {:error, %Error{reason: {:cannot_load, _, _}}} = Discovery.load_code(found)
    end

    test "takes files of any name, compressed ones too", context do
      [path] = put(context, ~w(Renamed), "ebin")
      renamed = Path.join(context.tmp_dir, "my plugin.beam")
      File.rename!(path, renamed)
      [squeezed] = put(context, ~w(Squeezed), "ebin")
      File.write!(squeezed, squeezed |> File.read!() |> :zlib.gzip())

      assert {:ok, modules} = Discovery.load_code(discover([renamed, squeezed]))
      assert {:ok, _} = Manager.load_plugins(modules, instance: context.instance)
      forget(modules, Path.dirname(squeezed))
    end
  end

  defp forget(modules, directory) do
    on_exit(fn ->
      Enum.each(modules, &Pipeline.InstanceCase.remove/1)
      if directory, do: :code.del_path(String.to_charlist(directory))
    end)
  end

  defp received do
    receive do
      {:unreadable, _, _} = message -> [message | received()]
    after
      0 -> []
    end
  end

  # A BEAM file whose attributes inflate to more than is allowed: gzip makes little of many zeros.
  defp bomb do
    zip = :zlib.open()
    :ok = :zlib.deflateInit(zip, :best_compression, :deflated, 31, 8, :default)
    megabyte = :binary.copy(<<0>>, 1_048_576)
    parts = for _ <- 1..70, do: :zlib.deflate(zip, megabyte)
    parts = [parts, :zlib.deflate(zip, "", :finish)]
    :zlib.close(zip)
    IO.iodata_to_binary(parts)
  end
end
