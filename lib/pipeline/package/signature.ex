defmodule Pipeline.Package.Signature do
  @moduledoc false
  # Signs `plugin.json`, which has the hashes of all other files, with Ed25519.
  #
  # Keys are text: `ed25519:BASE64` a public one, `ed25519-private:BASE64` a private one.

  alias Pipeline.JSON

  # Says what is signed, so that a signature made for something else is none here.
  @purpose "pipeline plugin package\n"
  @public "ed25519:"
  @most_bytes 1_024
  @private "ed25519-private:"

  @typedoc "A public key as text."
  @type public_key :: String.t()

  @doc "How large a `plugin.sig` may be. One has 200 bytes."
  @spec most_bytes() :: pos_integer
  def most_bytes, do: @most_bytes

  @doc "A pair of new keys."
  @spec new_keys() :: {public_key, private :: String.t()}
  def new_keys do
    {public, private} = :crypto.generate_key(:eddsa, :ed25519)
    {@public <> Base.encode64(public), @private <> Base.encode64(private)}
  end

  @doc "The content of `plugin.sig` for that of `plugin.json`."
  @spec sign(binary, private :: String.t()) :: {:ok, binary} | {:error, :bad_key}
  def sign(manifest, key) do
    with {:ok, private} <- raw(key, @private) do
      {public, ^private} = :crypto.generate_key(:eddsa, :ed25519, private)
      signature = :crypto.sign(:eddsa, :none, @purpose <> manifest, [private, :ed25519])

      {:ok,
       JSON.encode(%{"key" => @public <> Base.encode64(public), "signature" => Base.encode64(signature)})}
    end
  end

  @doc "The key that signed, if the signature is right."
  @spec verify(binary, binary) :: {:ok, public_key} | {:error, :bad_signature}
  def verify(_manifest, signature) when byte_size(signature) > @most_bytes, do: {:error, :bad_signature}

  def verify(manifest, signature) do
    with {:ok, %{"key" => key, "signature" => signature}} when is_binary(key) and is_binary(signature) <-
           JSON.decode(signature),
         {:ok, public} <- raw(key, @public),
         {:ok, signature} when byte_size(signature) == 64 <- Base.decode64(signature),
         true <- :crypto.verify(:eddsa, :none, @purpose <> manifest, signature, [public, :ed25519]) do
      {:ok, @public <> Base.encode64(public)}
    else
      _ -> {:error, :bad_signature}
    end
  end

  @doc "A public key, with spaces around it left out, if it is one."
  @spec public_key(term) :: {:ok, public_key} | :error
  def public_key(text) when is_binary(text) do
    text = String.trim(text)
    with {:ok, _raw} <- raw(text, @public), do: {:ok, text}, else: (_ -> :error)
  end

  def public_key(_other), do: :error

  defp raw(text, prefix) do
    text = String.trim(text)

    with true <- String.starts_with?(text, prefix),
         {:ok, <<raw::binary-32>>} <- text |> String.replace_prefix(prefix, "") |> Base.decode64() do
      {:ok, raw}
    else
      _ -> {:error, :bad_key}
    end
  end
end
