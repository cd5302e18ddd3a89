defmodule Pipeline.Plugin.LeakTest do
  # Plugins of all sorts are loaded, used, upgraded, disabled and unloaded over and over, in a VM of its own, so that
  # nothing else is measured with it. PIPELINE_LEAK_CYCLES says how often.
  use ExUnit.Case, async: true

  alias Pipeline.{LeakCheck, LeakCycles}

  @cycles System.get_env("PIPELINE_LEAK_CYCLES", "200")

  # What the allocators keep for later is not the same after any two batches, however many cycles they have.
  @megabyte 1024 * 1024
  @tolerated total: @megabyte, binary: @megabyte, resident: 8 * @megabyte

  @moduletag timeout: :infinity

  test "what comes and goes leaves nothing behind" do
    report = Path.join(System.tmp_dir!(), "leak_test_#{System.pid()}_#{System.unique_integer([:positive])}")
    File.mkdir_p!(report)
    on_exit(fn -> File.rm_rf!(report) end)

    script = ["-pa", Application.app_dir(:pipeline_plugin, "ebin"), "-e"]
    main = "Pipeline.LeakCycles.main(System.argv())"
    env = [{"ERL_CRASH_DUMP_SECONDS", "0"}]

    {output, status} =
      System.cmd("elixir", script ++ [main, @cycles, report], stderr_to_stdout: true, env: env)

    assert status == 0, output
    measured = LeakCycles.report(report)
    if System.get_env("PIPELINE_LEAK_CYCLES"), do: Enum.each(measured, &tell/1)

    [first | rest] = measured
    for later <- rest, do: LeakCheck.assert_flat(first, later)

    assert List.last(measured).reloaded == [],
           "code was loaded, of which OTP 25 keeps something for ever (docs/decisions/0051)"

    for {kind, tolerance} <- @tolerated do
      of_kind = Enum.map(measured, & &1.memory[kind])
      [a, b | _] = of_kind
      [y, z] = Enum.take(of_kind, -2)

      assert min(y, z) <= max(a, b) + tolerance,
             "#{kind} memory grew from batch to batch: #{inspect(of_kind)} bytes"
    end
  end

  defp tell(%{native: native} = measured) do
    IO.puts(
      "native #{inspect(native)} (bytes, blocks), #{measured.counted.binaries.all} binaries and resources, " <>
        "#{Enum.sum(Map.values(measured.words))} words in processes, #{measured.atoms} atoms; " <>
        "VM #{measured.memory.total} bytes, resident #{measured.memory.resident}"
    )
  end
end
