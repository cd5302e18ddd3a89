defmodule Pipeline.Plugin.Store.Error do
  @moduledoc """
  The file of the option `store:` cannot be read or written.

    * `:step` - `:read`, `:directory` (it cannot be made), `:write` (beside the file), `:rename` (into place),
      or `:set_aside` (a file that is not a store cannot be renamed)
    * `:reason` - a POSIX error as `:file` returns it, such as `:eacces`; `:einval` for what is not a regular file
    * `:path` - the file
  """

  @enforce_keys [:path, :step, :reason]
  defexception [:path, :step, :reason]

  @type step :: :read | :directory | :write | :rename | :set_aside
  @type t :: %__MODULE__{
          path: Path.t(),
          step: step,
          reason: :file.posix() | :badarg | :terminated | :system_limit
        }

  @impl Exception
  def message(%{path: path, step: step, reason: reason}) do
    "the plugin store #{Pipeline.Foreign.path(path)} cannot be #{failed(step)}: #{text(reason)}. #{advice(reason)}"
  end

  # For a tuple, `:file.format_error/1` would call the module that it names.
  defp text(reason) when is_atom(reason), do: :file.format_error(reason)
  defp text(reason), do: Pipeline.Foreign.term(reason)

  defp failed(:read), do: "read"
  defp failed(:directory), do: "written, its directory cannot be made"
  defp failed(:write), do: "written, a file beside it cannot be made"
  defp failed(:rename), do: "written, the new file cannot be renamed to it"
  defp failed(:set_aside), do: "used, it is not a store and cannot be renamed"

  defp advice(:eisdir), do: "Name a file in store:, not a directory"

  defp advice(:einval), do: "Name a regular file in store:, not a device or a pipe"

  defp advice(_reason),
    do: "Name a file in store: that the user of the VM can read and write, in such a directory"
end
