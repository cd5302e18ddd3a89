defmodule Pipeline.Native.Requirement do
  @moduledoc false
  # The NIF of `native/pipeline_nif/src/requirement.rs`.

  alias Pipeline.Native

  defdelegate match(version, requirement, allow_pre), to: Native, as: :requirement_match
end
