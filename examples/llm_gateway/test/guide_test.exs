defmodule LlmGateway.GuideTest do
  use ExUnit.Case, async: true

  @guide File.read!("../../docs/guides/llm-pipeline.md")

  for file <- Path.wildcard("lib/**/*.ex") do
    test "the guide shows #{file} as it is" do
      assert @guide =~ "```elixir\n" <> File.read!(unquote(file)) <> "```\n"
    end
  end
end
