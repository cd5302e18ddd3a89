defmodule ReadmeTest do
  # The tour in the README runs as printed, on the default instance.
  use ExUnit.Case, async: false

  import ExUnit.CaptureIO

  @readme File.read!("README.md")

  test "the tour runs as printed" do
    [_, tour] = String.split(@readme, "## A tour\n", parts: 2)
    [tour | _] = String.split(tour, "\n## ", parts: 2)
    blocks = Regex.scan(~r/```elixir\n(.*?)```/s, tour, capture: :all_but_first)
    assert length(blocks) > 8

    printed =
      capture_io(fn ->
        Enum.reduce(blocks, [], fn [block], bindings -> run(block, bindings) end)
      end)

    assert [_, expected] = Regex.run(~r/It prints the reason and the way out:\n\n```\n(.*?)```/s, tour)
    assert printed == expected
  end

  # Each `#=>` line shows the value of what stands above it.
  defp run(block, bindings) do
    block
    |> String.split("\n")
    |> Enum.chunk_by(&String.starts_with?(&1, "#=> "))
    |> Enum.reduce({nil, bindings}, fn
      ["#=> " <> expected], {value, bindings} ->
        # Not as text: the order in which a map shows its keys depends on the version of OTP.
        assert {value, []} == Code.eval_string(expected)
        {nil, bindings}

      lines, {_value, bindings} ->
        Code.eval_string(Enum.join(lines, "\n"), bindings, file: "README.md")
    end)
    |> elem(1)
  end
end
