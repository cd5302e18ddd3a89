defmodule Pipeline.Plugin.DiscoveryHostileTest do
  # Files, names and patterns that were made to hurt. Each is refused in time, by a short sentence on one line.
  use Pipeline.InstanceCase, async: true

  import ExUnit.CaptureLog

  alias Pipeline.Plugin.{Discovery, Manifest}

  @moduletag :tmp_dir

  @sources """
  defmodule HostileFixture.Plain do
    use Pipeline.Plugin, id: "hostile_plain"
  end

  defmodule HostileFixture.Swapped do
    use Pipeline.Plugin, id: "hostile_swapped"
    def which, do: "the one that was discovered"
  end

  defmodule HostileFixture.Packed do
    use Pipeline.Plugin, id: "hostile_packed"
  end

  defmodule HostileFixture.PackedBeside do
    def which, do: "the one that was discovered"
  end
  """

  @manifest %{id: "x", version: "1.0.0", capabilities: [], dependencies: []}

  # Far more than any machine reads within a second by an algorithm that is not linear.
  @many 1_000_000

  setup_all do
    {:ok, compiled: Pipeline.Elsewhere.compile!(@sources)}
  end

  defp beam(context, name), do: File.read!(Path.join(context.compiled, "Elixir.HostileFixture.#{name}.beam"))

  # The plugin with another manifest in its file, compressed, so that the file stays small.
  defp forge(context, manifest) do
    {:ok, _, chunks} = :beam_lib.all_chunks(beam(context, "Plain"))
    {~c"Attr", attributes} = List.keyfind(chunks, ~c"Attr", 0)

    attributes =
      List.keyreplace(:erlang.binary_to_term(attributes), :pipeline_plugin, 0, {:pipeline_plugin, [manifest]})

    chunks = List.keyreplace(chunks, ~c"Attr", 0, {~c"Attr", :erlang.term_to_binary(attributes)})
    {:ok, forged} = :beam_lib.build_module(chunks)
    write(context, "forged.beam", :zlib.gzip(forged))
  end

  defp write(context, name, content) do
    path = Path.join(context.tmp_dir, name)
    File.mkdir_p!(Path.dirname(path))
    File.write!(path, content)
    path
  end

  defp discover(paths) do
    test = self()
    {:ok, found} = Discovery.discover_plugins(List.wrap(paths), on_unreadable: &send(test, {:unreadable, &1}))
    found
  end

  defp refused(paths) do
    assert discover(paths) == []
    assert_received {:unreadable, unreadable}
    refute_received {:unreadable, _}
    assert_shown(unreadable.message)
    unreadable
  end

  defp assert_shown(text) do
    assert byte_size(text) < 1_200
    refute text =~ ~r/[\p{C}\p{Zl}\p{Zp}]/u
  end

  defp digits, do: String.duplicate("9", @many)
  defp big, do: :erlang.bsl(1, 4 * @many)
  defp depends(requirement), do: %{@manifest | dependencies: [{:x, [version: requirement]}]}

  defp enormous do
    %{
      id: %{@manifest | id: digits()},
      version: %{@manifest | version: "1." <> digits() <> ".0"},
      pre_release: %{@manifest | version: "1.0.0-" <> digits()},
      requirement: depends("~> 1." <> digits()),
      comparisons: depends(String.duplicate("== 1.0.0 or ", 80_000) <> "== 1.0.0"),
      spaces: depends("1.0.0" <> String.duplicate(" ", @many) <> "x"),
      integer: %{@manifest | version: big()},
      id_integer: %{@manifest | id: big()},
      dependency: %{@manifest | dependencies: [{big(), []}]},
      options: %{@manifest | dependencies: [{:x, [{big(), digits()}]}]},
      priority: %{@manifest | capabilities: [{:x, [module: :m, priority: big()]}]},
      capability: %{@manifest | capabilities: [{digits(), 1}]},
      hooks: Map.put(@manifest, :hooks, %{before: [digits()]})
    }
  end

  describe "manifests" do
    test "of enormous texts and numbers are refused in Rust", context do
      for {case, manifest} <- enormous() do
        path = forge(context, manifest)
        assert File.stat!(path).size < 30_000
        assert %{reason: reason} = refused(path)
        assert {case, reason} in [{case, :manifest_too_large}, {case, :term_integer}]
      end
    end

    test "of enormous texts and numbers are refused where they come from a module" do
      for {_case, manifest} <- enormous() do
        assert {:error, sentence} = Manifest.check(manifest)
        assert_shown(sentence)
      end
    end

    test "a little over a bound are refused with the bound", context do
      for {manifest, reason, sentence} <- [
            {%{@manifest | id: String.duplicate("a", 256)}, :manifest_text_too_long,
             "the manifest's id has 256 bytes, and 255 are allowed; shorten it"},
            {%{@manifest | version: "1.0.0+" <> String.duplicate("a", 251)}, :manifest_text_too_long,
             "the manifest's version has 257 bytes, and 256 are allowed; shorten it"},
            {depends(String.duplicate("== 1.0.0 or ", 86) <> "== 1.0.0"), :manifest_text_too_long,
             "the manifest's requirement of a dependency has 1040 bytes, and 1024 are allowed; shorten it"},
            {%{@manifest | dependencies: for(n <- 1..1001, do: {"p#{n}", []})}, :manifest_too_many,
             "the manifest has 1001 dependencies, and 1000 are allowed; split the plugin into several"},
            {%{@manifest | capabilities: [{:x, Enum.reduce(1..100, 1, fn _, deep -> [deep] end)}]},
             :term_too_deep,
             "the term nests deeper than 64 levels; flatten the manifest or raise the limit `depth`"}
          ] do
        assert %{reason: ^reason, message: ^sentence} = refused(forge(context, manifest))
      end
    end

    # A map of 500 keys ended the VM (OTP 25) when a thread of the library sent it.
    # Each takes some microseconds, so the file some seconds.
    test "of half a million gzip members are refused", context do
      plain = :zlib.gzip(beam(context, "Plain"))
      assert [_found] = discover(write(context, "two.beam", :zlib.gzip("") <> plain))
      many = write(context, "many.beam", :binary.copy(:zlib.gzip(""), 500_000) <> plain)
      assert %{reason: :too_many_gzip_members, message: message} = refused(many)
      assert message =~ "the file has more than 16 gzip members"
    end

    test "of wide maps are refused", context do
      for keys <- [33, 500, 9_000] do
        wide = Map.new(1..keys, &{&1, &1})
        assert %{reason: :term_map_keys} = refused(forge(context, %{@manifest | capabilities: [{:x, wide}]}))
        assert %{reason: :term_map_keys} = refused(forge(context, Map.merge(@manifest, wide)))
      end

      assert [_] = discover(forge(context, %{@manifest | capabilities: [{:x, Map.new(1..32, &{&1, &1})}]}))
    end

    test "within the bounds are read from files and taken from modules alike", context do
      for {manifest, within?} <- [
            {%{@manifest | id: String.duplicate("é", 127) <> "e"}, true},
            {%{@manifest | id: String.duplicate("é", 128)}, false},
            {%{@manifest | version: "1.0.0+" <> String.duplicate("a", 250)}, true},
            {%{@manifest | version: "1.0.0+" <> String.duplicate("a", 251)}, false},
            {%{@manifest | version: "1.0.0-99999999999999"}, true},
            {%{@manifest | version: "1.0.0-999999999999999"}, false},
            {depends(String.duplicate("1.0.0 or ", 113) <> "1.0.0"), true},
            {depends(String.duplicate("1.0.0 or ", 114) <> "1.0.0"), false}
          ] do
        found = discover(forge(context, manifest))
        assert length(found) == if(within?, do: 1, else: 0)
        assert {manifest, Manifest.check(manifest) == :ok} == {manifest, within?}
      end
    end

    test "forge no line of a log and nothing that a terminal obeys", context do
      evil = "evil\n\e[2J\e]0;t\a[error] fake\u202E"
      path = forge(context, %{@manifest | id: evil, version: evil})
      assert %{message: message} = refused(path)
      assert message =~ ~S(its version is "evil\n\e[2J)

      # An atom that this VM does not know: its name stands in the sentences of the loader.
      unknown = "unknown\n\e[31m#{System.unique_integer([:positive])}\\"
      attribute = :erlang.term_to_binary(%{@manifest | dependencies: [{:placeholder_name, []}]})
      # Newer versions of OTP write atoms in another form.
      placeholders = [<<119, 16, "placeholder_name">>, <<100, 16::16, "placeholder_name">>]
      forged = :binary.replace(attribute, placeholders, <<119, byte_size(unknown), unknown::binary>>)
      assert forged != attribute

      {:ok, _, chunks} = :beam_lib.all_chunks(beam(context, "Plain"))
      <<131, manifest::binary>> = forged
      # [{pipeline_plugin, [Manifest]}]
      attr = <<131, 108, 1::32, 104, 2, 119, 15, "pipeline_plugin", 108, 1::32>> <> manifest <> <<106, 106>>

      {:ok, beam} = :beam_lib.build_module(List.keyreplace(chunks, ~c"Attr", 0, {~c"Attr", attr}))
      found = discover(write(context, "unknown.beam", beam))
      assert [{_, {:unloadable, sentence}}] = Discovery.diagnose(found)
      assert sentence =~ ~S(unknown\n\u{1b}[31m)
      refute sentence =~ "\e"
      refute sentence =~ "unknown\n"
    end
  end

  describe "paths" do
    test "are logged on one line", context do
      path = write(context, "a\n23:59:59.000 [error] FAKE \e[31m.beam", "no module")

      log =
        capture_log(fn -> assert {:ok, []} = Discovery.discover_plugins([context.tmp_dir, path <> "*["]) end)

      assert log =~ ~S(/a\n23:59:59.000 [error] FAKE \x{1B}[31m.beam: the file is no BEAM file)
      refute log =~ "a\n23"
      refute log =~ "FAKE \e"

      # The path itself is the file's, so that a program can remove it.
      assert %{path: ^path} = refused(context.tmp_dir)
    end

    test "that are not UTF-8 are reported with their bytes", context do
      odd = Path.join(context.tmp_dir, <<"odd", 0xFF, ".beam">>)

      case File.write(odd, beam(context, "Plain")) do
        :ok ->
          assert %{reason: :not_utf8, path: path} = refused(context.tmp_dir)
          assert path == context.tmp_dir <> ~S(/odd\xff.beam)
          assert %{reason: :not_utf8, path: ^path} = refused(odd)

        # macOS has no such names.
        {:error, :eilseq} ->
          :ok
      end
    end

    test "over link cycles end", context do
      write(context, "ebin/Elixir.HostileFixture.Plain.beam", beam(context, "Plain"))
      for name <- ~w(one two three), do: File.ln_s!(".", Path.join(context.tmp_dir, name))

      assert %{reason: :too_many_entries, message: message} =
               refused(context.tmp_dir <> String.duplicate("/*", 30))

      assert message =~ "looks at more than 500000 directory entries"
      assert [_] = discover(context.tmp_dir <> "/**/*.beam")
    end

    test "of too many wildcards are refused", context do
      for pattern <- [
            String.duplicate("{", 200) <> "a" <> String.duplicate("}", 200),
            String.duplicate("*", 100_000),
            String.duplicate("[a]", 100),
            "{a\nb"
          ] do
        assert %{reason: :pattern} = refused(context.tmp_dir <> "/" <> pattern)
      end
    end
  end

  describe "load_code/1" do
    # As an attacker would: the same name and manifest, another code.
    defp swapped(context, name) do
      source = context.compiled |> Path.join("source.ex") |> File.read!()

      directory =
        Pipeline.Elsewhere.compile!(String.replace(source, "the one that was discovered", "another"))

      File.read!(Path.join(directory, "Elixir.HostileFixture.#{name}.beam"))
    end

    defp changed(found) do
      assert {:error, %Error{step: :code, reason: {:cannot_load, path, :changed}} = error} =
               Discovery.load_code(found)

      assert Exception.message(error) =~
               "#{path} does not load: the file has changed since it was discovered; discover it again and look at its " <>
                 "manifest before you load it"
    end

    defp archive(context, files) do
      path = Path.join(context.tmp_dir, "packed.ez")
      {:ok, _} = :zip.create(String.to_charlist(path), files)
      path
    end

    test "loads a file only as it was discovered", context do
      path = write(context, "ebin/Elixir.HostileFixture.Swapped.beam", beam(context, "Swapped"))
      found = discover(path)
      File.write!(path, swapped(context, "Swapped"))
      changed(found)

      File.write!(path, beam(context, "Swapped"))
      assert {:ok, [module]} = Discovery.load_code(found)
      assert apply(module, :which, []) == "the one that was discovered"
      on_exit(fn -> Pipeline.InstanceCase.remove(module) end)
      :code.del_path(path |> Path.dirname() |> String.to_charlist())
    end

    test "loads an archive only as it was discovered, with all that is in it", context do
      plugin = {~c"a/ebin/Elixir.HostileFixture.Packed.beam", beam(context, "Packed")}
      name = ~c"a/ebin/Elixir.HostileFixture.PackedBeside.beam"
      found = discover(archive(context, [plugin, {name, beam(context, "PackedBeside")}]))

      archive(context, [plugin, {name, swapped(context, "PackedBeside")}])
      changed(found)

      archive(context, [plugin, {name, beam(context, "PackedBeside")}, {~c"a/ebin/more.beam", ""}])
      changed(found)
    end

    test "unpacks an archive under the limits of discovery", context do
      plugin = {~c"a/ebin/Elixir.HostileFixture.Packed.beam", beam(context, "Packed")}
      path = archive(context, [plugin, {~c"a/ebin/bomb.beam", :binary.copy(<<0>>, 65 * 1_048_576)}])
      assert [_] = found = discover(path)
      assert_received {:unreadable, %{reason: :inflated_too_large}}

      assert {:error, %Error{reason: {:cannot_load, _, :inflated_too_large}}} = Discovery.load_code(found)
    end
  end

  describe "a plugin that compiles" do
    defp compile(declarations, options) do
      name = "HostileFixture.Compiled#{System.unique_integer([:positive])}"

      [{module, beam}] =
        Code.compile_string("""
        defmodule #{name} do
          use Pipeline.Plugin, id: "compiled"#{options}
          #{declarations}
        end
        """)

      on_exit(fn -> Pipeline.InstanceCase.remove(module) end)
      beam
    end

    test "is discovered", context do
      nines = String.duplicate("9", 14)

      for {declarations, options} <- [
            {"capability :x, #{0x7FFFFFFFFFFFFFFF}", ~s(, version: "1.0.0-#{nines}")},
            {~s(depends_on "y", version: "~> #{nines}.0"), ~s(, description: String.duplicate("a", 120_000\))}
          ] do
        assert [_] = discover(write(context, "compiled.beam", compile(declarations, options)))
      end
    end

    test "is one that discovery takes" do
      nines = String.duplicate("9", 15)

      for {declarations, options, message} <- [
            {"", ~s(, version: "1.0.0-#{nines}"), "the version of a plugin is a semantic version"},
            {~s(depends_on "y", version: "~> #{nines}.0"), "", "which is not a version requirement"},
            {"capability :x, #{0x8000000000000000}", "", "does not fit 64 bits; write it as text"},
            {"capability :x, Map.new(1..33, &{&1, &1})", "", "has 33 keys, and 32 are allowed"},
            {"capability :x, Enum.reduce(1..100, 1, fn _, deep -> [deep] end)", "",
             "nests deeper than 64 levels"},
            {"for n <- 1..1001, do: capability(:\"x\#{n}\")", "",
             "the manifest has 1001 capabilities, and 1000"},
            {"@moduledoc String.duplicate(\"a\", 140_000)", "",
             "and 131072 are allowed; shorten its description"},
            {"", ~s(, name: String.duplicate("a", 256\)),
             "the manifest's name has 256 bytes, and 255 are allowed"}
          ] do
        error = assert_raise CompileError, fn -> compile(declarations, options) end
        assert Exception.message(error) =~ message
      end
    end
  end
end
