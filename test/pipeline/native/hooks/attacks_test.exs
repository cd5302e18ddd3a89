defmodule Pipeline.Native.Hooks.AttacksTest do
  # Every shipped native hook against what is made to harm the VM, in a VM of its own with one scheduler. The bounds are
  # wide, since machines are busy; `bin/verify attacks`, on a quiet one, asserts those that the documentation states.
  use ExUnit.Case, async: true

  @moduletag timeout: :infinity

  @verify System.get_env("PIPELINE_ATTACKS") != nil

  # Milliseconds of one attack, on whatever scheduler.
  @millis if(@verify, do: 10_000, else: 120_000)
  # By how many bytes the VM grows.
  @bytes 384 * 1024 * 1024
  # Milliseconds by which a process is late on the VM's one normal scheduler. Terms are made and collected on it, too.
  @late if(@verify, do: 250, else: 30_000)

  # A VM that grows without bounds ends, and nothing else.
  @virtual_kilobytes 9_000_000

  for hook <-
        ~w(template redact json_schema rate_limit cache retry summarise count_tokens put drop rename increment require) do
    test hook do
      for result <- attacked(unquote(hook)) do
        if @verify, do: IO.puts(line(result))
        refute result.outcome =~ "raised", inspect(result)
        refute result.outcome =~ "panicked", inspect(result)
        assert result.millis < @millis, inspect(result)
        assert result.bytes < @bytes, inspect(result)
        assert result.late < @late, inspect(result)
      end
    end
  end

  defp line(result) do
    "#{result.attack}: #{result.millis} ms, #{div(result.bytes, 1_048_576)} MiB, late by #{result.late} ms: #{result.outcome}"
  end

  defp attacked(hook) do
    file =
      Path.join(System.tmp_dir!(), "native_attacks_#{System.pid()}_#{System.unique_integer([:positive])}")

    on_exit(fn -> File.rm(file) end)
    ebin = Application.app_dir(:pipeline_plugin, "ebin")

    script = """
    ulimit -v #{@virtual_kilobytes}
    exec elixir --erl "+S 1:1" -pa "$1" -e "Pipeline.NativeAttacks.main(System.argv())" "$2" "$3"
    """

    env = [{"ERL_CRASH_DUMP_SECONDS", "0"}, {"RUST_BACKTRACE", "0"}]

    {output, status} =
      System.cmd("sh", ["-c", script, "sh", ebin, file, hook], stderr_to_stdout: true, env: env)

    assert status == 0, "the VM ended with #{status}: #{String.slice(output, -2000, 2000)}"
    results = file |> File.read!() |> :erlang.binary_to_term()
    assert results != []
    results
  end
end
