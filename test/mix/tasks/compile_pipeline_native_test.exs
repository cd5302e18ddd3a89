defmodule Mix.Tasks.Compile.PipelineNativeTest do
  use ExUnit.Case, async: true

  import Pipeline.TinyNative, only: [compile!: 1, compile_without_cargo: 2, mix: 2, mix: 3, run!: 2]

  alias Pipeline.{ScratchProject, TinyNative}

  @moduletag timeout: 600_000

  @installed "priv/native/tiny_nif.so"

  setup_all do
    {dir, fresh} = TinyNative.new!()
    {:ok, dir: dir, fresh: fresh}
  end

  setup %{dir: dir, fresh: fresh}, do: {:ok, project: TinyNative.copy!(dir, fresh)}

  test "the first mix run after a clean checkout has a working library, in one VM", %{project: project} do
    output = run!(project, "IO.puts(\"version \#{Tiny.Native.version()}\")")
    assert output =~ "Compiling 2 files (.ex)"
    assert output =~ "Building native library tiny_nif with Cargo (release)"
    assert output =~ "version 1\n"
  end

  test "a second compilation does nothing", %{project: project} do
    compile!(project)
    inode = inode(project)

    {output, 0} = mix(project, ["compile", "--no-deps-check"])
    assert output == ""
    assert run!(project, "IO.inspect(Mix.Task.rerun(\"compile.pipeline_native\"))") == "{:noop, []}\n"
    assert inode(project) == inode
  end

  test "Cargo is not called as long as nothing of it has changed", %{project: project} do
    compile!(project)
    calls = cargo_that_counts(project)
    compile = fn env -> mix(project, ["compile", "--no-deps-check"], calls.env ++ env) end

    # The first may still ask: the sources are not older than the build.
    assert {_, 0} = compile.([])
    before = calls.count.()

    assert {"", 0} = compile.([])
    # The folder of the build does not change its result; nor does a file that is touched.
    assert {"", 0} = compile.([{"CARGO_TARGET_DIR", Path.join(project, "elsewhere")}])
    File.touch!(Path.join(project, "native/tiny_nif/src/lib.rs"))
    assert {"", 0} = compile.([])
    assert calls.count.() == before

    # Flags, a forced build, a setting of Cargo, another toolchain, and a library that is not the one that was built.
    assert {output, 0} = compile.([{"RUSTFLAGS", "--cfg other"}])
    assert output =~ "Building native library tiny_nif with Cargo (release): its environment changed"
    assert {output, 0} = compile.([{"RUSTFLAGS", "--cfg other"}, {"PIPELINE_NATIVE_BUILD", "1"}])
    assert output =~ "PIPELINE_NATIVE_BUILD is set"
    assert {_, 0} = compile.([])
    ScratchProject.write!(project, "native/tiny_nif/.cargo/config.toml", "[net]\nretry = 1\n")
    ScratchProject.await_next_second()
    assert {output, 0} = compile.([])
    assert output =~ "(release): .cargo/config.toml changed"
    File.write!(Path.join(project, @installed), "no library")
    assert {output, 0} = compile.([])
    assert output =~ "the installed library is not the one that was built"
    assert calls.count.() == before + 5
    assert run!(project, "IO.puts(Tiny.Native.version())") =~ "1\n"
  end

  test "features are chosen by the configuration, and one that is not there is named", %{project: project} do
    ScratchProject.replace!(
      project,
      "native/tiny_nif/Cargo.toml",
      "[workspace]",
      "[features]\na = []\nb = []\n\n[workspace]"
    )

    ScratchProject.replace!(
      project,
      "mix.exs",
      "module: Tiny.Native",
      "module: Tiny.Native, optional: [:a, :b]"
    )

    ScratchProject.replace!(
      project,
      "native/tiny_nif/src/lib.rs",
      "enif_make_int(env, 1)",
      "enif_make_int(env, 1 + if cfg!(feature = \"a\") { 10 } else { 0 } + if cfg!(feature = \"b\") { 20 } else { 0 })"
    )

    ScratchProject.await_next_second()
    assert run!(project, "IO.puts(Tiny.Native.version())") =~ "31\n"

    ScratchProject.write!(
      project,
      "config/config.exs",
      "import Config\nconfig :tiny, native_features: [:b]\n"
    )

    output = run!(project, "IO.puts(Tiny.Native.version())")
    assert output =~ "(release): its features changed"
    assert output =~ "21\n"

    ScratchProject.write!(
      project,
      "config/config.exs",
      "import Config\nconfig :tiny, native_features: [:bb]\n"
    )

    assert {output, 1} = mix(project, ["compile"])
    assert output =~ "** (Mix) unknown feature :bb in native_features of :tiny."
  end

  test "the progress of Cargo is shown when it takes long, and its failure in any case", %{project: project} do
    bin = Path.join(project, "bin")
    write_executable!(Path.join(bin, "cargo"), "#!/bin/sh\necho Compiling quick\nexit 3\n")
    path = {"PATH", bin <> ":" <> System.fetch_env!("PATH")}
    assert {output, 1} = mix(project, ["compile"], [path])

    assert output =~
             "the first build compiles all dependencies too, which takes some minutes\nCompiling quick\n"

    # It ends when its progress has been seen, so after two seconds.
    pipe = Path.join(project, "seen")
    {_, 0} = System.cmd("mkfifo", [pipe])

    write_executable!(
      Path.join(bin, "cargo"),
      "#!/bin/sh\necho Compiling slow\nread line < #{pipe}\nexit 4\n"
    )

    port =
      Port.open({:spawn_executable, System.find_executable("mix")}, [
        :binary,
        :exit_status,
        :stderr_to_stdout,
        {:line, 1000},
        cd: project,
        env: [{~c"MIX_ENV", ~c"test"}, {~c"PATH", String.to_charlist(elem(path, 1))}],
        args: ["compile"]
      ])

    assert_receive {^port, {:data, {:eol, "Compiling slow"}}}, 120_000
    File.write!(pipe, "seen\n")
    assert_receive {^port, {:exit_status, 1}}, 120_000
  end

  test "edits right after a build are seen, by the VM that has the old library too", %{
    project: project
  } do
    compile!(project)

    output =
      run!(project, """
      source = "native/tiny_nif/src/lib.rs"
      set = fn from, to ->
        contents = File.read!(source)
        changed = String.replace(contents, "enif_make_int(env, \#{from})", "enif_make_int(env, \#{to})")
        true = contents != changed
        File.write!(source, changed)
        IO.inspect(Mix.Task.rerun("compile.pipeline_native"))
        IO.puts("version \#{Tiny.Native.version()}")
      end

      IO.puts("version \#{Tiny.Native.version()}")
      for n <- 1..3, do: set.(n, n + 1)
      """)

    assert String.replace(output, ~r/^Building native library .*\n/m, "") ==
             "version 1\n{:ok, []}\nversion 2\n{:ok, []}\nversion 3\n{:ok, []}\nversion 4\n"
  end

  test "a library that a running VM has mapped is replaced, not written into", %{project: project} do
    compile!(project)
    inode = inode(project)

    port =
      Port.open({:spawn_executable, System.find_executable("mix")}, [
        :binary,
        :exit_status,
        {:line, 200},
        cd: project,
        env: [{~c"MIX_ENV", ~c"test"}],
        args: [
          "run",
          "--no-compile",
          "--no-deps-check",
          "-e",
          "IO.puts(Tiny.Native.version()); IO.gets(\"\"); IO.puts(Tiny.Native.version() + 100)"
        ]
      ])

    assert_receive {^port, {:data, {:eol, "1"}}}, 120_000

    ScratchProject.replace!(project, "native/tiny_nif/src/lib.rs", "(env, 1)", "(env, 2)")
    compile!(project)
    assert inode(project) != inode
    assert Path.wildcard(Path.join(project, "priv/native/*")) == [Path.join(project, @installed)]

    Port.command(port, "\n")
    assert_receive {^port, {:data, {:eol, "101"}}}, 120_000
    assert_receive {^port, {:exit_status, 0}}, 120_000

    assert project |> run!("IO.puts(Tiny.Native.version())") |> String.split("\n", trim: true) |> List.last() ==
             "2"
  end

  test "a build error ends mix compile with Cargo's message and a hint, and leaves the library", %{
    project: project
  } do
    compile!(project)
    inode = inode(project)
    ScratchProject.replace!(project, "native/tiny_nif/src/lib.rs", "type Term = usize;", "type Term = usise;")

    {output, status} = mix(project, ["compile"])
    assert status == 1
    assert output =~ "cannot find type `usise`"
    assert output =~ "** (Mix) could not build the native library tiny_nif: cargo ended with status 101"
    assert output =~ "To see the same message again:\n    "
    assert inode(project) == inode

    ScratchProject.replace!(project, "native/tiny_nif/src/lib.rs", "type Term = usise;", "type Term = usize;")
    compile!(project)
  end

  test "a missing cargo ends mix compile with a hint", %{project: project} do
    home = Path.join(project, "home")
    File.mkdir_p!(home)

    {output, status} = compile_without_cargo(project, home)

    assert status == 1

    assert output =~
             "** (Mix) could not find cargo, which builds the native library tiny_nif. " <>
               "Install Rust (https://rustup.rs) and see that cargo is on the PATH, then run mix compile again"

    # Where rustup puts it, on the PATH or not.
    File.mkdir_p!(Path.join(home, ".cargo/bin"))
    cargo = Path.join(home, ".cargo/bin/cargo")
    File.write!(cargo, "#!/bin/sh\necho this cargo was asked to $1\nexit 7\n")
    File.chmod!(cargo, 0o755)

    {output, 1} = compile_without_cargo(project, home)

    assert output =~ "this cargo was asked to build"
    assert output =~ "cargo ended with status 7"
  end

  test "a crate that is no library of the kind, and options that there are not, are named", %{
    project: project
  } do
    ScratchProject.replace!(project, "native/tiny_nif/Cargo.toml", "cdylib", "rlib")
    {output, 1} = mix(project, ["compile"])
    assert output =~ "** (Mix) cargo built tiny_nif, but no library"
    assert output =~ "Write crate-type = [\"cdylib\"] under [lib]"

    ScratchProject.replace!(project, "mix.exs", "path: \"native", "paht: \"native")
    {output, 1} = mix(project, ["compile"])
    assert output =~ "** (Mix) unknown option :paht of :tiny_nif in pipeline_native in mix.exs."
    assert output =~ "Did you mean :path?"

    ScratchProject.replace!(
      project,
      "mix.exs",
      ~r/pipeline_native: \[.*\],\n/,
      "pipeline_native: [:tiny_nif],\n"
    )

    {output, 1} = mix(project, ["compile"])
    assert output =~ "** (Mix) pipeline_native in mix.exs is a list of crates with their options, such as ["
  end

  test "mix clean removes the library and mix compile brings it back", %{project: project} do
    compile!(project)
    {output, 0} = mix(project, ["clean"])
    refute output =~ "could not"
    refute File.exists?(Path.join(project, "priv/native"))

    assert run!(project, "IO.puts(\"version \#{Tiny.Native.version()}\")") =~ "version 1\n"
  end

  test "a project that has the task itself, as this package does, can be cleaned too", %{project: project} do
    ScratchProject.replace!(project, "mix.exs", ~r/\{:pipeline_plugin, path: .*?\}/, "")

    for file <- [
          "mix/tasks/compile.pipeline_native.ex",
          "pipeline/native/library.ex",
          "pipeline/native/build/artefact.ex",
          "pipeline/native/build/cargo.ex",
          "pipeline/native/build/crate.ex",
          "pipeline/native/build/download.ex",
          "pipeline/native/build/stamp.ex",
          "pipeline/options.ex"
        ] do
      ScratchProject.write!(
        project,
        "lib/#{file}",
        File.read!(Path.join([ScratchProject.checkout(), "lib", file]))
      )
    end

    assert compile!(project) =~ "Building native library tiny_nif"
    {output, status} = mix(project, ["clean"])
    assert {output, status} == {"", 0}
    refute File.exists?(Path.join(project, "priv/native"))
    assert run!(project, "IO.puts(\"version \#{Tiny.Native.version()}\")") =~ "version 1\n"
  end

  test "mix release contains it", %{project: project} do
    {output, status} = mix(project, ["release", "--path", "released"])
    assert status == 0, output
    File.rm_rf!(Path.join(project, "priv"))
    File.rm_rf!(Path.join(project, "_build"))

    assert {"1\n", 0} =
             System.cmd(Path.join(project, "released/bin/tiny"), ["eval", "IO.puts(Tiny.Native.version())"],
               stderr_to_stdout: true
             )
  end

  defp inode(project), do: File.stat!(Path.join(project, @installed)).inode

  # Cargo, with a line in a file for each call.
  defp cargo_that_counts(project) do
    log = Path.join(project, "calls")
    File.touch!(log)
    bin = Path.join(project, "bin")
    script = "#!/bin/sh\necho called >> #{log}\nexec #{System.find_executable("cargo")} \"$@\"\n"
    write_executable!(Path.join(bin, "cargo"), script)

    %{
      env: [{"PATH", bin <> ":" <> System.fetch_env!("PATH")}],
      count: fn -> log |> File.read!() |> String.split("\n", trim: true) |> length() end
    }
  end

  defp write_executable!(file, script) do
    File.mkdir_p!(Path.dirname(file))
    File.write!(file, script)
    File.chmod!(file, 0o755)
  end
end
