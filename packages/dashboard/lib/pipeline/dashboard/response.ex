defmodule Pipeline.Dashboard.Response do
  @moduledoc """
  A response of the dashboard, which an adapter of a server sends.

  The body is `{:stream, fun}` for server-sent events: the adapter sends the head and calls the function with one
  that sends a chunk and returns `:ok`, or `:closed` once nobody listens. The function then returns.
  """

  @type send :: (iodata -> :ok | :closed)
  @type t :: %__MODULE__{
          status: pos_integer,
          headers: [{String.t(), String.t()}],
          body: iodata | {:stream, (send -> :ok)}
        }

  defstruct status: 200, headers: [], body: ""

  # No script, style, image or frame from elsewhere, and none within a page.
  @policy "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " <>
            "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
  @headers [
    {"content-security-policy", @policy},
    {"x-content-type-options", "nosniff"},
    {"x-frame-options", "DENY"},
    {"referrer-policy", "same-origin"},
    {"cache-control", "no-store"}
  ]

  @doc false
  @spec new(pos_integer, String.t(), iodata | {:stream, (send -> :ok)}, [{String.t(), String.t()}]) :: t
  def new(status, type, body, headers \\ []),
    do: %__MODULE__{status: status, headers: [{"content-type", type} | @headers] ++ headers, body: body}

  @doc false
  @spec html(pos_integer, iodata) :: t
  def html(status, body), do: new(status, "text/html; charset=utf-8", body)

  @doc false
  @spec text(pos_integer, iodata) :: t
  def text(status, body), do: new(status, "text/plain; charset=utf-8", body)

  @doc false
  @spec redirect(String.t(), [{String.t(), String.t()}]) :: t
  def redirect(to, headers \\ []),
    do: new(303, "text/plain; charset=utf-8", "see #{to}", [{"location", to} | headers])
end
