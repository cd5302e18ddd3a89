defmodule Pipeline.Provider.Error do
  @moduledoc """
  The reason for which a provider gave no answer.

  | kind | meaning | what to do |
  |---|---|---|
  | `:unauthorized` | the key is missing, wrong or not allowed to do this | check the key |
  | `:rate_limited` | too many requests, or a quota is used up | wait for `retry_after` milliseconds |
  | `:timeout` | a time limit passed | raise the limit, or ask for less |
  | `:context_length` | the request is longer than the model takes | shorten it |
  | `:bad_request` | the provider refuses the request | see the message |
  | `:not_found` | there is no such model or address | see `Pipeline.Provider.models/1` |
  | `:server` | the provider failed | try again later |
  | `:network` | the provider cannot be reached, or the connection broke | check the address |
  | `:invalid_response` | the answer is not of the form that was asked for | see the message |
  | `:unsupported` | the provider cannot do this | choose another provider |

  `:status` is the HTTP status, if there was one. `:retry_after` is in milliseconds, if the provider gave it.
  """

  @kinds [
    :unauthorized,
    :rate_limited,
    :timeout,
    :context_length,
    :bad_request,
    :not_found,
    :server,
    :network,
    :invalid_response,
    :unsupported
  ]

  @type kind ::
          :unauthorized
          | :rate_limited
          | :timeout
          | :context_length
          | :bad_request
          | :not_found
          | :server
          | :network
          | :invalid_response
          | :unsupported

  @type t :: %__MODULE__{
          kind: kind,
          status: pos_integer | nil,
          message: String.t(),
          retry_after: non_neg_integer | nil
        }

  @enforce_keys [:kind, :message]
  defexception [:kind, :status, :message, :retry_after]

  @doc "All kinds."
  @spec kinds() :: [kind]
  def kinds, do: @kinds

  @impl Exception
  def message(%__MODULE__{message: message}), do: message
end
