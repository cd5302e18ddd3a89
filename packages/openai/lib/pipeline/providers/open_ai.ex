defmodule Pipeline.Providers.OpenAI do
  @moduledoc """
  A provider for OpenAI and everything that speaks its protocol.

  `Pipeline.Plugins.OpenAIProvider` offers it to an instance, with the configuration that it documents:

      {:ok, :openai_provider} =
        Pipeline.Plugin.Manager.load_plugin(Pipeline.Plugins.OpenAIProvider, %{
          base_url: "http://127.0.0.1:8099/v1",
          model: "smollm2-135m-instruct"
        })

      {:ok, stream} = Pipeline.Provider.stream(%{messages: [%{role: :user, content: "Name a colour."}]})
      Enum.each(stream, fn
        {:text, text} -> IO.write(text)
        {:done, response} -> IO.inspect(response.usage)
        {:error, error} -> IO.puts(Exception.message(error))
      end)

  All functions return `{:error, %Pipeline.Provider.Error{}}` when they fail. Requests are tried again, with growing
  pauses and as `Retry-After` says, as long as nothing of an answer was delivered. A request ends when the process that
  made it ends, when its stream is halted, and when a time limit passes.

  ## Options of a request

  `:options` may hold `:model`, `:max_tokens`, `:temperature`, `:top_p`, `:stop`, `:seed`, `:tool_choice`,
  `:presence_penalty`, `:frequency_penalty` and `:user`, as the protocol defines them. A request with `:schema` asks for
  an answer that matches it, and checks it on arrival.
  """

  @behaviour Pipeline.Provider

  alias Pipeline.OpenAI.{Answer, Client, Config, Failure, Request}
  alias Pipeline.OpenAI.Stream, as: Deltas

  @impl Pipeline.Provider
  def generate(request, config) do
    with {:ok, config} <- Config.new(config),
         {:ok, body} <- Request.body(request, config),
         {:ok, answer} <- Client.ask(:post, "/chat/completions", body, config) do
      Answer.of_body(answer, request[:schema])
    end
  end

  @impl Pipeline.Provider
  def stream(request, config) do
    with {:ok, config} <- Config.new(config),
         {:ok, body} <- Request.body(request, config, stream: true, stream_options: %{include_usage: true}),
         {:ok, client} <- Client.open("/chat/completions", body, config) do
      {:ok, Deltas.new(client, request[:schema])}
    end
  end

  @impl Pipeline.Provider
  def embed(texts, config) do
    with {:ok, config} <- Config.new(config),
         :ok <- texts(texts),
         body = %{model: config[:embedding_model] || config.model, input: texts},
         {:ok, answer} <- Client.ask(:post, "/embeddings", body, config) do
      vectors(answer, length(texts))
    end
  end

  @impl Pipeline.Provider
  def models(config) do
    with {:ok, config} <- Config.new(config),
         {:ok, answer} <- Client.ask(:get, "/models", nil, config) do
      case answer do
        %{"data" => models} when is_list(models) ->
          {:ok, for(%{"id" => id} when is_binary(id) <- models, do: id)}

        _ ->
          {:error, Failure.invalid("the answer has no list of models")}
      end
    end
  end

  defp texts([_ | _] = texts) do
    if Enum.all?(texts, &is_binary/1), do: :ok, else: bad_texts()
  end

  defp texts(_other), do: bad_texts()

  defp bad_texts do
    {:error,
     %Pipeline.Provider.Error{kind: :bad_request, message: "embed/2 takes a list of texts that is not empty"}}
  end

  defp vectors(%{"data" => data} = answer, count) when is_list(data) and length(data) == count do
    sorted = Enum.sort_by(data, &(is_map(&1) && &1["index"]))

    if Enum.all?(sorted, &match?(%{"embedding" => [_ | _]}, &1)) do
      model = answer["model"] || ""

      {:ok,
       %{vectors: Enum.map(sorted, & &1["embedding"]), model: model, usage: Answer.usage(answer["usage"])}}
    else
      {:error, Failure.invalid("the answer has entries without a vector")}
    end
  end

  defp vectors(_answer, _count), do: {:error, Failure.invalid("the answer has not one vector for each text")}
end
