defmodule Pipeline.Plugin.RequirementTest do
  use ExUnit.Case, async: true

  alias Pipeline.Plugin.Requirement

  doctest Pipeline.Plugin.Requirement

  @versions ~w(0.0.0 1.0.0 1.0.1 1.2.0 1.2.3 1.3.0 2.0.0 2.0.0-0 2.0.0-rc.1 1.9.0-rc 1.5.0-rc9 1.5.0-rc10 1.0.0+b1
               1.0.0-or 10.20.30 1.0.0-alpha.1 1.0.0-alpha.beta 1.0 1 1.0.0-01 01.0.0 1.0.0-+ v1.0.0 1.2.3.4) ++
              ["", " 1.0.0"]

  @operators ["", "== ", "!= ", "! ", "> ", ">= ", "< ", "<= ", "~> ", ">=", "~>", "^", "=", "=> "]
  @operands ~w(1.0.0 1.2 1.2.3 2.0.0 2.0.0-rc.1 1.2-dev 1.5.0-rc9 1.0.0+b2 1 1.0.0-01 0.0.0)
  @joins [" and ", " or ", "and", " AND ", "  and  ", ", ", " and and "]

  # Against Elixir's own, on pairs that favour the awkward.
  test "answers and raises as Version.match?/3 does" do
    seed = :rand.uniform(1_000_000)
    :rand.seed(:exsss, {seed, 1, 2})

    # `!` and `!=` are deprecated, and Version says so each time.
    ExUnit.CaptureIO.capture_io(:stderr, fn -> for(_ <- 1..5_000, do: compare(seed)) end)
  end

  defp compare(seed) do
    {version, requirement} = {Enum.random(@versions), requirement()}
    opts = Enum.random([[], [allow_pre: true], [allow_pre: false]])

    assert outcome(fn -> Requirement.match?(version, requirement, opts) end) ==
             outcome(fn -> Version.match?(version, requirement, opts) end),
           "seed #{seed}: #{inspect(version)} and #{inspect(requirement)}, #{inspect(opts)}"
  end

  test "takes structs as Version does" do
    requirement = Version.parse_requirement!("~> 1.2")
    assert Requirement.match?(Version.parse!("1.3.0"), requirement)
    refute Requirement.match?(Version.parse!("2.0.0"), requirement)
  end

  test "refuses numbers of more than 14 digits in every version of Elixir" do
    assert Requirement.match?("12345678901234.0.0", ">= 1.0.0")

    assert_raise Version.InvalidVersionError, fn -> Requirement.match?("123456789012345.0.0", ">= 1.0.0") end

    assert_raise Version.InvalidRequirementError, fn ->
      Requirement.match?("1.0.0", ">= 123456789012345.0.0")
    end
  end

  defp requirement do
    for(_ <- 1..:rand.uniform(3), do: Enum.random(@operators) <> Enum.random(@operands))
    |> Enum.reduce(fn comparator, requirement -> requirement <> Enum.random(@joins) <> comparator end)
  end

  defp outcome(fun) do
    fun.()
  rescue
    error in [Version.InvalidVersionError, Version.InvalidRequirementError] -> error.__struct__
  end
end
