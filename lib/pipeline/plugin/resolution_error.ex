defmodule Pipeline.Plugin.ResolutionError do
  @moduledoc """
  Plugins cannot be ordered, or no choice of versions fits.

  `reason` is one of

    * `{:missing_dependencies, [unmet]}` - all unmet dependencies, at least one of which is missing
    * `{:version_mismatch, [unmet]}` - all unmet dependencies; none is missing, but their versions do not
      match
    * `{:cycle, [id]}` - the shortest cycle; each plugin needs the next, the last needs the first
    * `{:duplicate_id, id}`, `{:already_loaded, id}` - two plugins have the same id
    * `{:conflict, [{kind, name}]}` - no choice of versions fits; `kind` is `:missing_plugin`,
      `:missing_capability`, `:no_common_provider`, `:no_version`, `:pre_release_only`, `:disagreement` or
      `:narrowed`
    * `{:duplicate_release, id, version}` - a version was found twice

  An `unmet` is `{:missing_dependency, by, id, requirement}`, `{:missing_capability, by, capability}` or
  `{:version_mismatch, by, id, requirement, found}`.
  """

  @type unmet ::
          {:missing_dependency, by :: term, id :: term, requirement :: String.t() | nil}
          | {:missing_capability, by :: term, capability :: term}
          | {:version_mismatch, by :: term, id :: term, requirement :: String.t(), found :: String.t()}

  @type reason ::
          {:missing_dependencies, [unmet]}
          | {:version_mismatch, [unmet]}
          | {:cycle, [term]}
          | {:duplicate_id, term}
          | {:already_loaded, term}
          | {:conflict, [{atom, term}]}
          | {:duplicate_release, term, String.t()}

  @type t :: %__MODULE__{reason: reason, message: String.t()}

  defexception [:reason, :message]

  @doc false
  @spec new({term, String.t()}) :: t
  def new({{:unmet, unmet}, message}) do
    mismatch? = Enum.all?(unmet, &(elem(&1, 0) == :version_mismatch))

    %__MODULE__{
      reason: {if(mismatch?, do: :version_mismatch, else: :missing_dependencies), unmet},
      message: message
    }
  end

  def new({reason, message}), do: %__MODULE__{reason: reason, message: message}
end
