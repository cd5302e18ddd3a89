defmodule Pipeline.Native.Build.Cargo do
  @moduledoc false
  # Runs Cargo, and shows its progress when it takes a while.

  alias Pipeline.Native.Build.Crate

  # Milliseconds until the progress is shown. A build that is over by then needs none.
  @patience 2_000

  @doc "Builds a crate, or raises `Mix.Error`. Prints what it does and why."
  @spec build!(Crate.t(), String.t(), [{String.t(), String.t()}]) :: :ok
  def build!(crate, reason, env \\ []) do
    cargo = executable() || Mix.raise(missing(crate))
    args = args(crate)
    Mix.shell().info("Building native library #{crate.name} with Cargo (release): #{reason}")

    case run(crate, cargo, args, env) do
      0 ->
        unless File.exists?(Crate.built(crate)), do: Mix.raise(no_library(crate))
        :ok

      status ->
        Mix.raise(failed(crate, status, cargo, args))
    end
  end

  @doc "Finds cargo on the PATH, or where rustup puts it: a shell or editor that was open then does not know of it."
  @spec executable() :: Path.t() | nil
  def executable, do: System.find_executable("cargo") || in_cargo_home("cargo")

  @doc "The version and host of the compiler that Cargo uses for a crate; `nil` if there is none."
  @spec compiler(Crate.t()) :: String.t() | nil
  def compiler(crate) do
    rustc = System.get_env("RUSTC") || System.find_executable("rustc") || in_cargo_home("rustc")

    if rustc do
      case System.cmd(rustc, ["-vV"], cd: crate.root, stderr_to_stdout: true) do
        {version, 0} -> version
        {_, _} -> nil
      end
    end
  rescue
    # RUSTC names no program.
    ErlangError -> nil
  end

  defp in_cargo_home(program) do
    homes = [System.get_env("CARGO_HOME"), System.user_home() && Path.join(System.user_home(), ".cargo")]
    Enum.find_value(homes, &(&1 && System.find_executable(Path.join([&1, "bin", program]))))
  end

  defp args(crate) do
    features =
      if crate.features, do: ["--no-default-features", "--features", Enum.join(crate.features, ",")], else: []

    target = if crate.target, do: ["--target", crate.target], else: []

    ["build", "--release", "-p", crate.name, "--manifest-path", Path.join(crate.root, "Cargo.toml")] ++
      ["--target-dir", crate.target_dir] ++ target ++ features
  end

  # In the folder of the crate, where rustup and Cargo look for their settings.
  defp run(crate, cargo, args, env) do
    env = for {name, value} <- env, do: {String.to_charlist(name), String.to_charlist(value)}
    options = [:binary, :exit_status, :stderr_to_stdout, :hide, args: args, env: env, cd: crate.root]
    port = Port.open({:spawn_executable, cargo}, options)
    hold(port, [], System.monotonic_time(:millisecond) + @patience)
  end

  defp hold(port, held, deadline) do
    receive do
      {^port, {:data, data}} -> hold(port, [held, data], deadline)
      {^port, {:exit_status, 0}} -> 0
      {^port, {:exit_status, status}} -> tell(held, status)
    after
      max(deadline - System.monotonic_time(:millisecond), 0) -> show(port, tell(held, :running))
    end
  end

  defp show(port, :running) do
    receive do
      {^port, {:data, data}} -> show(port, tell(data, :running))
      {^port, {:exit_status, status}} -> status
    end
  end

  defp tell(output, result) do
    IO.binwrite(:stdio, output)
    result
  end

  defp missing(crate) do
    "could not find cargo, which builds the native library #{crate.name}. " <>
      "Install Rust (https://rustup.rs) and see that cargo is on the PATH, then run mix compile again"
  end

  defp failed(crate, status, cargo, args) do
    "could not build the native library #{crate.name}: cargo ended with status #{status}, its message is above. " <>
      "Where it asks for a newer Rust, run rustup update. To see the same message again:\n    " <>
      Enum.join([cargo | args], " ")
  end

  defp no_library(crate) do
    "cargo built #{crate.name}, but no library #{Crate.built(crate)}. Write crate-type = [\"cdylib\"] under [lib] in " <>
      "#{Path.join(crate.root, "Cargo.toml")}, or in that of the crate in its workspace"
  end
end
