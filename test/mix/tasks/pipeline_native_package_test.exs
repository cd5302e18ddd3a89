defmodule Mix.Tasks.Pipeline.Native.PackageTest do
  # Archives of a tiny library, and a host without cargo that compiles against them.
  use ExUnit.Case, async: true

  alias Pipeline.{ScratchProject, TinyNative}

  @moduletag timeout: 600_000

  @checksums "checksum-Elixir.Tiny.Native.exs"
  @installed "priv/native/tiny_nif.so"

  # A project whose library is packaged, and not installed.
  setup_all do
    {dir, fresh} = TinyNative.new!()
    {output, status} = TinyNative.mix(fresh, ["pipeline.native.package", "--output", "artefacts"])
    assert status == 0, output
    assert output =~ "Building native library tiny_nif with Cargo (release): to package it for "
    assert output =~ "Wrote #{@checksums}"
    refute File.exists?(Path.join(fresh, @installed))
    File.rm_rf!(Path.join(fresh, "native/tiny_nif/target"))
    {:ok, dir: dir, fresh: fresh}
  end

  setup %{dir: dir, fresh: fresh} do
    project = TinyNative.copy!(dir, fresh)
    home = Path.join(project, "home")
    File.mkdir_p!(home)
    [archive] = Path.wildcard(Path.join(project, "artefacts/*"))
    {:ok, project: project, home: home, archive: archive, cache: Path.join(project, "cache")}
  end

  test "an archive is named as the Rustler community does, and its bytes depend on the library alone",
       context do
    %{project: project, archive: archive} = context
    assert Path.basename(archive) =~ ~r/^libtiny_nif-v0\.1\.0-nif-2\.16-\w+-[\w-]+\.so\.tar\.gz$/
    library = archive |> Path.basename() |> String.replace_suffix(".tar.gz", "") |> String.to_charlist()
    assert {:ok, [^library]} = :erl_tar.table(String.to_charlist(archive), [:compressed])

    {%{} = checksums, _} = Code.eval_file(Path.join(project, @checksums))
    assert checksums == %{Path.basename(archive) => "sha256:" <> sha256(File.read!(archive))}

    {output, status} = TinyNative.mix(project, ["pipeline.native.package", "--output", "again"])
    assert status == 0, output
    assert File.read!(Path.join([project, "again", Path.basename(archive)])) == File.read!(archive)
  end

  test "a host without cargo takes the archive from a folder", %{project: project, home: home} do
    configure(project, Path.join(project, "artefacts"))
    assert {output, 0} = TinyNative.compile_without_cargo(project, home)
    assert output =~ "Installing native library tiny_nif from libtiny_nif-v0.1.0-nif-2.16-"
    assert TinyNative.run!(project, "IO.puts(Tiny.Native.version())") == "1\n"
    assert {"", 0} = TinyNative.compile_without_cargo(project, home)
  end

  test "it takes it from a server, once", %{project: project, home: home, cache: cache} = context do
    {url, server} = serve(Path.join(project, "artefacts"))
    configure(project, url)
    env = [{"PIPELINE_NATIVE_CACHE", cache}]
    assert {output, 0} = TinyNative.compile_without_cargo(project, home, env)
    assert output =~ "Downloading #{url}/libtiny_nif-v0.1.0-nif-2.16-"
    assert TinyNative.run!(project, "IO.puts(Tiny.Native.version())") == "1\n"

    # From the cache, with no server any more.
    :ok = :inets.stop(:httpd, server)
    File.rm_rf!(Path.join(project, "priv"))
    assert {output, 0} = TinyNative.compile_without_cargo(project, home, env)
    refute output =~ "Downloading"
    assert File.exists?(Path.join(project, @installed))

    # A cache that is not what it was is not taken.
    File.write!(Path.join(cache, Path.basename(context.archive)), "something else")
    File.rm_rf!(Path.join(project, "priv"))
    assert {output, 1} = TinyNative.compile_without_cargo(project, home, env)
    assert output =~ "nothing answers at"
    assert output =~ "and no cargo to build it"
  end

  test "an archive with another checksum is refused, and nothing of it is unpacked", context do
    %{project: project, home: home, cache: cache, archive: archive} = context
    other = ~c"libtiny_nif-v0.1.0-nif-2.16-x.so"
    :ok = :erl_tar.create(String.to_charlist(archive), [{other, "harmful"}], [:compressed])
    {url, server} = serve(Path.join(project, "artefacts"))

    for source <- [Path.join(project, "artefacts"), url] do
      configure(project, source)
      # With cargo at hand too.
      assert {output, 1} =
               TinyNative.mix(project, ["compile", "--no-deps-check"], [{"PIPELINE_NATIVE_CACHE", cache}])

      assert output =~ "so nothing of it was unpacked: its checksum is sha256:"
      assert output =~ "or build the library with PIPELINE_NATIVE_BUILD=1"
      refute File.exists?(Path.join(project, "priv"))
      refute File.exists?(cache)
    end

    :ok = :inets.stop(:httpd, server)
    assert {output, 1} = TinyNative.compile_without_cargo(project, home, [{"PIPELINE_NATIVE_BUILD", "1"}])
    assert output =~ "could not find cargo"

    assert TinyNative.compile!(project, [{"PIPELINE_NATIVE_BUILD", "1"}]) =~
             "(release): PIPELINE_NATIVE_BUILD is set"
  end

  test "without an archive for the target it builds, or says what to install", context do
    %{project: project, home: home, archive: archive, cache: cache} = context
    {url, _server} = serve(Path.join(project, "artefacts"))
    File.rm!(archive)
    configure(project, url)
    env = [{"PIPELINE_NATIVE_CACHE", cache}]

    assert {output, 1} = TinyNative.compile_without_cargo(project, home, env)
    assert output =~ "** (Mix) could not get the native library tiny_nif: there is no precompiled one for "
    assert output =~ "the server answered 404"
    assert output =~ "Install Rust (https://rustup.rs)"

    output = TinyNative.compile!(project, env)
    assert output =~ "No precompiled native library tiny_nif for "
    assert output =~ "Building native library tiny_nif with Cargo (release)"

    File.rm_rf!(Path.join(project, "priv"))
    File.rm!(Path.join(project, @checksums))
    assert {output, 1} = TinyNative.compile_without_cargo(project, home, env)
    assert output =~ "there is no file #{Path.join(project, @checksums)}"
  end

  test "a checksum file is not evaluated", %{project: project, home: home} do
    configure(project, Path.join(project, "artefacts"))
    ScratchProject.write!(project, @checksums, "File.write!(\"harmed\", \"\")\n%{}\n")
    assert {output, 1} = TinyNative.compile_without_cargo(project, home)
    assert output =~ "is no map of names to \"sha256:…\". mix pipeline.native.package writes it"
    refute File.exists?(Path.join(project, "harmed"))
  end

  defp configure(project, source) do
    ScratchProject.write!(project, "config/config.exs", """
    import Config
    config :tiny, native_artefacts: #{inspect(source)}
    """)
  end

  defp serve(directory) do
    {:ok, _} = Application.ensure_all_started(:inets)

    {:ok, server} =
      :inets.start(:httpd,
        port: 0,
        bind_address: {127, 0, 0, 1},
        server_name: ~c"artefacts",
        server_root: String.to_charlist(directory),
        document_root: String.to_charlist(directory)
      )

    on_exit(fn -> :inets.stop(:httpd, server) end)
    {"http://127.0.0.1:#{:httpd.info(server)[:port]}", server}
  end

  defp sha256(bytes), do: Base.encode16(:crypto.hash(:sha256, bytes), case: :lower)
end
