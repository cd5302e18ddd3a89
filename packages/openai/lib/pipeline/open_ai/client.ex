defmodule Pipeline.OpenAI.Client do
  @moduledoc false
  # Requests of the calling process.

  alias Pipeline.OpenAI.{Config, Failure, Transport}
  alias Pipeline.Provider.Error

  defstruct [:request, :reference, :owner]

  @type t :: %__MODULE__{request: Transport.request(), reference: reference, owner: pid}

  @doc "Asks and waits for the whole answer, as decoded JSON."
  @spec ask(:get | :post, String.t(), term, map) :: {:ok, term} | {:error, Error.t()}
  def ask(method, path, body, config) do
    with {:ok, client} <- start(method, path, body, config, false) do
      reference = client.reference

      receive do
        {^reference, :response, status, body, _retry_after} when status in 200..299 ->
          case Transport.decode_json(body) do
            {:ok, decoded} -> {:ok, decoded}
            {:error, message} -> {:error, Failure.invalid("the answer is " <> message)}
          end

        {^reference, :response, status, body, retry_after} ->
          {:error, Failure.of_response(status, body, retry_after)}

        {^reference, :failed, kind, message} ->
          {:error, Failure.of_transport(kind, message)}
      end
      |> tap(fn _ -> stop(client) end)
    end
  end

  @doc "Asks for a stream and waits for its head."
  @spec open(String.t(), term, map) :: {:ok, t} | {:error, Error.t()}
  def open(path, body, config) do
    with {:ok, client} <- start(:post, path, body, config, true) do
      reference = client.reference

      receive do
        {^reference, :head} -> {:ok, client}
        {^reference, :response, status, body, pause} -> {:error, Failure.of_response(status, body, pause)}
        {^reference, :failed, kind, message} -> {:error, Failure.of_transport(kind, message)}
      end
    end
  end

  @doc "Waits for the next event of a stream."
  @spec next(t) :: {:event, String.t()} | :finished | :truncated | {:error, Error.t()}
  def next(%__MODULE__{reference: reference} = client) do
    receive do
      {^reference, :event, text} ->
        Transport.took_event(client.request)
        {:event, text}

      {^reference, :finished} ->
        :finished

      {^reference, :truncated} ->
        :truncated

      {^reference, :failed, kind, message} ->
        {:error, Failure.of_transport(kind, message)}
    end
  end

  @doc "Ends a request and takes what it has sent out of the mailbox."
  @spec stop(t) :: :ok
  def stop(%__MODULE__{} = client) do
    Transport.cancel_request(client.request)
    flush(client.reference)
  end

  defp flush(reference) do
    receive do
      message when is_tuple(message) and elem(message, 0) == reference -> flush(reference)
    after
      0 -> :ok
    end
  end

  defp start(method, path, body, config, stream?) do
    with {:ok, headers} <- Config.headers(config),
         {:ok, json} <- encode(body) do
      options = %{
        method: method,
        url: config.base_url <> path,
        headers: headers,
        stream: stream?,
        connect_timeout: config.connect_timeout,
        first_timeout: config.first_token_timeout,
        idle_timeout: config.token_timeout,
        timeout: config.timeout,
        retries: config.retries,
        max_retry_after: config.max_retry_after,
        max_bytes: config.max_bytes
      }

      reference = make_ref()

      case Transport.start_request(options, json, reference) do
        {:ok, request} -> {:ok, %__MODULE__{request: request, reference: reference, owner: self()}}
        {:error, message} -> {:error, %Error{kind: :network, message: message}}
      end
    end
  end

  defp encode(nil), do: {:ok, ""}

  defp encode(body) do
    with {:error, message} <- Transport.encode_json(body) do
      {:error, %Error{kind: :bad_request, message: "the request cannot be written as JSON: " <> message}}
    end
  end
end
