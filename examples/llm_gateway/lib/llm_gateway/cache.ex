defmodule LlmGateway.Cache do
  @moduledoc """
  Answers the same prompt of the same tenant once. What it keeps costs no tokens, and is gone with this plugin.

  A stream is not kept: it can be read once.
  """

  use Pipeline.Plugin, id: :cache, version: "1.0.0"

  @impl Pipeline.Plugin
  def config_schema,
    do: [ttl_ms: [type: :pos_integer, default: 300_000, doc: "Milliseconds to keep an answer."]]

  hook :around, :ask,
    native: :cache,
    when: %{stream: false},
    config: %{fields: [:tenant, :prompt, :max_tokens], ttl_ms: {:config, :ttl_ms}}
end
