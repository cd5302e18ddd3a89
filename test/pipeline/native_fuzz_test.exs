defmodule Pipeline.NativeFuzzTest do
  # Random terms to every function of the native library, in a VM of its own, since they must not bring one down. 100,000
  # calls, or as many as PIPELINE_FUZZ_CALLS says; with PIPELINE_SEED the same ones again.
  use ExUnit.Case, async: true

  alias Pipeline.{LeakCheck, NativeFuzz}
  alias Pipeline.NativeFuzz.Arguments

  @calls System.get_env("PIPELINE_FUZZ_CALLS", "100000")

  # The library itself, and one whose hooks fail in every way there is.
  @modules [Pipeline.Native, VmHooks]

  # Vocabularies and such are read when they are first needed, and kept.
  @anything %{bytes: :infinity, blocks: :infinity}

  # Of native memory, by as many calls as there were before them and the same.
  @kept %{bytes: 192 * 1024, blocks: 64}

  @moduletag timeout: :infinity

  setup do
    directory =
      Path.join(System.tmp_dir!(), "native_fuzz_#{System.pid()}_#{System.unique_integer([:positive])}")

    File.mkdir_p!(Path.join(directory, "within"))
    on_exit(fn -> File.rm_rf!(directory) end)
    {:ok, directory: directory, seed: System.get_env("PIPELINE_SEED", "#{:rand.uniform(1_000_000)}")}
  end

  test "no term given to a native function harms the VM", %{directory: directory, seed: seed} do
    # What there is to be discovered.
    within = Path.join(directory, "within")
    File.cp!(:code.which(Pipeline.Plugins.LocalProvider), Path.join(within, "a.beam"))
    File.write!(Path.join(within, "b.beam"), "no BEAM file")

    {output, status} = run([seed, @calls, directory | Enum.map(@modules, &Atom.to_string/1)], within)
    assert status == 0, failed(directory, output, status)

    report = directory |> Path.join("report") |> File.read!() |> :erlang.binary_to_term()
    assert report.calls >= String.to_integer(@calls)

    for {module, name, arity} = function <- NativeFuzz.functions(@modules) do
      assert report.counts[{function, :returned}] > 0 or not Arguments.known?(name, arity),
             "#{inspect(module)}.#{name}/#{arity} returned nothing but errors"
    end

    # A function makes atoms of its own when it is called first. Their names stand in the library.
    libraries =
      for library <- Path.wildcard(Application.app_dir(:pipeline_plugin, "priv/native/*.so")),
          do: File.read!(library)

    made = Enum.reject(report.atoms, fn atom -> Enum.any?(libraries, &String.contains?(&1, atom)) end)
    assert made == [], "seed #{seed}: atoms were made: #{inspect(made)}"

    if System.get_env("PIPELINE_FUZZ_CALLS"), do: IO.inspect(report, limit: :infinity)

    {came, expected} = report.replies
    assert came == expected

    [before | measured] = report.measured
    for later <- measured, do: assert_flat(before, later, @anything)

    # The last two batches are the one before them once more. What leaks does so in each; the core's collector may keep up to
    # 64 blocks more for a thread that read nothing before, and that in one of them.
    [once, again, and_again] = Enum.take(measured, -3)

    {earlier, later} =
      Enum.min_by([{once, again}, {again, and_again}], fn {earlier, later} ->
        blocks(later) - blocks(earlier)
      end)

    assert_flat(%{before | native: earlier.native}, later, @kept)
  end

  defp blocks(measured), do: Enum.sum(for {_library, {_bytes, blocks}} <- measured.native, do: blocks)

  # Atoms have been looked at.
  defp assert_flat(before, later, native) do
    LeakCheck.assert_flat(%{before | atoms: later.atoms}, later, native: native)
  end

  defp run(arguments, directory) do
    ebin = Application.app_dir(:pipeline_plugin, "ebin")
    script = ["-pa", ebin, "-e", "Pipeline.NativeFuzz.main(System.argv())" | arguments]
    env = [{"ERL_CRASH_DUMP_SECONDS", "0"}, {"RUST_BACKTRACE", "0"}]
    System.cmd("elixir", script, cd: directory, stderr_to_stdout: true, env: env)
  end

  defp failed(directory, output, status) do
    """
    The VM ended with #{status}. #{last_call(File.read(Path.join(directory, "last_call")))}

    #{output |> String.graphemes() |> Enum.take(-4000)}
    """
  end

  defp last_call({:ok, <<size::32, call::binary-size(size), _::binary>>}) do
    {seed, batch, number, module, name, arguments} = :erlang.binary_to_term(call)
    shown = arguments |> inspect(limit: 30, printable_limit: 300) |> String.slice(0, 3000)
    "PIPELINE_SEED=#{seed}, call #{number} of batch #{batch}:\n\n#{inspect(module)}.#{name}(#{shown})"
  end

  defp last_call(_), do: "It had made no call."
end
