defmodule LlmGateway.Redaction do
  @moduledoc "Takes addresses and numbers of cards out of a prompt before a model sees it."

  use Pipeline.Plugin, id: :redaction, version: "1.0.0"

  hook :before, :ask,
    native: :redact,
    priority: 90,
    config: %{field: :prompt, patterns: [~S"[\w.+-]+@[\w-]+\.[\w.]+", ~S"\b(?:\d[ -]?){13,16}\b"]}
end
