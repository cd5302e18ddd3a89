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

  alias Pipeline.Options

  @impl Mix.Task.Compiler
  def run(_args) do
    results = for {crate, opts} <- crates!(), do: build(Atom.to_string(crate), opts)

    if :built in results, do: {:ok, []}, else: {:noop, []}
  end

  @impl Mix.Task.Compiler
  def clean do
    # In this package itself the other modules are gone by now: nothing here may need one.
    for {crate, _opts} <- crates(), do: File.rm(installed_path(Atom.to_string(crate)))
    File.rmdir(native_dir())
    :ok
  end

  defp crates, do: Mix.Project.config()[:pipeline_native] || []

  defp crates! do
    crates = crates()

    unless Keyword.keyword?(crates) and Enum.all?(crates, fn {_, opts} -> Keyword.keyword?(opts) end) do
      Mix.raise(
        "pipeline_native in mix.exs is a list of crates with their options, such as " <>
          "[my_hooks: [path: \"native/my_hooks\", module: MyApp.Hooks]], got: #{inspect(crates)}"
      )
    end

    for {crate, opts} <- crates do
      case Options.check(opts, [:path, :module], "#{inspect(crate)} in pipeline_native in mix.exs") do
        :ok -> {crate, opts}
        {:error, message} -> Mix.raise(message)
      end
    end
  end

  defp build(crate, opts) do
    root = Path.expand(opts[:path] || ".")
    target = Path.expand(System.get_env("CARGO_TARGET_DIR") || Path.join(root, "target"))
    installed = installed_path(crate)

    cargo!(crate, root, target, File.exists?(installed))

    built = Path.join([target, "release", library_name(crate)])
    unless File.exists?(built), do: Mix.raise(no_library(crate, built, root))

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
    System.find_executable("cargo") || Enum.find_value(cargo_homes(), &executable_in/1)
  end

  # Where rustup puts it; a shell that was open then has it on no PATH, nor has an editor.
  defp cargo_homes do
    [System.get_env("CARGO_HOME"), System.user_home() && Path.join(System.user_home(), ".cargo")]
  end

  defp executable_in(nil), do: nil
  defp executable_in(home), do: System.find_executable(Path.join([home, "bin", "cargo"]))

  defp missing_cargo(crate) do
    "could not find cargo, which builds the native library #{crate}. " <>
      "Install Rust (https://rustup.rs) and see that cargo is on the PATH, then run mix compile again"
  end

  defp failed_build(crate, status, cargo, args) do
    "could not build the native library #{crate}: cargo ended with status #{status}, its message is above. " <>
      "Where it asks for a newer Rust, run rustup update. To see the same message again:\n    " <>
      Enum.join([cargo | args], " ")
  end

  defp no_library(crate, expected, root) do
    "cargo built #{crate}, but no library #{expected}. Write crate-type = [\"cdylib\"] under [lib] in " <>
      "#{Path.join(root, "Cargo.toml")}, or in that of the crate in its workspace"
  end

  # Returns whether the library changed. A running VM may have the old file mapped, and writing into a mapped library
  # crashes that VM; replacing it leaves the VM its copy, and a VM that starts meanwhile finds the old one or the new.
  defp install(built, installed) do
    bytes = File.read!(built)

    if File.read(installed) == {:ok, bytes} do
      false
    else
      File.mkdir_p!(Path.dirname(installed))
      new = "#{installed}.#{System.pid()}"
      File.write!(new, bytes)
      # Windows renames onto no file that is there.
      if match?({:win32, _}, :os.type()), do: File.rm(installed)
      File.rename!(new, installed)
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
    crate = String.replace(crate, "-", "_")

    case :os.type() do
      {:win32, _} -> crate <> ".dll"
      {:unix, :darwin} -> "lib" <> crate <> ".dylib"
      {:unix, _} -> "lib" <> crate <> ".so"
    end
  end
end
