defmodule TextNodes do
  use Pipeline.Plugin, id: :text_nodes, version: "1.2.0", author: "The example"

  @moduledoc """
  Node types for texts.

  It has two hook points of its own, `:redact_text` and `:count_text`, and does its work there with native hooks. So
  another plugin can add to what is redacted.
  """

  provides :node_handler, TextNodes.Handler

  capability :node_types, [:split, :redact, :summarise, :count_tokens]

  # Summaries come from whichever provider is there: the local one, or a language model.
  depends_on capability: :provider

  hook :before, :redact_text,
    native: :redact,
    config: %{
      field: :text,
      patterns: [
        # E-mail addresses, keys such as sk-…, IPv4 addresses.
        "[A-Za-z0-9._%+-]+@[A-Za-z0-9.-]+\\.[A-Za-z]{2,}",
        "\\bsk-[A-Za-z0-9]{16,}",
        "\\b(?:[0-9]{1,3}\\.){3}[0-9]{1,3}\\b"
      ]
    }

  hook :before, :count_text, native: :count_tokens, config: %{field: :text, into: :tokens}
end
