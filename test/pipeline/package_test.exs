defmodule Pipeline.PackageTest do
  use ExUnit.Case, async: true

  alias Pipeline.{Package, PackageServer, Packages}
  alias Pipeline.JSON
  alias Pipeline.Package.{Folder, Signature}
  alias Pipeline.Plugin.{Error, Manager}

  @source """
  defmodule PackageTest.Greeter do
    use Pipeline.Plugin, id: :package_test_greeter, version: "1.2.0", description: "Greets"
    capability :package_test_language, [:en, "de", 3]
    depends_on :package_test_base, version: "~> 1.0", optional: true
    hook :before, :greet, do: (def greet(c, next), do: next.([PackageTest.Helper.word() | c]))
  end

  defmodule PackageTest.Helper do
    def word, do: :hello
  end
  """

  setup_all do
    app =
      Packages.app!(:package_test_greeter, "1.2.0", @source, priv: [{"words.txt", "hello"}, {"bin/run", "#!"}])

    File.chmod!(Path.join(app.folder, "priv/bin/run"), 0o755)
    {public, private} = Signature.new_keys()
    built = Packages.build!(app, sign: private)

    {:ok,
     app: app, bytes: built.bytes, unsigned: Packages.build!(app).bytes, public: public, name: built.file}
  end

  setup do
    {:ok, folder: Packages.folder!()}
  end

  defp files(folder), do: folder |> File.ls!() |> Enum.sort()

  defp assert_refused(source, reason, context, opts \\ []) do
    assert {:error, %Error{operation: :install, step: :package, reason: ^reason} = error} =
             Package.install(source, [packages: context.folder] ++ opts)

    assert files(context.folder) == []
    Exception.message(error)
  end

  # Changes plugin.json, whose hashes stay right.
  defp with_manifest(bytes, change) do
    Packages.tamper(bytes, fn entries ->
      entries
      |> Map.delete("plugin.sig")
      |> Map.update!("plugin.json", fn entry ->
        {:ok, json} = JSON.decode(entry.bytes)
        %{entry | bytes: json |> change.() |> JSON.encode()}
      end)
    end)
  end

  describe "building" do
    test "gives the same bytes for the same input", context do
      again = %{context.app | folder: Packages.folder!()}
      File.cp_r!(context.app.folder, again.folder)
      File.touch!(Path.join(again.folder, "priv/words.txt"), 0)
      assert Packages.build!(again).bytes == context.unsigned
      assert context.name == "package_test_greeter-1.2.0.plugin.tar.gz"
    end

    test "says why it cannot", context do
      assert {:error, sentence} =
               Pipeline.Package.Builder.build(%{context.app | version: "2.0.0"}, [], Packages.requires())

      assert sentence =~ "the plugin has the version 1.2.0, and the project 2.0.0"

      none = Packages.app!(:none, "1.0.0", "defmodule PackageTest.None do\nend")

      assert {:error, "there is no plugin in it" <> _} =
               Pipeline.Package.Builder.build(none, [], Packages.requires())
    end
  end

  describe "install/2" do
    test "installs from a path, bytes, and a folder; lists and uninstalls", context do
      path = Path.join(context.folder, context.name)
      File.write!(path, context.bytes)
      folder = Path.join(context.folder, "packages")
      opts = [packages: folder]

      assert {:ok, info} = Package.install(path, opts)

      assert %{
               name: "package_test_greeter",
               version: "1.2.0",
               id: "package_test_greeter",
               description: "Greets",
               platforms: [],
               dependencies: [],
               modules: ["Elixir.PackageTest.Greeter", "Elixir.PackageTest.Helper"]
             } = info

      assert info.signed_by == context.public
      assert info.path == Path.join(folder, "package_test_greeter-1.2.0")
      assert files(folder) == ["package_test_greeter-1.2.0"]
      assert files(info.path) == ["ebin", "plugin.json", "plugin.sig", "priv"]
      assert File.read!(Path.join(info.path, "priv/words.txt")) == "hello"
      assert Bitwise.band(File.stat!(Path.join(info.path, "priv/bin/run")).mode, 0o111) == 0o111

      assert Package.list(opts) == [info]
      assert Package.info("package_test_greeter", opts) == {:ok, info}
      assert Package.verify("package_test_greeter", opts) == {:ok, info}
      assert Package.verify!(path, trust: [context.public]) == %{info | path: nil}

      # Once more, in every way.
      assert Package.install(context.bytes, opts) == {:ok, info}
      assert Package.install!(info.path, opts) == info

      assert Package.uninstall("package_test_greeter", opts) == :ok
      assert files(folder) == []
      assert {:error, %Error{reason: {:not_installed, _}}} = Package.uninstall("package_test_greeter", opts)
      assert {:error, %Error{reason: {:not_installed, _}}} = Package.info("../..", opts)
    end

    test "into the folder of an instance", context do
      name = {:package_test, context.test}
      start_supervised!({Manager, name: name, packages: context.folder})
      assert {:ok, %{path: path}} = Package.install(context.bytes, instance: name)
      assert Path.dirname(path) == context.folder
      assert [_] = Package.list(instance: name)

      none = {:package_test, :no_folder, context.test}
      start_supervised!({Manager, name: none})

      assert {:error, %Error{reason: :no_packages_folder} = error} =
               Package.install(context.bytes, instance: none)

      assert Exception.message(error) =~ "start the instance with packages:"
      assert Package.list(instance: none) == []
    end

    test "several versions, and another package of the same", context do
      opts = [packages: context.folder]
      info = Package.install!(context.bytes, opts)
      other = with_manifest(context.bytes, &put_in(&1, ["plugin", "description"], "Another"))

      assert {:error, %Error{reason: {:already_installed, "package_test_greeter", "1.2.0"}}} =
               Package.install(other, opts)

      assert Package.list(opts) == [info]

      newer = with_manifest(context.bytes, &%{&1 | "version" => "1.3.0"})
      assert {:ok, %{version: "1.3.0"}} = Package.install(newer, opts)

      assert {:error, %Error{reason: {:several_versions, ["1.2.0", "1.3.0"]}} = error} =
               Package.uninstall("package_test_greeter", opts)

      assert Exception.message(error) =~ "it is installed in the versions 1.2.0, 1.3.0; name one"
      assert Package.uninstall("package_test_greeter-1.2.0", opts) == :ok
      assert [%{version: "1.3.0"}] = Package.list(opts)
    end

    test "tells its progress", context do
      test = self()
      progress = fn step, done, all -> send(test, {step, done, all}) end
      Package.install!(context.bytes, packages: context.folder, progress: progress)
      for done <- 1..7, do: assert_received({:unpack, ^done, 7})
      assert_received {:check, 0, 1}
      assert_received {:install, 1, 1}
      Package.uninstall!("package_test_greeter", packages: context.folder, progress: progress)
      assert_received {:uninstall, 1, 1}
    end

    test "leaves nothing when it is interrupted by an exception, or is killed", context do
      interrupt = fn action -> fn step, done, _all -> if {step, done} == {:unpack, 3}, do: action.() end end
      opts = [packages: context.folder]

      assert_raise RuntimeError, fn ->
        Package.install(context.bytes, opts ++ [progress: interrupt.(fn -> raise "no" end)])
      end

      assert files(context.folder) == []

      {pid, monitor} =
        spawn_monitor(fn ->
          Package.install(
            context.bytes,
            opts ++ [progress: interrupt.(fn -> Process.exit(self(), :kill) end)]
          )
        end)

      assert_receive {:DOWN, ^monitor, :process, ^pid, :killed}, 10_000
      assert [".half-" <> _] = files(context.folder)
      assert Package.list(opts) == []
      assert Folder.sweep(context.folder) == :ok
      assert files(context.folder) == []
    end

    test "refuses an option or an argument that it does not know", context do
      assert_raise ArgumentError, ~r/unknown option :trsut .* Did you mean :trust\?/, fn ->
        Package.install(context.bytes, trsut: [])
      end

      assert_raise ArgumentError, ~r/a key of trust:/, fn ->
        Package.install(context.bytes, packages: context.folder, trust: ["x"])
      end

      assert_raise ArgumentError, ~r/max_bytes: is a positive integer/, fn ->
        Package.install(context.bytes, packages: context.folder, max_bytes: 0)
      end

      assert_raise ArgumentError, ~r/a package is a path/, fn ->
        Package.install(:blog, packages: context.folder)
      end
    end
  end

  describe "refuses, and leaves nothing of," do
    test "what is no package", context do
      path = Path.join(context.folder, "missing")
      assert_refused(path, {:not_found, path}, context)
      assert_refused(<<31, 139, 0>>, {:bad_archive, "it is not gzip, or is cut off or damaged"}, context)
      empty = Pipeline.Package.Archive.write([])
      assert_refused(empty, {:no_manifest, "plugin.json"}, context)
    end

    test "hostile archives", context do
      put = fn path ->
        Packages.tamper(context.bytes, &Map.put(&1, path, %{path: path, bytes: "", executable?: false}))
      end

      assert_refused(put.("../../etc/passwd"), {:bad_path, "../../etc/passwd"}, context)
      assert_refused(put.("/etc/passwd"), {:bad_path, "/etc/passwd"}, context)
      message = assert_refused(put.("priv/more"), {:unlisted_file, "priv/more"}, context)

      assert message =~
               "could not install the package given as bytes: its file priv/more is not listed in plugin.json"

      assert_refused(context.bytes, {:too_large, :archive, 100}, context, max_bytes: 100)
      assert_refused(context.bytes, {:too_large, :unpacked, 5_000}, context, max_unpacked: 5_000)
      assert_refused(context.bytes, {:too_large, :files, 2}, context, max_files: 2)
    end

    # Both ended the VM once: the first by its atoms, in time, the second at once.
    test "code that is not looked at by a loader", context do
      name = "zz#{System.unique_integer([:positive])}"
      beam = hostile_beam(for n <- 1..100, do: "#{name}_#{n}")

      evil =
        Packages.tamper(context.unsigned, &put_in(&1, ["ebin/Elixir.PackageTest.Helper.beam", :bytes], beam))

      {:ok, entries} = Pipeline.Package.Archive.read(evil, Pipeline.Package.Archive.limits())
      sha = Pipeline.Package.Contents.sha256(entries["ebin/Elixir.PackageTest.Helper.beam"].bytes)
      evil = with_manifest(evil, &put_in(&1, ["files", "ebin/Elixir.PackageTest.Helper.beam"], sha))
      assert_refused(evil, {:module_mismatch, "Elixir.PackageTest.Helper"}, context)

      for n <- [1, 50, 100],
          do: assert_raise(ArgumentError, fn -> String.to_existing_atom("#{name}_#{n}") end)
    end

    # A BEAM file with these atoms, and literals that claim to be 4 GiB.
    defp hostile_beam(atoms) do
      names = for atom <- atoms, into: "", do: <<byte_size(atom)>> <> atom

      chunks =
        for {name, bytes} <- [
              {"AtU8", <<length(atoms)::32>> <> names},
              {"Code", <<16::32, 0::32, 200::32, 1::32, 1::32>>},
              {"StrT", ""},
              {"ImpT", <<0::32>>},
              {"ExpT", <<0::32>>},
              {"LitT", <<0xFFFFFFF0::32, 0>>}
            ],
            into: "",
            do:
              name <>
                <<byte_size(bytes)::32>> <> bytes <> :binary.copy(<<0>>, rem(4 - rem(byte_size(bytes), 4), 4))

      <<"FOR1", byte_size(chunks) + 4::32, "BEAM", chunks::binary>>
    end

    test "a plugin.json or a signature of any size", context do
      put = fn path, bytes ->
        Packages.tamper(context.unsigned, &Map.put(&1, path, %{path: path, bytes: bytes, executable?: false}))
      end

      huge = put.("plugin.json", "\"" <> :binary.copy("a", 100_000_000) <> "\"")

      assert_refused(huge, {:invalid_manifest, "is larger than 4194304 bytes"}, context,
        max_unpacked: 200_000_000
      )

      assert_refused(
        put.("plugin.sig", "[" <> :binary.copy("0,", 1_000_000) <> "0]"),
        :bad_signature,
        context
      )
    end

    test "a folder with a link", context do
      info = Package.install!(context.bytes, packages: Path.join(context.folder, "other"))
      File.ln_s!("/etc/passwd", Path.join(info.path, "priv/link"))

      assert {:error, %Error{reason: {:link, "priv/link"}}} =
               Package.verify("package_test_greeter", packages: Path.dirname(info.path))
    end

    test "changed, missing and damaged files", context do
      change = fn path, bytes -> Packages.tamper(context.unsigned, &put_in(&1, [path, :bytes], bytes)) end
      assert_refused(change.("priv/words.txt", "hellO"), {:hash_mismatch, "priv/words.txt"}, context)
      beam = "ebin/Elixir.PackageTest.Helper.beam"
      assert_refused(change.(beam, "FOR1"), {:hash_mismatch, beam}, context)
      assert_refused(Packages.tamper(context.unsigned, &Map.delete(&1, beam)), {:missing_file, beam}, context)

      # The hash of the file is right, and the MD5 of its module is not.
      wrong =
        with_manifest(
          context.bytes,
          &put_in(&1, ["modules", "Elixir.PackageTest.Helper"], String.duplicate("0", 32))
        )

      assert_refused(wrong, {:module_mismatch, "Elixir.PackageTest.Helper"}, context)
    end

    test "a plugin.json that is wrong in any field", context do
      for {change, sentence} <- [
            {&Map.put(&1, "format", 2), "has the format 2"},
            {&Map.delete(&1, "modules"), "has no modules"},
            {&Map.put(&1, "more", 1), "has more, which nobody knows"},
            {&Map.put(&1, "name", "../x"), ~s(has name: "../x")},
            {&Map.put(&1, "version", "1"), ~s(has version: "1")},
            {&Map.put(&1, "module", "a/b"), ~s(has module: "a/b")},
            {&Map.put(&1, "plugin", %{}), "has a plugin without"},
            {&Map.put(&1, "platforms", "all"), ~s(has platforms: "all")},
            {&Map.put(&1, "files", %{"../x" => String.duplicate("0", 64)}), "has files:"},
            {&put_in(&1, ["requires", "elixir"], "1"), ~s(has requires.elixir: "1")},
            {&put_in(&1, ["requires", "otp"], "25"), ~s(has requires.otp: "25")}
          ] do
        {:error, %Error{reason: {:invalid_manifest, found}}} =
          Package.install(with_manifest(context.bytes, change), packages: context.folder)

        assert found =~ sentence
      end

      assert files(context.folder) == []
    end

    test "signatures that are wrong, missing or of others", context do
      {other, other_key} = Signature.new_keys()
      trust = [trust: [other]]
      message = assert_refused(context.bytes, {:untrusted, context.public}, context, trust)
      assert message =~ "it is signed by #{context.public}, which is not among the keys of trust:"
      assert_refused(context.unsigned, :unsigned, context, trust)

      # Signed, then changed: the hashes are made right again.
      resigned =
        Packages.tamper(context.bytes, fn entries ->
          {:ok, json} = JSON.decode(entries["plugin.json"].bytes)

          put_in(
            entries,
            ["plugin.json", :bytes],
            JSON.encode(put_in(json, ["plugin", "description"], "Evil"))
          )
        end)

      assert_refused(resigned, :bad_signature, context)

      assert_refused(
        Packages.tamper(context.bytes, &put_in(&1, ["plugin.sig", :bytes], "{}")),
        :bad_signature,
        context
      )

      # The signature of another for the same: theirs, not that of the key that is trusted.
      theirs = Packages.build!(context.app, sign: other_key).bytes
      assert_refused(theirs, {:untrusted, other}, context, trust: [context.public])

      assert {:ok, _} =
               Package.install(context.bytes, packages: context.folder, trust: [other, context.public])
    end

    test "other platforms and versions", context do
      this = Pipeline.Package.Platform.name()
      wrong = with_manifest(context.bytes, &Map.put(&1, "platforms", ["pdp11-unix"]))
      message = assert_refused(wrong, {:wrong_platform, ["pdp11-unix"], this}, context)
      assert message =~ "it has native libraries for pdp11-unix, and this is #{this}"

      otp = Pipeline.Package.Platform.otp()
      future = with_manifest(context.bytes, &put_in(&1, ["requires", "otp"], 99))
      assert_refused(future, {:requires, :otp, 99, otp}, context)

      for what <- [:elixir, :pipeline_plugin] do
        future = with_manifest(context.bytes, &put_in(&1, ["requires", "#{what}"], "~> 99.0"))

        assert {:error, %Error{reason: {:requires, ^what, "~> 99.0", _}}} =
                 Package.install(future, packages: context.folder)
      end

      assert files(context.folder) == []
    end
  end

  describe "diagnose/1" do
    test "tells what was changed, clashes and lacks something", context do
      opts = [packages: context.folder]
      Package.install!(context.bytes, opts)
      assert Package.diagnose(opts) == []

      clashing = """
      defmodule PackageTest.Clashing do
        use Pipeline.Plugin, id: :package_test_clashing, version: "1.0.0"
        depends_on :package_test_nowhere
      end

      defmodule PackageTest.Helper do
        def word, do: :other
      end
      """

      built = Packages.build!(Packages.app!(:package_test_clashing, "1.0.0", clashing))
      info = Package.install!(built.bytes, opts)

      assert [{"package_test_clashing-1.0.0", clash}, {"package_test_clashing-1.0.0", lacks}] =
               Package.diagnose(opts)

      assert clash =~ "its module PackageTest.Helper differs from the one of package_test_greeter-1.2.0"
      assert lacks =~ "needs package_test_nowhere, which is not there"

      File.write!(Path.join(info.path, "ebin/more.txt"), "x")

      assert [{"package_test_clashing-1.0.0", "its file ebin/more.txt is not listed" <> _}] =
               Package.diagnose(opts)

      assert [_, {"package_test_greeter-1.2.0", "it is signed by" <> _}] =
               Package.diagnose([trust: []] ++ opts)
    end
  end

  describe "over HTTP" do
    test "installs, following redirects", context do
      url =
        PackageServer.start!(%{
          "/greeter" => {:send, 200, [], context.bytes},
          "/moved" => {:redirect, "/again"},
          "/again" => {:redirect, "greeter"}
        })

      test = self()
      progress = fn step, done, all -> send(test, {step, done, all}) end
      assert {:ok, info} = Package.install(url <> "/moved", packages: context.folder, progress: progress)
      assert info.version == "1.2.0"
      size = byte_size(context.bytes)
      assert_received {:download, ^size, ^size}
    end

    test "gives up where the server is no good, and leaves nothing", context do
      url =
        PackageServer.start!(%{
          "/circle" => {:redirect, "/circle"},
          "/lying" => {:send, 200, [{"content-length", 100_000_000}], "short"},
          "/short" => {:send, 200, [{"content-length", 10_000}], "short"},
          "/endless" => {:endless, []},
          "/elsewhere" => {:redirect, "ftp://example.org/x"},
          "/silent" => :silent
        })

      install = fn path, reason, opts -> assert_refused(url <> path, reason, context, opts) end
      install.("/missing", {:download, {:status, 404}}, [])
      install.("/circle", {:download, {:too_many_redirects, 5}}, [])
      install.("/lying", {:too_large, :archive, 67_108_864}, [])
      install.("/endless", {:download, :no_length}, max_bytes: 500_000)
      install.("/elsewhere", {:bad_url, "ftp://example.org/x"}, [])
      install.("/silent", {:download, :timeout}, timeout: 200)

      assert {:error, %Error{reason: {:download, _}}} =
               Package.install(url <> "/short", packages: context.folder)

      assert files(context.folder) == []
      refute_received {:http, _}
    end

    # A body without end is nothing to wait for, nor one that is kept.
    test "reads no more of an answer than it needs", context do
      lines = :binary.copy("a: b\r\n", 20_000)

      url =
        PackageServer.start!(%{
          "/failing" => {:endless, 500, []},
          "/moving" => {:endless, 302, [{"location", "/failing"}]},
          "/more" => {:endless, 200, [{"content-length", 10}]},
          "/chunked" => {:endless, 200, [{"content-length", 10}, {"transfer-encoding", "chunked"}]},
          "/twice" => {:endless, 200, [{"content-length", 10}, {"content-length", 20}]},
          "/negative" => {:endless, 200, [{"content-length", -10}]},
          "/headers" => {:raw, ["HTTP/1.1 200 OK\r\n", lines]},
          "/header" => {:raw, ["HTTP/1.1 200 OK\r\na: ", :binary.copy("b", 100_000)]},
          "/early" => {:raw, :binary.copy("HTTP/1.1 100 Continue\r\n\r\n", 5_000)},
          "/none" => {:raw, "\e[31mnothing\r\n\r\n"}
        })

      refused = fn path, reason -> assert_refused(url <> path, reason, context) end
      refused.("/failing", {:download, {:status, 500}})
      refused.("/moving", {:download, {:status, 500}})
      refused.("/more", {:bad_archive, "it is not gzip, or is cut off or damaged"})
      for path <- ["/chunked", "/twice", "/negative"], do: refused.(path, {:download, :no_length})
      for path <- ["/headers", "/early"], do: refused.(path, {:download, :too_many_headers})
      for path <- ["/header", "/none"], do: refused.(path, {:download, :no_http})
    end

    test "follows no redirect to what is no HTTP, or would write into a request", context do
      for location <- ["file:///etc/passwd", "http://x:99999999/", "http://127.0.0.1/a b\t", "http://\e[31m/"] do
        url = PackageServer.start!(%{"/x" => {:redirect, location}})

        assert {:error, %Error{reason: {:bad_url, _}}} =
                 Package.install(url <> "/x", packages: context.folder)
      end
    end

    test "shows nothing of a URL that may be secret", context do
      url = PackageServer.start!(%{}) |> String.replace("http://", "http://user:secret@")
      {:error, error} = Package.install(url <> "/x?token=secret", packages: context.folder)
      refute inspect(error) =~ "secret"

      assert Exception.message(error) =~
               ~r/could not install the package http:\/\/127.0.0.1:\d+\/x: the server answered/

      {:error, error} = Package.install("http://", packages: context.folder)
      assert error.reason == {:bad_url, "http://"}
    end
  end

  describe "a VM that is killed" do
    @tag timeout: 300_000
    test "at any step leaves the whole package or none, and nothing half after the next start", context do
      file = Path.join(context.folder, context.name)
      File.write!(file, context.bytes)
      steps = [{:check, 1}, {:unpack, 1}, {:unpack, 4}, {:unpack, 7}, {:install, 0}, {:install, 1}]

      for {step, done} <- steps do
        folder = Path.join(context.folder, "#{step}-#{done}")
        assert {_, 137} = in_vm("Pipeline.Package.install!(#{inspect(file)}, OPTS)", folder, step, done)
        assert_whole_or_none(folder, {step, done} == {:install, 1})
      end

      for {step, done} <- [{:uninstall, 0}, {:uninstall, 1}] do
        folder = Path.join(context.folder, "#{step}-#{done}")
        Package.install!(file, packages: folder)

        assert {_, 137} =
                 in_vm("Pipeline.Package.uninstall!(\"package_test_greeter\", OPTS)", folder, step, done)

        assert_whole_or_none(folder, {step, done} == {:uninstall, 0})
      end
    end

    defp in_vm(call, folder, step, done) do
      kill =
        "fn step, done, _ -> if {step, done} == {#{inspect(step)}, #{done}}, do: :erlang.halt(137, flush: false) end"

      call = String.replace(call, "OPTS", "packages: #{inspect(folder)}, progress: #{kill}")
      ebin = Application.app_dir(:pipeline_plugin, "ebin")
      code = "Application.load(:pipeline_plugin); #{call}"
      System.cmd("elixir", ["-pa", ebin, "-e", code], stderr_to_stdout: true)
    end

    defp assert_whole_or_none(folder, whole?) do
      # The next start.
      name = {:killed, make_ref()}
      {:ok, instance} = Manager.start_link(name: name, packages: folder)
      installed = Package.list(instance: name)
      expected = if whole?, do: ["package_test_greeter-1.2.0"], else: []
      assert files(folder) == expected
      assert Enum.map(installed, &Path.basename(&1.path)) == expected
      for %{name: package} <- installed, do: assert({:ok, _} = Package.verify(package, instance: name))
      Supervisor.stop(instance)
    end
  end
end
