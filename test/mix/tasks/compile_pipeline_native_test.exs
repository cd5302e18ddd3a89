defmodule Mix.Tasks.Compile.PipelineNativeTest do
  use ExUnit.Case, async: true

  alias Pipeline.ScratchProject

  @moduletag timeout: 600_000

  # The least that the VM takes for a library: one function, no dependencies.
  @library ~S"""
  use std::ffi::{c_char, c_int, c_uint, c_void};

  type Term = usize;
  type Function = unsafe extern "C" fn(*mut c_void, c_int, *const Term) -> Term;

  #[repr(C)]
  pub struct Func {
      name: *const c_char,
      arity: c_uint,
      function: Function,
      flags: c_uint,
  }

  #[repr(C)]
  pub struct Entry {
      major: c_int,
      minor: c_int,
      name: *const c_char,
      count: c_int,
      functions: *const Func,
      callbacks: [*const c_void; 4],
      variant: *const c_char,
      options: c_uint,
      resource_size: usize,
      erts: *const c_char,
  }

  unsafe impl Sync for Func {}
  unsafe impl Sync for Entry {}

  unsafe extern "C" {
      fn enif_make_int(env: *mut c_void, value: c_int) -> Term;
  }

  unsafe extern "C" fn version(env: *mut c_void, _count: c_int, _arguments: *const Term) -> Term {
      unsafe { enif_make_int(env, 1) }
  }

  static FUNCTIONS: [Func; 1] = [Func { name: c"version".as_ptr(), arity: 0, function: version, flags: 0 }];

  static ENTRY: Entry = Entry {
      major: 2,
      minor: 16,
      name: c"Elixir.Tiny.Native".as_ptr(),
      count: 1,
      functions: FUNCTIONS.as_ptr(),
      callbacks: [std::ptr::null(); 4],
      variant: c"beam.vanilla".as_ptr(),
      options: 1,
      resource_size: 0,
      erts: c"erts-12.0".as_ptr(),
  };

  #[unsafe(no_mangle)]
  pub extern "C" fn nif_init() -> *const Entry {
      &ENTRY
  }
  """

  @cargo """
  [package]
  name = "tiny_nif"
  version = "0.1.0"
  edition = "2024"

  [lib]
  crate-type = ["cdylib"]

  [workspace]
  """

  @module """
  defmodule Tiny.Native do
    use Pipeline.Native.Library, otp_app: :tiny, crate: :tiny_nif

    def version, do: Pipeline.Native.Library.not_built(:tiny_nif)
  end
  """

  @installed "priv/native/tiny_nif.so"

  # A checkout in which only this package is built.
  setup_all do
    dir = Path.join(System.tmp_dir!(), "pipeline_plugin_tiny_#{System.pid()}")
    File.rm_rf!(dir)
    File.mkdir_p!(dir)
    on_exit(fn -> File.rm_rf!(dir) end)
    {_, 0} = mix(dir, ["new", "tiny"])
    project = Path.join(dir, "tiny")

    ScratchProject.replace!(project, "mix.exs", "app: :tiny,\n", """
    app: :tiny,
        compilers: Mix.compilers() ++ [:pipeline_native],
        pipeline_native: [tiny_nif: [path: "native/tiny_nif", module: Tiny.Native]],
    """)

    dependency = "defp deps do\n    [{:pipeline_plugin, path: #{inspect(ScratchProject.checkout())}}]\n  end"
    ScratchProject.replace!(project, "mix.exs", ~r/defp deps do.*?\n  end/s, dependency)
    ScratchProject.write!(project, "lib/tiny/native.ex", @module)
    ScratchProject.write!(project, "native/tiny_nif/Cargo.toml", @cargo)
    ScratchProject.write!(project, "native/tiny_nif/src/lib.rs", @library)
    {output, status} = mix(project, ["deps.compile"])
    assert status == 0, output
    {:ok, dir: dir, fresh: project}
  end

  # Beside the first, so that relative links in _build hold.
  setup %{dir: dir, fresh: fresh} do
    project = Path.join(dir, "tiny_#{System.unique_integer([:positive])}")
    {_, 0} = System.cmd("cp", ["-a", fresh, project])
    {:ok, project: project}
  end

  test "the first mix run after a clean checkout has a working library, in one VM", %{project: project} do
    output = run!(project, "IO.puts(\"version \#{Tiny.Native.version()}\")")
    assert output =~ "Compiling 2 files (.ex)"
    assert output =~ "Building native library tiny_nif with Cargo (release)"
    assert output =~ "version 1\n"
  end

  test "a second compilation does nothing", %{project: project} do
    compile!(project)
    inode = inode(project)

    {output, 0} = mix(project, ["compile"])
    assert output == ""
    assert run!(project, "IO.inspect(Mix.Task.rerun(\"compile.pipeline_native\"))") == "{:noop, []}\n"
    assert inode(project) == inode
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

    assert output ==
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
    assert run!(project, "IO.puts(Tiny.Native.version())") == "2\n"
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

    {output, status} = compile_without_path(project, home)

    assert status == 1

    assert output =~
             "** (Mix) could not find cargo, which builds the native library tiny_nif. " <>
               "Install Rust (https://rustup.rs) and see that cargo is on the PATH, then run mix compile again"

    # Where rustup puts it, on the PATH or not.
    File.mkdir_p!(Path.join(home, ".cargo/bin"))
    cargo = Path.join(home, ".cargo/bin/cargo")
    File.write!(cargo, "#!/bin/sh\necho this cargo was asked to $1\nexit 7\n")
    File.chmod!(cargo, 0o755)

    {output, 1} = compile_without_path(project, home)

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

  defp compile!(project) do
    {output, status} = mix(project, ["compile"])
    assert status == 0, output
    output
  end

  defp run!(project, code) do
    {output, status} = mix(project, ["run", "-e", code])
    assert status == 0, output
    output
  end

  defp inode(project), do: File.stat!(Path.join(project, @installed)).inode

  defp compile_without_path(project, home) do
    code = "System.put_env(\"PATH\", \"\"); Mix.Task.run(\"compile\")"
    mix(project, ["run", "--no-compile", "--no-start", "-e", code], [{"HOME", home}, {"CARGO_HOME", nil}])
  end

  # Cargo builds where it does for a user, unless this suite is told where.
  defp mix(project, args, env \\ []) do
    ScratchProject.mix(project, args, env ++ [{"CARGO_TARGET_DIR", System.get_env("CARGO_TARGET_DIR")}])
  end
end
