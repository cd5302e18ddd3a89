defmodule Pipeline.Runner.Error do
  @moduledoc """
  A pipeline failed. `node` is the id of the node that failed, or `nil` after the last node.

  `reason` is one of

    * `{:invalid_node, sentence}` - a node does not have the form that `Pipeline.Runner` describes
    * `{:unknown_need, id}`, `{:cycle, [id]}` - the nodes cannot be sorted
    * `{:no_handler, type}` - no plugin handles nodes of the type
    * `{:invalid, reason}` - a hook or a validator refused the node
    * `{:failed, reason}` - its handler, or a hook around it, failed
    * `{:bad_result, term}` - the result is neither `{:ok, output}` nor `{:error, reason}`
  """

  @type t :: %__MODULE__{node: term, reason: term}

  alias Pipeline.Foreign

  defexception [:node, :reason]

  @impl Exception
  def message(%__MODULE__{node: nil, reason: reason}), do: "the pipeline failed: #{describe(reason)}"
  def message(%__MODULE__{node: node, reason: reason}), do: "node #{Foreign.term(node)}: #{describe(reason)}"

  defp describe({:invalid_node, sentence}) when is_binary(sentence), do: sentence

  defp describe({:unknown_need, id}) do
    "it needs #{Foreign.term(id)}, which is not a node of the pipeline; add that node or remove the need"
  end

  defp describe({:cycle, ids}) when is_list(ids) do
    "these nodes wait for each other: #{Enum.map_join(ids, ", ", &Foreign.term/1)}; remove one of the needs"
  end

  defp describe({:no_handler, type}) do
    "no plugin handles nodes of type #{Foreign.term(type)}; load one that lists it in its capability :node_types"
  end

  defp describe({:invalid, reason}), do: "it was refused: #{text(reason)}"
  defp describe({:failed, reason}), do: text(reason)

  defp describe({:bad_result, term}),
    do: "expected {:ok, output} or {:error, reason}, got: #{Foreign.term(term)}"

  defp describe(other), do: Foreign.term(other)

  defp text(reason) when is_exception(reason), do: Foreign.message(reason)
  defp text(reason), do: Foreign.term(reason)
end
