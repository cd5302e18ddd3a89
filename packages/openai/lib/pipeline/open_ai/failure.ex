defmodule Pipeline.OpenAI.Failure do
  @moduledoc false
  # The errors of the protocol and of the transport, as errors of a provider.

  alias Pipeline.OpenAI.Transport
  alias Pipeline.Provider.Error

  # A server's own words are quoted up to here.
  @longest 500

  @doc "Of an answer that is no success. `error.code` may be a number, a text or missing."
  @spec of_response(pos_integer, binary, non_neg_integer | nil) :: Error.t()
  def of_response(status, body, retry_after) do
    error = described(body)
    kind = kind(status, error)

    %Error{
      kind: kind,
      status: status,
      retry_after: retry_after,
      message: "the server answered with status #{status}" <> quoted(error) <> advice(kind, retry_after)
    }
  end

  @doc "Of an event of a stream that is an error."
  @spec of_event(term) :: Error.t()
  def of_event(error) when is_map(error) do
    status = if is_integer(error["code"]) and error["code"] in 400..599, do: error["code"], else: 500

    %Error{
      kind: kind(status, error),
      status: status,
      message: "the stream ended with an error" <> quoted(error)
    }
  end

  def of_event(_error), do: of_event(%{})

  @doc "Of a request that has no answer."
  @spec of_transport(Transport.kind(), String.t()) :: Error.t()
  def of_transport(:timeout, message), do: %Error{kind: :timeout, message: message}
  def of_transport(:network, message), do: %Error{kind: :network, message: message}
  def of_transport(:request, message), do: %Error{kind: :bad_request, message: message}
  def of_transport(_kind, message), do: invalid(message)

  @spec invalid(String.t()) :: Error.t()
  def invalid(message), do: %Error{kind: :invalid_response, message: message}

  defp described(body) do
    case Transport.decode_json(body) do
      {:ok, %{"error" => error}} when is_map(error) -> error
      {:ok, %{"error" => text}} when is_binary(text) -> %{"message" => text}
      {:ok, %{"message" => text}} when is_binary(text) -> %{"message" => text}
      _ -> %{}
    end
  end

  defp kind(status, _error) when status in [401, 403], do: :unauthorized
  defp kind(429, _error), do: :rate_limited
  defp kind(404, _error), do: :not_found
  defp kind(status, _error) when status in [408, 504], do: :timeout
  defp kind(501, _error), do: :unsupported
  defp kind(status, _error) when status >= 500, do: :server
  defp kind(status, _error) when status < 400, do: :invalid_response

  defp kind(_status, error) do
    named =
      Enum.any?(["code", "type"], &(error[&1] in ["context_length_exceeded", "exceed_context_size_error"]))

    if named, do: :context_length, else: :bad_request
  end

  defp quoted(%{"message" => message}) when is_binary(message) do
    text = message |> String.slice(0, @longest) |> String.replace(~r/[[:cntrl:]]+/u, " ")
    if String.valid?(text), do: ": " <> hide_key(text), else: ""
  end

  defp quoted(_error), do: ""

  # Servers quote the key that they refuse.
  defp hide_key(text), do: Regex.replace(~r/\b(sk|key)-[\w*.-]+/i, text, "[key]")

  defp advice(:unauthorized, _retry_after), do: ". Check api_key"
  defp advice(:not_found, _retry_after), do: ". Check model and base_url"
  defp advice(:rate_limited, nil), do: ". Try again later"
  defp advice(:rate_limited, pause), do: ". Try again in #{pause} ms"
  defp advice(:context_length, _retry_after), do: ". Shorten the request"
  defp advice(_kind, _retry_after), do: ""
end
