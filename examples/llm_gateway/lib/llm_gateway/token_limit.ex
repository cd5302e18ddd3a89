defmodule LlmGateway.TokenLimit do
  @moduledoc """
  Gives each tenant so many tokens in a period: those of its prompts, and the most that their answers may have.

  Beyond them `LlmGateway.ask/4` returns `{:error, {:token_limit, details}}`.
  """

  use Pipeline.Plugin, id: :token_limit, version: "1.0.0"

  @impl Pipeline.Plugin
  def config_schema do
    [
      tokens: [type: :pos_integer, default: 100_000, doc: "Tokens for each tenant."],
      per_ms: [type: :pos_integer, default: 60_000, doc: "The period, in milliseconds."]
    ]
  end

  @impl Pipeline.Plugin
  def children(_config), do: [{LlmGateway.TokenLimit.Counter, Pipeline.Plugin.current_instance()}]

  hook :before, :ask, native: :count_tokens, priority: 80, config: %{field: :prompt, into: :tokens}

  hook :before, :ask, priority: 70 do
    @doc false
    def ask(context, next, plugin) do
      tokens = context.tokens + context.max_tokens
      period = div(System.system_time(:millisecond), plugin.config.per_ms)
      limit = plugin.config.tokens

      case LlmGateway.TokenLimit.Counter.take(plugin.instance, context.tenant, tokens, limit, period) do
        :ok -> next.(context)
        {:error, left} -> throw({:hook_error, {:token_limit, %{needed: tokens, left: left}}})
      end
    end
  end
end
