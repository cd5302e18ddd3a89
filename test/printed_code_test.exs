defmodule Pipeline.PrintedCodeTest do
  # The code of the README, the guides and the cheatsheets runs as printed, on the default instance.
  use ExUnit.Case, async: false

  import ExUnit.CaptureIO

  alias Pipeline.PrintedCode
  alias Pipeline.Plugin.Manager

  @pages ["README.md" | Path.wildcard("docs/{guides,cheatsheets}/*.md")]

  setup do
    on_exit(fn ->
      for %{id: id} <- Enum.reverse(Manager.list_plugins()), do: Manager.unload_plugin(id, cascade: true)
    end)
  end

  # A page that shows values runs. Of others the code is parsed.
  for page <- @pages -- ["docs/guides/tour.md"] do
    @external_resource page

    test "the code of #{page}" do
      page = unquote(page)
      blocks = page |> File.read!() |> PrintedCode.blocks()
      runs? = Enum.any?(blocks, &(&1.code =~ ~r/^#=> /m))
      blocks = for block <- blocks, do: %{block | shown: block.shown or not runs?}
      capture_io(fn -> assert PrintedCode.run(page, blocks) == :ok end)
    end
  end

  test "the tour prints what it says" do
    page = File.read!("docs/guides/tour.md")
    blocks = PrintedCode.blocks(page)
    assert length(blocks) > 8 and not Enum.any?(blocks, & &1.shown)
    printed = capture_io(fn -> PrintedCode.run("docs/guides/tour.md", blocks) end)
    assert [_, expected] = Regex.run(~r/It prints the reason and the way out:\n\n```\n(.*?)```/s, page)
    assert printed == expected
  end

  test "a wrong value, and code that does not parse, are found" do
    run = fn text -> PrintedCode.run("page.md", PrintedCode.blocks(text)) end
    assert run.("```elixir\nx = 1\n```\n\n```elixir\nx + 1\n#=> 2\n```\n") == :ok

    assert_raise ExUnit.AssertionError, ~r/page.md:4 has another value/, fn ->
      run.("text\n\n```elixir\n1 + 1\n#=> 3\n```\n")
    end

    assert_raise TokenMissingError, fn -> run.("<!-- shown: a fragment -->\n```elixir\n[1,\n```\n") end
  end
end
