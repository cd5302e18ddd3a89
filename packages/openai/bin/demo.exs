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

  # The server says itself which of its slots compute.
  {:ok, _} = Application.ensure_all_started(:inets)
  slots = System.fetch_env!("LLM_URL") |> URI.parse() |> Map.merge(%{path: "/slots"}) |> URI.to_string()

  busy = fn ->
    {:ok, {{_, 200, _}, _, body}} = :httpc.request(:get, {to_charlist(slots), []}, [], body_format: :binary)
    length(Regex.scan(~r/"is_processing":true/, body))
  end

  started = System.monotonic_time(:millisecond)
  _ = Enum.find(Stream.repeatedly(busy), &(&1 == 0 or System.monotonic_time(:millisecond) - started > 5_000))
  waited = System.monotonic_time(:millisecond) - started
  IO.puts("Slots of the server that still compute, #{waited} ms later: #{busy.()}")
else
  {:error, error} -> IO.puts(:stderr, Exception.message(error)) && System.halt(1)
end
