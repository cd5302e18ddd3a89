defmodule Pipeline.Plugin.Graph.RenderError do
  @moduledoc """
  A graph could not be drawn as SVG.

  `reason` is `{:graphviz_missing, program}` or `{:graphviz_failed, status, output}`.
  """

  @type t :: %__MODULE__{
          reason:
            {:graphviz_missing, program :: String.t()}
            | {:graphviz_failed, status :: non_neg_integer, String.t()}
        }

  defexception [:reason]

  @impl Exception
  def message(%{reason: {:graphviz_missing, program}}) do
    "there is no program #{program} in the PATH, which makes SVG of DOT: install Graphviz (apt install graphviz), or " <>
      "take the format mermaid or dot"
  end

  def message(%{reason: {:graphviz_failed, status, output}}) do
    "Graphviz ended with status #{status}: #{String.trim(output)}; see what it makes of the format dot"
  end
end
