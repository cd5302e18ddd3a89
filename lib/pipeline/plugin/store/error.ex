defmodule Pipeline.Plugin.Store.Error do
  @moduledoc """
  Why a change of a `Pipeline.Plugin.Store` could not be written.

    * `:step` - `:make_directory`, `:set_aside`, `:open`, `:write`, `:sync`, `:rename` or `:sync_directory`. After the last
      one the new file is in place, but a crash of the machine may bring the old one back
    * `:reason` - as `:file` tells it, such as `:eacces`
    * `:path` - the file
  """

  @enforce_keys [:path, :step, :reason]
  defexception [:path, :step, :reason]

  @type step :: :make_directory | :set_aside | :open | :write | :sync | :rename | :sync_directory
  @type t :: %__MODULE__{path: Path.t(), step: step, reason: :file.posix() | :badarg | :terminated}

  @impl Exception
  def message(%{path: path, step: step, reason: reason}) do
    "the plugin store #{path} was not written, #{at(step)}: #{text(reason)}. " <>
      "Its directory has to be writable for the user that runs the VM"
  end

  # Of a tuple it would call the module that is named in it.
  defp text(reason) when is_atom(reason), do: :file.format_error(reason)
  defp text(reason), do: Pipeline.Foreign.term(reason)

  defp at(:make_directory), do: "its directory cannot be made"
  defp at(:set_aside), do: "the unusable file in its place cannot be moved away"
  defp at(:open), do: "no file can be made beside it"
  defp at(:write), do: "the file beside it cannot be written"
  defp at(:sync), do: "the file beside it cannot be synced"
  defp at(:rename), do: "the new file cannot be moved to its place"
  defp at(:sync_directory), do: "its directory cannot be synced"
end
