defmodule Pipeline.Hook.Error do
  @moduledoc """
  A hook failed: it raised, exited, threw, timed out or panicked.

  `plugin`, `point` and `kind` name the hook. `reason` is the exception, or the term that it exited with or
  threw, or `:timeout` or `:max_heap`, or `:circuit_open` if the hook was not called. A refusal (`throw
  {:hook_error, reason}`) is not a failure: `Pipeline.Hook.run/2` returns its reason as it is.

  The message calls no code of the plugin. It shows an exception by its field `:message`, or else by its
  fields. `Exception.message(error.reason)` runs the `message/1` of the plugin's exception.
  """

  @type t :: %__MODULE__{
          plugin: Pipeline.Plugin.plugin_id() | nil,
          point: atom,
          kind: Pipeline.Hook.kind(),
          reason: term,
          stacktrace: Exception.stacktrace()
        }

  alias Pipeline.Foreign

  defexception [:plugin, :point, :kind, :reason, stacktrace: []]

  @impl Exception
  def message(%__MODULE__{reason: :circuit_open} = error) do
    "the #{kind(error.kind)} hook on #{Foreign.term(error.point)} of #{owner(error.plugin)} was not called: it has failed too often " <>
      "and its circuit is open; it is tried again after its cool_down, or close it by Pipeline.Hook.reset_circuit/3"
  end

  def message(%__MODULE__{} = error) do
    "the #{kind(error.kind)} hook on #{Foreign.term(error.point)} of #{owner(error.plugin)} failed: #{describe(error.reason)}"
  end

  defp kind(kind) when is_atom(kind), do: Atom.to_string(kind)
  defp kind(other), do: Foreign.term(other)

  defp owner(nil), do: "no plugin"
  defp owner(plugin), do: "plugin #{Foreign.term(plugin)}"

  defp describe(:timeout), do: "it took longer than its timeout"
  defp describe(:max_heap), do: "it needed more memory than its max_heap"

  defp describe(reason) when is_exception(reason), do: Foreign.exception(reason)
  defp describe(reason), do: Foreign.term(reason)
end
