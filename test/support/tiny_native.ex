defmodule Pipeline.TinyNative do
  @moduledoc """
  A Mix project with the smallest native library that the VM loads, for the tests of the tasks that build such.

  Only this package is compiled in it.
  """

  alias Pipeline.ScratchProject

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

  @doc "Makes the project in a folder of its own, and returns both."
  @spec new!() :: {dir :: Path.t(), project :: Path.t()}
  def new! do
    dir =
      Path.join(
        System.tmp_dir!(),
        "pipeline_plugin_tiny_#{System.pid()}_#{System.unique_integer([:positive])}"
      )

    File.rm_rf!(dir)
    File.mkdir_p!(dir)
    ExUnit.Callbacks.on_exit(fn -> File.rm_rf!(dir) end)
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
    if status != 0, do: raise(output)
    {dir, project}
  end

  @doc "Copies the project beside the first, so that relative links in _build hold."
  @spec copy!(Path.t(), Path.t()) :: Path.t()
  def copy!(dir, fresh) do
    project = Path.join(dir, "tiny_#{System.unique_integer([:positive])}")
    {_, 0} = System.cmd("cp", ["-a", fresh, project])
    project
  end

  @doc "Compiles the project alone, and returns the output."
  @spec compile!(Path.t(), [{String.t(), String.t() | nil}]) :: String.t()
  def compile!(project, env \\ []) do
    {output, status} = mix(project, ["compile", "--no-deps-check"], env)
    if status != 0, do: raise(output)
    output
  end

  @doc "Compiles and runs code, and returns the output."
  @spec run!(Path.t(), String.t()) :: String.t()
  def run!(project, code) do
    {output, status} = mix(project, ["run", "--no-deps-check", "-e", code])
    if status != 0, do: raise(output)
    output
  end

  @doc "Compiles where no cargo is to be found: the PATH is empty, and `home` has no `.cargo`."
  @spec compile_without_cargo(Path.t(), Path.t(), [{String.t(), String.t() | nil}]) ::
          {String.t(), non_neg_integer}
  def compile_without_cargo(project, home, env \\ []) do
    code = "System.put_env(\"PATH\", \"\"); Mix.Task.run(\"compile\", [\"--no-deps-check\"])"

    mix(
      project,
      ["run", "--no-compile", "--no-deps-check", "--no-start", "-e", code],
      env ++ [{"HOME", home}, {"CARGO_HOME", nil}]
    )
  end

  # Cargo builds where it does for a user, unless this suite is told where.
  @doc "Runs mix in the project."
  @spec mix(Path.t(), [String.t()], [{String.t(), String.t() | nil}]) :: {String.t(), non_neg_integer}
  def mix(project, args, env \\ []) do
    ScratchProject.mix(project, args, env ++ [{"CARGO_TARGET_DIR", System.get_env("CARGO_TARGET_DIR")}])
  end
end
