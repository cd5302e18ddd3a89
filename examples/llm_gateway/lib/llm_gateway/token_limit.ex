defmodule LlmGateway.TokenLimit do
  @moduledoc """
  Gives each tenant so many tokens in a period: those of its prompts, and the most that their answers may have.

  Beyond them `LlmGateway.ask/4` returns `{:error, {:token_limit, %{needed: tokens, left: tokens}}}`.
  """

  use Pipeline.Plugin, id: :token_limit, version: "1.0.0"

  alias Pipeline.Plugin.RPC

  @impl Pipeline.Plugin
  def config_schema do
    [
      tokens: [type: :pos_integer, default: 100_000, doc: "Tokens for each tenant."],
      per_ms: [type: :pos_integer, default: 60_000, doc: "The period, in milliseconds."]
    ]
  end

  hook :before, :ask, native: :count_tokens, priority: 80, config: %{field: :prompt, into: :tokens}

  hook :before, :ask, priority: 70 do
    @doc false
    def ask(context, next, plugin) do
      case RPC.call(plugin, {:take, context.tenant, context.tokens + context.max_tokens}) do
        {:ok, :taken} -> next.(context)
        {:ok, refusal} -> throw({:hook_error, refusal})
        {:error, reason} -> throw({:hook_error, reason})
      end
    end
  end

  # The plugin's own process counts, so no two requests take the same tokens.
  @impl Pipeline.Plugin
  def init(config), do: {:ok, %{config: config, period: nil, used: %{}}}

  @impl Pipeline.Plugin
  def handle_rpc({:take, tenant, tokens}, %{config: config} = state) do
    period = div(System.system_time(:millisecond), config.per_ms)
    state = if state.period == period, do: state, else: %{state | period: period, used: %{}}
    used = Map.get(state.used, tenant, 0)

    if used + tokens <= config.tokens,
      do: {:reply, :taken, put_in(state.used[tenant], used + tokens)},
      else: {:reply, {:token_limit, %{needed: tokens, left: config.tokens - used}}, state}
  end
end
