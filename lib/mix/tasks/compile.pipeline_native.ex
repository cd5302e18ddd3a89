defmodule Mix.Tasks.Compile.PipelineNative do
  @shortdoc "Builds native libraries with Cargo"

  @moduledoc """
  Builds native libraries with Cargo, in release mode, and puts them into `priv/native/`.

  A project names its crates under `:pipeline_native` and lists the task after Elixir's own compilers:

      def project do
        [
          compilers: Mix.compilers() ++ [:pipeline_native],
          pipeline_native: [my_hooks: [path: "native/my_hooks", module: MyApp.Hooks]]
        ]
      end

  Options of a crate:

    * `:path` - the folder of the Cargo manifest to build, relative to the project; by default the project's
      root, for a crate that is a member of a workspace there
    * `:module` - the module that loads the library. It may have been loaded by the compiling VM before the
      library existed or with an older one, so it is unloaded once the new library is in place

  Cargo decides what is stale: it sees an edit within the second of the last build, which a comparison of
  modification times in Elixir does not. Without anything to do it answers in a fraction of a second.

  The build goes into `target/` beside the Cargo manifest, or where `CARGO_TARGET_DIR` says.
  """

  use Mix.Task.Compiler

  @recursive true

  @impl Mix.Task.Compiler
  def run(_args) do
    results = for {crate, opts} <- crates(), do: build(Atom.to_string(crate), opts)

    if :built in results, do: {:ok, []}, else: {:noop, []}
  end

  @impl Mix.Task.Compiler
  def clean do
    for {crate, _opts} <- crates(), do: File.rm(installed_path(Atom.to_string(crate)))
    File.rmdir(native_dir())
    :ok
  end

  defp crates, do: Mix.Project.config()[:pipeline_native] || []

  defp build(crate, opts) do
    root = Path.expand(opts[:path] || ".")
    target = System.get_env("CARGO_TARGET_DIR") || Path.join(root, "target")
    installed = installed_path(crate)

    cargo!(crate, root, target, File.exists?(installed))

    built = Path.join([target, "release", library_name(crate)])

    if install(built, installed) do
      # A project whose priv did not exist when this compilation began has no link to it in _build yet.
      Mix.Project.build_structure()
      unload(opts[:module])
      :built
    else
      :unchanged
    end
  end

  defp cargo!(crate, root, target, quiet?) do
    cargo = cargo_executable() || Mix.raise(missing_cargo(crate))
    unless quiet?, do: Mix.shell().info("Building native library #{crate} with Cargo (release)")

    args =
      ["build", "--release", "-p", crate, "--manifest-path", Path.join(root, "Cargo.toml")] ++
        ["--target-dir", target] ++
        if(quiet?, do: ["--quiet"], else: [])

    case System.cmd(cargo, args, stderr_to_stdout: true, into: IO.stream(:stdio, :line)) do
      {_, 0} -> :ok
      {_, status} -> Mix.raise(failed_build(crate, status, cargo, args))
    end
  end

  defp cargo_executable do
    System.find_executable("cargo") || System.find_executable(Path.expand("~/.cargo/bin/cargo"))
  end

  defp missing_cargo(crate) do
    "could not find cargo, which builds the native library #{crate}. " <>
      "Install Rust (https://rustup.rs) and see that cargo is on the PATH, then run mix compile again"
  end

  defp failed_build(crate, status, cargo, args) do
    "could not build the native library #{crate}: cargo ended with status #{status}, its message is above. " <>
      "Where it asks for a newer Rust, run rustup update. To see the same message again:\n    " <>
      Enum.join([cargo | args], " ")
  end

  # Returns whether the library changed. A running VM may have the old file mapped, and writing into a mapped
  # library crashes that VM; removing it leaves the VM its copy.
  defp install(built, installed) do
    bytes = File.read!(built)

    if File.read(installed) == {:ok, bytes} do
      false
    else
      File.mkdir_p!(Path.dirname(installed))
      File.rm(installed)
      File.write!(installed, bytes)
      true
    end
  end

  defp unload(nil), do: :ok

  # Deleting makes the current code old code, and as long as there is old code with a library, loading the module again
  # is an upgrade of that library, which it does not support.
  defp unload(module) do
    :code.purge(module)
    :code.delete(module)
    :code.purge(module)
    :ok
  end

  defp native_dir, do: Path.join([File.cwd!(), "priv", "native"])

  # `:erlang.load_nif/2` wants .so on every Unix, macOS included.
  defp installed_path(crate) do
    extension = if match?({:win32, _}, :os.type()), do: ".dll", else: ".so"
    Path.join(native_dir(), crate <> extension)
  end

  defp library_name(crate) do
    case :os.type() do
      {:win32, _} -> crate <> ".dll"
      {:unix, :darwin} -> "lib" <> crate <> ".dylib"
      {:unix, _} -> "lib" <> crate <> ".so"
    end
  end
end
