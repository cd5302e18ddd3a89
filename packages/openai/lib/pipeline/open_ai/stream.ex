defmodule Pipeline.OpenAI.Stream do
  @moduledoc false
  # The deltas of an answer, as an enumerable of the process that asked. Events are read as they are enumerated, so a slow
  # consumer holds the server back; halting ends the request.

  alias Pipeline.OpenAI.{Answer, Client, Failure, Transport}

  @spec new(Client.t(), map | nil) :: Enumerable.t()
  def new(client, schema) do
    begun = :atomics.new(1, [])

    Stream.resource(
      fn -> started(client, begun) end,
      fn
        {:reading, answer} -> read(client, answer, schema)
        :ended -> {:halt, :ended}
      end,
      fn _state -> Client.stop(client) end
    )
  end

  defp started(%Client{owner: owner}, _begun) when owner != self() do
    raise ArgumentError, "a stream is enumerated by the process that called Pipeline.Provider.stream/2"
  end

  # Its events are gone, and nobody would send others.
  defp started(_client, begun) do
    if :atomics.exchange(begun, 1, 1) == 1,
      do: raise(ArgumentError, "a stream is enumerated once; ask again with Pipeline.Provider.stream/2"),
      else: {:reading, %Answer{}}
  end

  defp read(client, answer, schema) do
    case Client.next(client) do
      {:event, text} -> event(text, answer)
      :finished -> {ending(answer, schema), :ended}
      # Some servers close the connection in place of the last event.
      :truncated -> {if(Answer.finished?(answer), do: ending(answer, schema), else: [broken()]), :ended}
      {:error, error} -> {[{:error, error}], :ended}
    end
  end

  defp event(text, answer) do
    case Transport.decode_json(text) do
      {:ok, %{"error" => error}} when error != nil ->
        {[{:error, Failure.of_event(error)}], :ended}

      {:ok, %{} = event} ->
        {text, answer} = Answer.event(answer, event)
        {if(text == "", do: [], else: [{:text, text}]), {:reading, answer}}

      {:ok, _other} ->
        {[{:error, Failure.invalid("an event of the stream is no JSON object")}], :ended}

      {:error, message} ->
        {[{:error, Failure.invalid("an event of the stream is " <> message)}], :ended}
    end
  end

  defp ending(answer, schema) do
    case Answer.response(answer, schema) do
      {:ok, response} -> Enum.map(response.tool_calls, &{:tool_call, &1}) ++ [{:done, response}]
      {:error, error} -> [{:error, error}]
    end
  end

  defp broken do
    {:error,
     %Pipeline.Provider.Error{kind: :network, message: "the stream broke off before the answer ended"}}
  end
end
