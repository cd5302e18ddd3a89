defmodule Pipeline.Native.Build.Download do
  @moduledoc false
  # One HTTP request, with limits.
  #
  # Only Mix calls this. The application itself depends on neither inets nor ssl, and the compiler warns of a call into an
  # application that it does not depend on: hence `apply/3`.

  @streamed [sync: false, stream: :self, body_format: :binary]
  @profile :pipeline_native_download

  # Milliseconds.
  @connect_timeout 15_000

  @doc """
  Gets a URL. The error is a clause.

  Options, both required:

    * `:max_bytes` - the size of the longest body that is taken
    * `:timeout` - milliseconds for all of it
  """
  @spec get(String.t(), keyword) :: {:ok, binary} | {:error, String.t()}
  def get(url, opts) do
    start()
    deadline = System.monotonic_time(:millisecond) + opts[:timeout]
    request = {String.to_charlist(url), [{~c"user-agent", ~c"pipeline_plugin"}]}
    http = [timeout: opts[:timeout], connect_timeout: @connect_timeout, autoredirect: true]

    with {:ok, tls} <- tls(url),
         {:ok, id} <- apply(:httpc, :request, [:get, request, http ++ tls, @streamed, profile(url)]) do
      body(id, opts[:max_bytes], deadline, [], 0)
    else
      {:error, reason} -> {:error, describe(reason)}
    end
  end

  defp start do
    for application <- [:crypto, :asn1, :public_key, :ssl, :inets] do
      # From Elixir 1.15 on Mix takes what the project does not depend on from the code path.
      if function_exported?(Mix, :ensure_application!, 1), do: apply(Mix, :ensure_application!, [application])
    end

    {:ok, _} = Application.ensure_all_started(:ssl)
    {:ok, _} = Application.ensure_all_started(:inets)
  end

  defp body(id, max, deadline, parts, size) do
    receive do
      {:http, {^id, :stream_start, headers}} ->
        # OTP 29 hands over parts of a body when it likes, and one without a length only when it is whole.
        case content_length(headers) do
          nil -> give_up(id, "the server does not say how long its answer is")
          length when length > max -> give_up(id, "it is larger than #{max} bytes")
          _ -> body(id, max, deadline, parts, size)
        end

      {:http, {^id, :stream, part}} ->
        grown(id, max, deadline, [parts, part], size + byte_size(part))

      {:http, {^id, :stream_end, _headers}} ->
        {:ok, IO.iodata_to_binary(parts)}

      {:http, {^id, {:error, reason}}} ->
        {:error, describe(reason)}

      {:http, {^id, {{_, status, phrase}, _headers, _body}}} ->
        {:error, "the server answered #{status} #{phrase}"}
    after
      max(deadline - System.monotonic_time(:millisecond), 0) -> give_up(id, "it took too long")
    end
  end

  defp content_length(headers) do
    with {_, text} <- List.keyfind(headers, ~c"content-length", 0),
         {length, ""} <- text |> List.to_string() |> Integer.parse() do
      length
    else
      _ -> nil
    end
  end

  defp grown(id, max, _deadline, _parts, size) when size > max,
    do: give_up(id, "it is larger than #{max} bytes")

  defp grown(id, max, deadline, parts, size), do: body(id, max, deadline, parts, size)

  defp give_up(id, reason) do
    apply(:httpc, :cancel_request, [id, @profile])
    flush(id)
    {:error, reason}
  end

  defp flush(id) do
    receive do
      {:http, message} when elem(message, 0) == id -> flush(id)
    after
      0 -> :ok
    end
  end

  defp describe(reason) when reason in [:timeout, :connect_timeout], do: "it took too long"

  defp describe({:failed_connect, [{:to_address, {host, port}} | _]}),
    do: "nothing answers at #{host}:#{port}"

  defp describe(reason) when is_binary(reason), do: reason
  defp describe(reason), do: inspect(reason)

  # OTP has the certificates of the operating system from 25 on.
  defp tls("https" <> _) do
    match = apply(:public_key, :pkix_verify_hostname_match_fun, [:https])
    certificates = apply(:public_key, :cacerts_get, [])

    check = [
      verify: :verify_peer,
      cacerts: certificates,
      depth: 5,
      customize_hostname_check: [match_fun: match]
    ]

    {:ok, [ssl: check]}
  rescue
    # Where there are none, OTP 27 fails in its own way.
    _ in [ErlangError, FunctionClauseError] ->
      {:error, "the certificates of the operating system are missing: install ca-certificates"}
  end

  # Without the option, OTP 27 reads the certificates all the same.
  defp tls(_url), do: {:ok, [ssl: []]}

  # A profile of its own, since a proxy is a setting of the profile.
  defp profile(url) do
    _ = apply(:inets, :start, [:httpc, [profile: @profile]])

    {option, variable} =
      if url =~ ~r{^https}i, do: {:https_proxy, "HTTPS_PROXY"}, else: {:proxy, "HTTP_PROXY"}

    with proxy when is_binary(proxy) <- System.get_env(variable) || System.get_env(String.downcase(variable)),
         %{host: host, port: port} when is_binary(host) <- URI.parse(proxy) do
      :ok =
        apply(:httpc, :set_options, [[{option, {{String.to_charlist(host), port}, no_proxy()}}], @profile])
    end

    @profile
  end

  defp no_proxy do
    named = System.get_env("NO_PROXY") || System.get_env("no_proxy") || ""
    names = ["localhost", "127.0.0.1" | String.split(named, ",", trim: true)]
    Enum.map(names, &String.to_charlist(String.trim(&1)))
  end
end
