defmodule Mix.Tasks.Compile.PipelineNative do
  @shortdoc "Builds native libraries with Cargo, or takes precompiled ones"

  @moduledoc """
  Builds native libraries with Cargo, in release mode, and puts them into `priv/native/`. Takes a precompiled library
  instead where the project configures one.

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
      library existed or with an older one, so it is unloaded once the new library is in place. It also names the file
      of checksums
    * `:optional` - Cargo features among which `native_features` of the application's configuration chooses; all of
      them by default
    * `:features` - Cargo features that are always on

  ## When Cargo runs

  A stamp beside the library records the contents of every source file that went into it, with the features, the target,
  the version of the compiler and the environment variables that change a build. As long as all of that stays the same
  Cargo is not called. The folder that Cargo builds in does not count: it is `target/` beside the Cargo manifest, or
  `CARGO_TARGET_DIR`. The progress of Cargo is shown when it takes longer than two seconds.

  `PIPELINE_NATIVE_BUILD=1` calls Cargo in any case.

  ## Precompiled libraries

      config :my_app, native_artefacts: "https://example.org/my_app/releases"

  names the folder or URL that holds the archives of `mix pipeline.native.package`; for this library itself the
  application is `:pipeline_plugin`. The task takes the archive for the version of the project and the target of this
  machine (or `CARGO_BUILD_TARGET`), if `checksum-Elixir.MyApp.Hooks.exs` in the project, or the file that
  `native_checksums` names, has its SHA-256. An archive with another checksum ends the compilation, with nothing
  unpacked. Downloads are kept in the cache folder of the user, or in `PIPELINE_NATIVE_CACHE`; `HTTPS_PROXY`,
  `HTTP_PROXY` and `NO_PROXY` are heeded.

  Where there is no archive, the library is built with Cargo, which the task says. It builds, too, with
  `PIPELINE_NATIVE_BUILD=1` and where `native_features` leaves features out.
  """

  use Mix.Task.Compiler

  @recursive true

  alias Pipeline.Native.Build.{Artefact, Cargo, Crate, Stamp}

  @impl Mix.Task.Compiler
  def run(_args) do
    results = for crate <- crates!(), do: compile(crate)

    if :installed in results, do: {:ok, []}, else: {:noop, []}
  end

  @impl Mix.Task.Compiler
  def clean do
    # In this package itself the other modules are gone by now: nothing here may need one.
    for {crate, _opts} <- crates() do
      library = installed_path(crate)
      File.rm(library)
      File.rm(Path.join(Path.dirname(library), ".#{Path.basename(library)}.stamp"))
    end

    File.rmdir(native_dir())
    :ok
  end

  @doc false
  # The crates of the project, for the task that packages their libraries.
  @spec crates!() :: [Crate.t()]
  def crates! do
    crates = crates()

    unless Keyword.keyword?(crates) and Enum.all?(crates, fn {_, opts} -> Keyword.keyword?(opts) end) do
      Mix.raise(
        "pipeline_native in mix.exs is a list of crates with their options, such as " <>
          "[my_hooks: [path: \"native/my_hooks\", module: MyApp.Hooks]], got: #{inspect(crates)}"
      )
    end

    for {crate, opts} <- crates, do: Crate.new!(crate, opts, installed_path(crate))
  end

  defp crates, do: Mix.Project.config()[:pipeline_native] || []

  defp compile(crate) do
    if System.get_env("PIPELINE_NATIVE_BUILD") in ["1", "true"] do
      build(crate, "PIPELINE_NATIVE_BUILD is set")
    else
      source = Artefact.source(crate)
      expected = if source, do: Artefact.expected(crate), else: {:error, :not_configured}

      case Stamp.compare(crate, artefact(expected)) do
        :current -> :unchanged
        {:stale, reason} -> take(crate, source, expected, reason)
      end
    end
  end

  defp artefact({:ok, artefact}), do: artefact
  defp artefact({:error, _}), do: nil

  defp take(crate, nil, _expected, reason), do: build(crate, reason)
  defp take(crate, _source, {:error, missing}, reason), do: build_instead(crate, missing, reason)

  defp take(crate, source, {:ok, {name, checksum}}, reason) do
    case Artefact.fetch(crate, source, {name, checksum}) do
      {:ok, library} ->
        Mix.shell().info("Installing native library #{crate.name} from #{name}")
        result = install(crate, library)
        Stamp.write_artefact(crate, name, checksum)
        result

      {:unavailable, missing} ->
        build_instead(crate, missing, reason)
    end
  end

  defp build_instead(crate, missing, reason) do
    unless Cargo.executable() do
      Mix.raise(
        "could not get the native library #{crate.name}: there is no precompiled one for #{crate.target || Artefact.host()} " <>
          "(#{missing}), and no cargo to build it. Install Rust (https://rustup.rs) and run mix compile again, or put " <>
          "the archive where native_artefacts says, and its checksum where #{inspect(crate.app)} looks for it"
      )
    end

    Mix.shell().info(
      "No precompiled native library #{crate.name} for #{crate.target || Artefact.host()}: #{missing}"
    )

    build(crate, reason)
  end

  defp build(crate, reason) do
    # An edit during the build is newer than this.
    started = System.os_time(:second)
    Cargo.build!(crate, reason)
    result = install(crate, File.read!(Crate.built(crate)))
    Stamp.write_built(crate, started)
    result
  end

  # A running VM may have the old file mapped, and writing into a mapped library crashes that VM; replacing it leaves the
  # VM its copy, and a VM that starts meanwhile finds the old one or the new.
  defp install(crate, library) do
    if File.read(crate.installed) == {:ok, library} do
      :unchanged
    else
      File.mkdir_p!(Path.dirname(crate.installed))
      new = "#{crate.installed}.#{System.pid()}"
      File.write!(new, library)
      # Windows renames onto no file that is there.
      if match?({:win32, _}, :os.type()), do: File.rm(crate.installed)
      File.rename!(new, crate.installed)
      # A project whose priv did not exist when this compilation began has no link to it in _build yet.
      Mix.Project.build_structure()
      unload(crate.module)
      :installed
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
    Path.join(native_dir(), Atom.to_string(crate) <> extension)
  end
end
