defmodule LlmGateway.Hooks do
  @moduledoc "The hook points of the gateway."

  use Pipeline.Hook.Spec

  hookpoint :ask,
    kinds: [:around, :before, :after],
    fail: :closed,
    doc: "A prompt on its way in, and its answer on its way out. Closed while one of its plugins is down."

  hookpoint :model,
    kinds: [:replace],
    required: true,
    doc: "The models that can answer, the preferred one first."
end
