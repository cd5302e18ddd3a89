defmodule Mix.Tasks.Pipeline.HooksTest do
  use ExUnit.Case, async: true

  import ExUnit.CaptureIO

  alias Mix.Tasks.Pipeline.Hooks

  defp run(args), do: capture_io(fn -> Hooks.run(["--no-compile" | args]) end)

  test "prints every hook, or those that are named" do
    all = run([])
    assert all =~ "## `:cache`" and all =~ "## `:template`"

    one = run([":redact"])
    assert one =~ "## `:redact`" and one =~ "* `patterns` - "
    refute one =~ "## `:cache`"
  end

  test "prints those of another library, also where they say little" do
    text = run(["--library", "VmHooks", "spin"])

    assert text =~
             "## `:spin`\n\nKeeps its scheduler.\n\nKinds: `:before`, `:after`, `:replace`. Cost: `:light`."
  end

  test "writes a file" do
    file = Path.join(System.tmp_dir!(), "hooks_#{System.pid()}_#{System.unique_integer([:positive])}.md")
    on_exit(fn -> File.rm(file) end)
    assert run(["--output", file, "put"]) == ""
    assert File.read!(file) =~ "## `:put`"
  end

  test "says what is wrong" do
    assert_raise Mix.Error, ~s(there is no native hook redcat. Did you mean "redact"?), fn ->
      run(["redcat"])
    end

    assert_raise Mix.Error, ~r/Nothing is no native library/, fn -> run(["--library", "Nothing"]) end
  end
end
