defmodule Pipeline.Hook.Error do
  @moduledoc """
  A hook failed: it raised, exited, threw, timed out or panicked.

  `plugin`, `point` and `kind` name the hook. `reason` is the exception, or the term that it exited with or
  threw, or `:timeout`, `:max_heap` or `:too_large`, or, if the hook was not called, `:circuit_open` or
  `{:plugin_down, id, state}` (`fail: :closed` in `Pipeline.Hook.Spec`; `kind` is `nil` where it is not known). A refusal (`throw
  {:hook_error, reason}`) is not a failure: `Pipeline.Hook.run/2` returns its reason as it is.

  In `stacktrace`, arities stand for the arguments of calls, and no field has secrets of the plugin's configuration. The
  event `:hook_failed` has an error whose `reason` is also without the terms that the hook failed on: `:...` stands for
  what is neither an atom nor a number nor the message of an exception. So it is small for any context.

  The message shows no such terms either, and calls no code of the plugin. It shows an exception by its field `:message`,
  or else by its fields. `Exception.message(error.reason)` runs the `message/1` of the plugin's exception.
  """

  @type t :: %__MODULE__{
          plugin: Pipeline.Plugin.plugin_id() | nil,
          point: atom,
          kind: Pipeline.Hook.kind() | nil,
          reason: term,
          stacktrace: Exception.stacktrace()
        }

  alias Pipeline.Foreign

  defexception [:plugin, :point, :kind, :reason, stacktrace: []]

  @doc false
  # As others are told of it.
  @spec outline(t) :: t
  def outline(%__MODULE__{reason: reason} = error), do: %{error | reason: Foreign.outline(reason)}

  @impl Exception
  def message(%__MODULE__{reason: :circuit_open} = error) do
    "the #{kind(error.kind)} hook on #{Foreign.term(error.point)} of #{owner(error.plugin)} was not called: it has failed too often " <>
      "and its circuit is open; it is tried again after its cool_down, or close it by Pipeline.Hook.reset_circuit/3"
  end

  def message(%__MODULE__{reason: {:plugin_down, nil, :not_synced}} = error) do
    "the hook point #{Foreign.term(error.point)} is closed: this node has not yet asked the other nodes of its cluster " <>
      "which plugins guard it. It opens when they have answered"
  end

  def message(%__MODULE__{reason: {:plugin_down, id, :not_synced}} = error) do
    "the hook point #{Foreign.term(error.point)} is closed: #{owner(id)}, which is loaded on all nodes of the cluster and " <>
      "may guard it, is not loaded on this one yet. Pipeline.Plugin.Manager.health/1 tells why"
  end

  def message(%__MODULE__{reason: {:plugin_down, nil, :not_restored}} = error) do
    "the hook point #{Foreign.term(error.point)} is closed: the instance is about to load what its store has. It opens when " <>
      "all is loaded"
  end

  def message(%__MODULE__{reason: {:plugin_down, id, :not_restored}} = error) do
    "the hook point #{Foreign.term(error.point)} is closed: #{owner(id)}, which the store has as loaded and which may guard " <>
      "it, could not be found. It opens when the plugin is loaded again, or unloaded"
  end

  def message(%__MODULE__{reason: {:plugin_down, id, state}} = error) do
    "the hook point #{Foreign.term(error.point)} is closed: #{owner(id)}, which guards it, is #{kind(state)}. It opens " <>
      "when the plugin runs, or once it is disabled or unloaded"
  end

  def message(%__MODULE__{} = error) do
    "the #{kind(error.kind)} hook on #{Foreign.term(error.point)} of #{owner(error.plugin)} failed: #{describe(error.reason)}"
  end

  defp kind(kind) when is_atom(kind), do: Atom.to_string(kind)
  defp kind(other), do: Foreign.term(other)

  defp owner(nil), do: "no plugin"
  defp owner(plugin), do: "plugin #{Foreign.term(plugin)}"

  defp describe(:timeout), do: "it took longer than its timeout"

  defp describe(:too_large),
    do: "it has a timeout: and was to hand over, or to be given, more than 256 MiB; hand it a part"

  defp describe({:invalid_context, sentences}) when is_list(sentences),
    do: "it hands on a context that does not fit the spec: #{Foreign.line(Enum.join(sentences, "; "))}"

  defp describe({:invalid_result, sentences}) when is_list(sentences),
    do: "it gives a result that does not fit the spec: #{Foreign.line(Enum.join(sentences, "; "))}"

  defp describe(:max_heap), do: "it needed more memory than its max_heap"

  # Whoever logs the message has no use for the context in it.
  defp describe(reason) do
    case Foreign.outline(reason) do
      exception when is_exception(exception) -> Foreign.exception(exception)
      reason -> Foreign.term(reason)
    end
  end
end
