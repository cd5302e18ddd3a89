defmodule Pipeline.Plugin.Requirement do
  @moduledoc """
  Version requirements, decided by the Rust core exactly as Elixir's `Version` decides them.

  A bare version means `==`. Comparators are `==`, `!=`, `!`, `>`, `>=`, `<`, `<=` and `~>`, joined by ` and ` and
  ` or `, of which `and` binds tighter. `~> 1.2` is at least 1.2.0 and below 2.0.0-0, `~> 1.2.3` below 1.3.0-0; no
  other comparator takes two parts. Build metadata is ignored.

  Pre-releases are compared by plain precedence. With `allow_pre: false`, a `~>`, `>` or `>=` whose own version is
  stable matches no pre-release.

  One difference: a number of more than 14 digits is invalid in every version of Elixir, not only from 1.20.1 on.
  """

  alias Pipeline.Native

  @doc """
  Whether a version matches a requirement.

  Takes what `Version.match?/3` takes, gives the same answers and raises the same exceptions.

      iex> Pipeline.Plugin.Requirement.match?("1.9.0-rc", "~> 1.2")
      true
      iex> Pipeline.Plugin.Requirement.match?("1.9.0-rc", "~> 1.2", allow_pre: false)
      false
      iex> Pipeline.Plugin.Requirement.match?("1", "~> 1.2")
      ** (Version.InvalidVersionError) invalid version: "1"
  """
  @spec match?(Version.version(), Version.requirement(), keyword) :: boolean
  def match?(version, requirement, opts \\ []) do
    version = to_string(version)
    requirement = to_string(requirement)

    case Native.Requirement.match(version, requirement, Keyword.get(opts, :allow_pre, true)) do
      :invalid_version -> raise Version.InvalidVersionError, version
      :invalid_requirement -> raise Version.InvalidRequirementError, requirement
      matches? -> matches?
    end
  end
end
