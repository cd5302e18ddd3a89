defmodule Pipeline.Plugin.ResolutionError do
  @moduledoc """
  Plugins cannot be put in order, or no choice of versions fits.

  `reason` is one of

    * `{:missing_dependencies, [unmet]}` - all dependencies that nothing meets, at least one of which is not there
    * `{:version_mismatch, [unmet]}` - all are there, in versions that do not match
    * `{:cycle, [id]}` - the shortest cycle; each plugin waits for the next, the last for the first
    * `{:duplicate_id, id}`, `{:already_loaded, id}`
    * `{:conflict, [{kind, name}]}` - no choice of versions fits; `kind` is `:missing_plugin`, `:missing_capability`,
      `:no_common_provider`, `:no_version`, `:pre_release_only`, `:disagreement` or `:narrowed`
    * `{:duplicate_release, id, version}` - a version was found twice

  where an `unmet` is `{:missing_dependency, by, id, requirement}`, `{:missing_capability, by, capability}` or
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
