alias Pipeline.Plugin.Manager
alias Pipeline.Provider

{:ok, :openai_provider} =
  Manager.load_plugin(Pipeline.Plugins.OpenAIProvider, %{
    base_url: System.fetch_env!("LLM_URL"),
    model: "smollm2-135m-instruct"
  })

question = Enum.join(System.argv(), " ")
IO.puts("\n> #{question}\n")
request = %{messages: [%{role: :user, content: question}], options: %{max_tokens: 120}}

with {:ok, stream} <- Provider.stream(request) do
  Enum.each(stream, fn
    {:text, text} -> IO.write(text)
    {:done, response} -> IO.puts("\n\n#{response.model}: #{response.usage.completion_tokens} tokens")
    {:error, error} -> IO.puts(:stderr, "\n" <> Exception.message(error))
  end)

  # The same connection stops where the reader has had enough.
  {:ok, stream} = Provider.stream(request)
  cut = stream |> Stream.take_while(&match?({:text, _}, &1)) |> Enum.take(10) |> Enum.map_join(&elem(&1, 1))
  IO.puts("\nCut off after ten parts: #{cut}…")
else
  {:error, error} -> IO.puts(:stderr, Exception.message(error)) && System.halt(1)
end
