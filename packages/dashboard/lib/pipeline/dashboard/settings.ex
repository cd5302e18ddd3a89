defmodule Pipeline.Dashboard.Settings do
  @moduledoc false
  # The options of the handler, checked once.

  @type t :: %__MODULE__{
          token: String.t() | nil,
          actions: boolean,
          prefix: String.t(),
          # Bytes of an archive.
          max_upload: pos_integer
        }

  defstruct token: nil, actions: false, prefix: "", max_upload: 16 * 1024 * 1024

  @spec new(keyword) :: {:ok, t} | {:error, String.t()}
  def new(opts) do
    settings = struct!(__MODULE__, opts)

    cond do
      settings.token != nil and byte_size(settings.token) < 16 ->
        {:error, "the dashboard's token is too short to be safe: give one of 16 bytes or more"}

      settings.actions and settings.token == nil ->
        {:error, "the dashboard has no token, so nobody may act: give token:, or leave actions: out"}

      true ->
        {:ok, settings}
    end
  end
end
