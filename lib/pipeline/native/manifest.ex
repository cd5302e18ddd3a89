defmodule Pipeline.Native.Manifest do
  @moduledoc false
  # The NIFs of `native/pipeline_nif/src/manifest.rs`: the bounds of a manifest and of the texts in it.

  alias Pipeline.Native

  @type text_verdict :: :ok | :invalid | {:too_long, bytes_allowed :: pos_integer}

  @spec check_version(binary) :: text_verdict
  def check_version(version), do: if_built(fn -> Native.check_version(version) end)

  @spec check_requirement(binary) :: text_verdict
  def check_requirement(requirement), do: if_built(fn -> Native.check_requirement(requirement) end)

  @doc "Whether discovery would read this manifest from a file."
  @spec check(map) :: :ok | {:error, sentence :: String.t()}
  def check(manifest), do: if_built(fn -> Native.check_manifest(:erlang.term_to_binary(manifest)) end)

  # While this library itself compiles, the core is missing or an older one. Its own plugins pass then, and
  # are checked when they are loaded.
  defp if_built(check) do
    check.()
  rescue
    _error in [RuntimeError, UndefinedFunctionError] -> :ok
  end
end
