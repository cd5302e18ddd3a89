defmodule Mix.Tasks.Pipeline.Native.Package do
  @shortdoc "Packages native libraries for hosts without Rust"

  @moduledoc """
  Builds the project's native libraries and packages them, so that hosts need no Rust to compile.

      mix pipeline.native.package
      mix pipeline.native.package --target aarch64-unknown-linux-gnu --target x86_64-unknown-linux-musl

  For each crate of `:pipeline_native` in mix.exs that has a `:module`, and each target, it writes an archive such as
  `libpipeline_nif-v0.1.0-nif-2.16-x86_64-unknown-linux-gnu.so.tar.gz`, and its SHA-256 into
  `checksum-Elixir.Pipeline.Native.exs`. Checksums of the same version stay in that file, so that several machines can
  add theirs one after the other; those of other versions go.

  Put the archives into a folder or behind a URL, the checksum file into the project (and its package), and let hosts
  configure the former as `native_artefacts`; see `mix help compile.pipeline_native`.

  A library asks for the C library of the machine that builds it, or a newer one: build on the oldest system that is to
  load it. For another target, `rustup target add TARGET` and a linker are needed; Cargo takes the linker from
  `CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc` and the like.

  ## Options

    * `--target` - a target as Rust names it; may be given several times. By default this machine
    * `--output` - the folder for the archives, by default `artefacts`
  """

  use Mix.Task

  alias Mix.Tasks.Compile.PipelineNative
  alias Pipeline.Native.Build.{Artefact, Cargo}

  @impl Mix.Task
  def run(args) do
    {opts, rest} = OptionParser.parse!(args, strict: [target: :keep, output: :string])

    unless rest == [],
      do: Mix.raise("mix pipeline.native.package takes no arguments, got: #{Enum.join(rest, " ")}")

    Mix.Task.run("loadconfig")
    output = Keyword.get(opts, :output, "artefacts")
    targets = Keyword.get_values(opts, :target)
    crates = for crate <- PipelineNative.crates!(), crate.module, do: crate

    if crates == [],
      do: Mix.raise("no crate of pipeline_native in mix.exs has a module:, so there is nothing to package")

    for crate <- crates do
      unless crate.all_features? do
        Mix.raise(
          "could not package #{crate.name}: an archive has all features, and others are chosen by native_features"
        )
      end

      checksums =
        for target <- if(targets == [], do: [Artefact.host()], else: targets), into: %{} do
          package(%{crate | target: target}, output)
        end

      file = Path.expand("checksum-#{crate.module}.exs")
      Artefact.write_checksums!(crate, file, checksums)
      Mix.shell().info("Wrote #{Path.relative_to_cwd(file)}")
    end

    :ok
  end

  defp package(crate, output) do
    Cargo.build!(crate, "to package it for #{crate.target}", environment(crate.target))
    {file, checksum} = Artefact.pack!(crate, output)
    Mix.shell().info("Wrote #{file}")
    {Path.basename(file), checksum}
  end

  # musl links statically by default, and a library that the VM loads cannot.
  defp environment(target) do
    if target =~ "musl" do
      variable = "CARGO_TARGET_#{target |> String.upcase() |> String.replace("-", "_")}_RUSTFLAGS"
      [{variable, String.trim("#{System.get_env(variable)} -C target-feature=-crt-static")}]
    else
      []
    end
  end
end
