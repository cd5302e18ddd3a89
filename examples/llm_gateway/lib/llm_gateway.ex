defmodule LlmGateway do
  @moduledoc """
  Answers prompts of tenants with a language model. Everything that happens to a prompt on its way is a plugin.

      children = [{LlmGateway, name: MyApp.Gateway, plugins: [LlmGateway.Redaction, …]}]

      LlmGateway.ask(MyApp.Gateway, "acme", "Name a colour.")
      #=> {:ok, %{text: "{\\"answer\\": \\"blue\\"}", object: %{"answer" => "blue"}, …}}

  The guide "An LLM pipeline" builds it step by step.
  """

  alias Pipeline.Hook
  alias Pipeline.Plugin.Manager

  @max_tokens 200

  @doc """
  The gateway as a child of a supervisor: an instance with the hook points of `LlmGateway.Hooks`.

  Takes the options of `Pipeline.Plugin.Manager`, at least `:name` and `:plugins`.
  """
  @spec child_spec(keyword) :: Supervisor.child_spec()
  def child_spec(opts), do: Manager.child_spec([hooks: LlmGateway.Hooks] ++ opts)

  @doc """
  Answers a prompt with an object that matches the schema of `LlmGateway.AnswerSchema`.

  `:max_tokens` (#{@max_tokens}) is the longest answer.
  """
  @spec ask(term, String.t(), String.t(), keyword) :: {:ok, Pipeline.Provider.response()} | {:error, term}
  def ask(gateway, tenant, prompt, opts \\ []), do: run(gateway, tenant, prompt, false, opts)

  @doc """
  Answers a prompt in parts, for the process that calls: `{:ok, enumerable}` of `t:Pipeline.Provider.delta/0`.

  The request ends when the enumeration is halted, or when the process ends.
  """
  @spec stream(term, String.t(), String.t(), keyword) :: {:ok, Enumerable.t()} | {:error, term}
  def stream(gateway, tenant, prompt, opts \\ []), do: run(gateway, tenant, prompt, true, opts)

  defp run(gateway, tenant, prompt, stream?, opts) do
    max_tokens = Keyword.get(opts, :max_tokens, @max_tokens)
    context = %{tenant: tenant, prompt: prompt, stream: stream?, max_tokens: max_tokens}
    Hook.run(gateway, :ask, context, &model(gateway, &1))
  catch
    {:no_answer, error} -> {:error, error}
  end

  # Thrown, so that neither the cache nor a hook after it takes an error for an answer.
  defp model(gateway, context) do
    case Hook.run(:model, context, nil, instance: gateway) do
      {:ok, answer} -> answer
      {:error, error} -> throw({:no_answer, error})
    end
  end
end
