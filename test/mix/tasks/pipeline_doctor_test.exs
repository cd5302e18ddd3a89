defmodule Mix.Tasks.Pipeline.DoctorTest do
  use ExUnit.Case, async: true

  import ExUnit.CaptureIO

  @moduletag :tmp_dir

  # It may fail here: other tests have native libraries that were never built.
  defp run(args) do
    capture_io(fn ->
      try do
        Mix.Tasks.Pipeline.Doctor.run(["--no-compile" | args])
      rescue
        error in Mix.Error -> assert error.message =~ ~r/^pipeline.doctor found \d+ errors?$/
      end
    end)
  end

  test "prints JSON", context do
    missing = context.tmp_dir <> "/a\n\e[31mb"
    assert {:ok, data} = ["--json", "--packages", missing] |> run() |> Pipeline.JSON.decode()
    assert data["versions"]["elixir"] == System.version()

    assert [%{"severity" => "warning", "problem" => problem}] =
             for(%{"area" => "packages"} = it <- data["findings"], do: it)

    assert problem =~ "the folder of packages does not exist: " and problem =~ ~S(a\n\e[31mb)
  end

  test "prints text with nothing that a terminal obeys", context do
    text = run(["--packages", context.tmp_dir <> "/\e[31mred"])
    assert text =~ ~r/^pipeline_plugin \S+, Elixir /
    assert text =~ ~S(\e[31mred)
    refute text =~ "\e"
  end

  test "fails where a package cannot be used", context do
    File.mkdir_p!(Path.join(context.tmp_dir, "broken-1.0.0"))
    File.write!(Path.join(context.tmp_dir, "broken-1.0.0/plugin.json"), "{")
    text = run(["--packages", context.tmp_dir])
    assert text =~ "error (packages): broken-1.0.0: "

    assert_raise Mix.Error, ~r/^pipeline.doctor found/, fn ->
      capture_io(fn -> Mix.Tasks.Pipeline.Doctor.run(["--no-compile", "--packages", context.tmp_dir]) end)
    end
  end

  test "refuses unknown options" do
    assert_raise Mix.Error, ~r/--jsno. Did you mean "--json"\?/, fn ->
      Mix.Tasks.Pipeline.Doctor.run(["--no-compile", "--jsno"])
    end
  end
end
