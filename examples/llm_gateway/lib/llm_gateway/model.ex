defmodule LlmGateway.Model do
  @moduledoc """
  A model behind OpenAI's protocol, with the configuration of `Pipeline.Plugins.OpenAIProvider`. Load it once for each
  model, under an id of its own (`as:`) and with a priority (`hooks:`).

  Where a model fails, the next one answers. One that fails three times within a minute is left alone for ten seconds.
  """

  use Pipeline.Plugin, id: :model, version: "1.0.0"

  alias Pipeline.Provider
  alias Pipeline.Provider.Error

  provides :provider, Pipeline.Providers.OpenAI

  @impl Pipeline.Plugin
  defdelegate config_schema, to: Pipeline.Plugins.OpenAIProvider

  @impl Pipeline.Plugin
  defdelegate init(config), to: Pipeline.Plugins.OpenAIProvider

  hook :replace, :model, on_error: :skip, circuit: [failures: 3, window: 60_000, cool_down: 10_000] do
    @doc false
    def model(context, _next, plugin) do
      ask = if context.stream, do: &Provider.stream/2, else: &Provider.generate/2

      case ask.(request(context), instance: plugin.instance, provider: plugin.id) do
        {:ok, answer} ->
          answer

        # Refused for what it says, so the circuit does not count it. The next model may take it.
        {:error, %Error{kind: kind} = error} when kind in [:bad_request, :context_length] ->
          throw({:hook_error, error})

        {:error, error} ->
          raise error
      end
    end
  end

  defp request(context) do
    context
    |> Map.take([:schema])
    |> Map.merge(%{
      messages: [%{role: :user, content: context.prompt}],
      options: %{max_tokens: context.max_tokens}
    })
  end
end
