defmodule Pipeline.Dashboard.Access do
  @moduledoc false
  # Who may see and change what. Without a token: loopback only, and nothing changes. With one: whoever has it.
  #
  # A session is a cookie with a name, the time of its end and their HMAC under the token: nothing is kept, and another
  # token ends all sessions. The form token of an action is an HMAC of the session.

  import Bitwise

  alias Pipeline.Dashboard.{Request, Settings}

  @cookie "pipeline_dashboard"
  @seconds 12 * 3600
  @loopback ["127.0.0.1", "::1", "0:0:0:0:0:0:0:1", "::ffff:127.0.0.1"]
  # Each is set by some proxies.
  @forwarded ["x-forwarded-for", "x-forwarded-host", "x-real-ip", "forwarded", "via"]
  @hosts ["localhost", "127.0.0.1", "[::1]"]

  @type who ::
          {:anonymous, peer :: String.t()} | {:session, name :: String.t(), cookie :: String.t()} | :bearer

  @spec check(Request.t(), Settings.t()) :: {:ok, who} | {:error, :not_loopback | :token}
  def check(request, %{token: nil}) do
    # A page of another site can reach loopback under a name of its own; a proxy makes everybody loopback.
    if request.peer in @loopback and host(request) in @hosts and
         not Enum.any?(@forwarded, &is_map_key(request.headers, &1)),
       do: {:ok, {:anonymous, request.peer}},
       else: {:error, :not_loopback}
  end

  def check(request, %{token: token}) do
    with :error <- bearer(request, token), :error <- session(request, token), do: {:error, :token}
  end

  @doc "The cookie of a new session, if the token is right."
  @spec sign_in(String.t(), String.t(), Settings.t()) :: {:ok, String.t()} | :error
  def sign_in(_given, _name, %{token: nil}), do: :error

  def sign_in(given, name, %{token: token}) do
    if equal?(given, token) do
      name = name |> String.slice(0, 64) |> Base.url_encode64(padding: false)
      signed = "#{name}.#{System.os_time(:second) + @seconds}"
      value = signed <> "." <> mac(token, "session", signed)
      {:ok, "#{@cookie}=#{value}; Path=/; Max-Age=#{@seconds}; HttpOnly; SameSite=Strict"}
    else
      :error
    end
  end

  @spec form_token(who, Settings.t()) :: String.t() | nil
  def form_token({:session, _name, cookie}, %{token: token}), do: mac(token, "form", cookie)
  def form_token(_who, _settings), do: nil

  @doc "Whether a request that changes something is meant: from a form of this session, or by the token itself."
  @spec meant?(who, Request.t(), Settings.t()) :: boolean
  def meant?(:bearer, _request, _settings), do: true
  def meant?({:anonymous, _peer}, _request, _settings), do: false

  def meant?({:session, _name, _cookie} = who, request, settings),
    do: equal?(request.form["form_token"] || "", form_token(who, settings))

  @spec name(who) :: String.t()
  def name({:session, name, _cookie}), do: name
  def name({:anonymous, peer}), do: peer
  def name(:bearer), do: "bearer"

  @doc "Compares in a time that depends on no content."
  @spec equal?(String.t(), String.t()) :: boolean
  def equal?(left, right) do
    # Digests have one length, and hide that of the token.
    pairs =
      Enum.zip(
        :binary.bin_to_list(:crypto.hash(:sha256, left)),
        :binary.bin_to_list(:crypto.hash(:sha256, right))
      )

    Enum.reduce(pairs, 0, fn {a, b}, differing -> differing ||| bxor(a, b) end) == 0
  end

  defp bearer(request, token) do
    case request.headers["authorization"] do
      "Bearer " <> given -> if equal?(given, token), do: {:ok, :bearer}, else: :error
      _other -> :error
    end
  end

  defp session(request, token) do
    with value when is_binary(value) <- cookie(request.headers["cookie"] || ""),
         [name, ends, mac] <- String.split(value, "."),
         true <- equal?(mac, mac(token, "session", name <> "." <> ends)),
         {ends, ""} <- Integer.parse(ends),
         true <- ends > System.os_time(:second),
         {:ok, name} <- Base.url_decode64(name, padding: false) do
      {:ok, {:session, name, value}}
    else
      _invalid -> :error
    end
  end

  defp cookie(header) do
    Enum.find_value(String.split(header, ";"), fn pair ->
      case String.split(String.trim(pair), "=", parts: 2) do
        [@cookie, value] -> value
        _other -> nil
      end
    end)
  end

  defp mac(token, use, text),
    do: :crypto.mac(:hmac, :sha256, token, use <> "\0" <> text) |> Base.url_encode64(padding: false)

  defp host(request),
    do: (request.headers["host"] || "") |> String.replace(~r/:\d+\z/, "") |> String.downcase()
end
