defmodule Pipeline.Plugin.Requirement do
  @moduledoc """
  Version requirements, decided by the Rust core exactly as Elixir's `Version` decides them.

  A bare version means `==`. The comparators are `==`, `!=`, `!`, `>`, `>=`, `<`, `<=` and `~>`, joined by
  ` and ` and ` or `; `and` binds tighter. `~> 1.2` matches from 1.2.0 to below 2.0.0-0, `~> 1.2.3` from 1.2.3
  to below 1.3.0-0; no other comparator takes two parts. Build metadata is ignored.

  Pre-releases are compared by precedence. With `allow_pre: false`, a `~>`, `>` or `>=` with a stable version
  matches no pre-release.

  There is one difference to `Version`: a number of more than 14 digits is invalid in every version of Elixir,
  not only from 1.20.1 on.
  """

  alias Pipeline.{Native, Options}

  @doc """
  Returns whether a version matches a requirement.

  Takes the arguments of `Version.match?/3`, and returns and raises the same. Option: `:allow_pre`, by default
  `true`.

      iex> Pipeline.Plugin.Requirement.match?("1.9.0-rc", "~> 1.2")
      true
      iex> Pipeline.Plugin.Requirement.match?("1.9.0-rc", "~> 1.2", allow_pre: false)
      false
      iex> Pipeline.Plugin.Requirement.match?("1", "~> 1.2")
      ** (Version.InvalidVersionError) invalid version: "1"
  """
  @spec match?(Version.version(), Version.requirement(), keyword) :: boolean
  def match?(version, requirement, opts \\ []) do
    Options.validate!(opts, [:allow_pre], "Pipeline.Plugin.Requirement.match?/3")
    version = to_string(version)
    requirement = to_string(requirement)

    case Native.Requirement.match(version, requirement, Keyword.get(opts, :allow_pre, true)) do
      :invalid_version -> raise Version.InvalidVersionError, version
      :invalid_requirement -> raise Version.InvalidRequirementError, requirement
      matches? -> matches?
    end
  end
end
