defmodule Pipeline.OpenAI.Transport do
  @moduledoc false
  # The native library: HTTP with server-sent events, on its own threads.
  #
  # The messages of a request carry the reference that it was started with:
  #
  #     {reference, :response, status, body, retry_after}
  #     {reference, :head}, then {reference, :event, text}…, then {reference, :finished} or {reference, :truncated}
  #     {reference, :failed, kind, message}
  #
  # A request ends when its term is collected, when the caller dies, and by `cancel_request/1`.

  use Pipeline.Native.Library, otp_app: :pipeline_openai, crate: :openai_transport

  @type request :: reference
  @type kind :: :network | :timeout | :too_large | :invalid | :request

  @spec start_request(map, binary, reference) :: {:ok, request} | {:error, String.t()}
  def start_request(_options, _body, _reference), do: not_built()

  @doc "Makes room for one more event in the mailbox."
  @spec took_event(request) :: :ok
  def took_event(_request), do: not_built()

  @spec cancel_request(request) :: :ok
  def cancel_request(_request), do: not_built()

  @spec encode_json(term) :: {:ok, binary} | {:error, String.t()}
  def encode_json(_term), do: not_built()

  @spec decode_json(binary) :: {:ok, term} | {:error, String.t()}
  def decode_json(_text), do: not_built()

  defp not_built, do: Pipeline.Native.Library.not_built(:openai_transport)
end
