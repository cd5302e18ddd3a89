defmodule Pipeline.Plugin.Graph.RenderError do
  @moduledoc """
  A graph cannot be drawn as SVG.

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
    "SVG needs the program #{program}, which is not in the PATH: install Graphviz (apt install graphviz), or " <>
      "take the format mermaid or dot"
  end

  def message(%{reason: {:graphviz_failed, status, output}}) do
    "Graphviz failed with status #{status}: #{String.trim(output)}; draw the format dot to see its input"
  end
end
