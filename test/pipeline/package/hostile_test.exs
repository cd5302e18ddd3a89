defmodule Pipeline.Package.HostileTest do
  # Sets trust: of the environment.
  use ExUnit.Case, async: false

  alias Pipeline.{Package, Packages}
  alias Pipeline.JSON
  alias Pipeline.Package.{Contents, Signature}
  alias Pipeline.Plugin.{Error, Manager}

  @source """
  defmodule HostileTest.Plugin do
    use Pipeline.Plugin, id: :hostile_test, version: "1.0.0"
  end
  """

  setup_all do
    app = Packages.app!(:hostile_test, "1.0.0", @source)
    [beam] = Path.wildcard(Path.join(app.folder, "ebin/*.beam"))
    {:ok, bytes: Packages.build!(app).bytes, beam: File.read!(beam)}
  end

  setup do
    {:ok, folder: Packages.folder!()}
  end

  defp entry(path, bytes), do: %{path: path, bytes: bytes, executable?: false}
  defp with_entry(bytes, path, content), do: Packages.tamper(bytes, &Map.put(&1, path, entry(path, content)))

  # Listed in plugin.json, as whoever makes the package can.
  defp with_file(bytes, path, content) do
    Packages.tamper(bytes, fn entries ->
      entries
      |> Map.put(path, entry(path, content))
      |> Map.update!("plugin.json", fn entry ->
        {:ok, json} = JSON.decode(entry.bytes)
        %{entry | bytes: JSON.encode(put_in(json["files"][path], Contents.sha256(content)))}
      end)
    end)
  end

  defp refuse(source, context, opts \\ []) do
    for function <- [&Package.install/2, &Package.verify/2] do
      assert {:error, %Error{step: :package, reason: reason} = error} =
               function.(source, [packages: context.folder] ++ opts)

      message = Exception.message(error)
      assert byte_size(message) < 5_000
      assert String.printable?(message) and not (message =~ ~r/[\p{Cc}\p{Cf}]/u)
      reason
    end
    |> Enum.uniq()
    |> then(fn [reason] -> reason end)
  end

  describe "a module that nobody trusts" do
    test "is no module", context do
      torn = binary_part(context.beam, 0, div(byte_size(context.beam), 2))

      for beam <- [
            "",
            "FOR1",
            <<"FOR1", 4::32, "BEAM">>,
            torn,
            :zlib.gzip(context.beam),
            "FOR1" <> <<-1::32>>
          ] do
        assert refuse(with_file(context.bytes, "ebin/x.beam", beam), context) == {:module_mismatch, "x"}
      end
    end
  end

  describe "a plugin.json that was made to harm" do
    test "makes no long message", context do
      key = :binary.copy("k", 1_000_000)
      accents = "e" <> String.duplicate("\u0301", 100_000)

      for text <- [
            ~s({"#{key}":0,"#{key}":0}),
            ~s({"a":#{accents}),
            "{} " <> accents,
            ~s({"\u202Ea":0,"\u202Ea":0}),
            ~s({"a": \u202E\e[31m\n)
          ] do
        assert {:invalid_manifest, sentence} = refuse(with_entry(context.bytes, "plugin.json", text), context)
        assert byte_size(sentence) < 2_000
      end
    end
  end

  describe "with trust:," do
    setup context do
      {public, private} = Signature.new_keys()

      app =
        Packages.app!(
          :hostile_trusted,
          "1.0.0",
          String.replace(@source, ["HostileTest", "hostile_test"], fn
            "HostileTest" -> "HostileTrusted"
            "hostile_test" -> "hostile_trusted"
          end)
        )

      instance = {:hostile_test, context.test}
      start_supervised!({Manager, name: instance, packages: context.folder})
      before = Application.fetch_env(:pipeline_plugin, :trust)
      Application.put_env(:pipeline_plugin, :trust, [public])

      on_exit(fn ->
        with {:ok, keys} <- before,
             do: Application.put_env(:pipeline_plugin, :trust, keys),
             else: (:error -> Application.delete_env(:pipeline_plugin, :trust))
      end)

      {:ok, instance: instance, app: app, signed: Packages.build!(app, sign: private).bytes}
    end

    test "nothing that is put into the folder of packages is loaded unless a key signed it", context do
      opts = [instance: context.instance]
      load = fn -> Manager.load_plugin("hostile_trusted", %{}, opts) end
      {:ok, %{path: path}} = Package.install(context.signed, opts)

      for change <- [
            fn -> File.rm!(Path.join(path, "plugin.sig")) end,
            fn -> File.rm!(Path.join(path, "plugin.json")) end,
            fn -> File.rename!(Path.join(path, "ebin"), Path.join(path, "elsewhere")) end,
            fn ->
              for file <- Path.wildcard(path <> "/elsewhere/*"),
                  do: File.cp!(file, Path.join(path, Path.basename(file)))
            end
          ] do
        change.()
        assert {:error, %Error{step: :package, reason: reason}} = load.()
        assert reason == :unsigned or match?({:no_manifest, _}, reason)
      end

      File.rm_rf!(path)
      {:ok, _} = Package.install(context.signed, opts)
      assert load.() == {:ok, :hostile_trusted}

      newer = Path.join(context.folder, "hostile_trusted-2.0.0")
      File.cp_r!(context.app.folder, newer)

      assert {:error, %Error{reason: {:no_manifest, _}}} =
               Package.upgrade(:hostile_trusted, "hostile_trusted", opts)

      assert :ok = Manager.unload_plugin(:hostile_trusted, [purge: true] ++ opts)
    end
  end

  describe "a file that is none" do
    test "is not opened as a package: a device, a pipe, a folder that has one as plugin.json", context do
      pipe = Path.join(context.folder, "pipe")
      {_, 0} = System.cmd("mkfifo", [pipe])
      for path <- ["/dev/zero", pipe], do: assert({:disk, ^path, :einval} = refuse(path, context))
      File.rm!(pipe)

      {:ok, info} = Package.install(context.bytes, packages: context.folder)
      json = Path.join(info.path, "plugin.json")
      File.rm!(json)
      {_, 0} = System.cmd("mkfifo", [json])
      assert Package.list(packages: context.folder) == []

      assert {:error, %Error{reason: {:disk, ^json, :einval}}} =
               Package.info("hostile_test", packages: context.folder)

      assert {:error, %Error{reason: {:already_installed, _, _}}} =
               Package.install(context.bytes, packages: context.folder)

      assert [{_, "its file plugin.json is a link or a device" <> _}] =
               Package.diagnose(packages: context.folder)

      assert Package.uninstall("hostile_test", packages: context.folder) == :ok
    end
  end
end
