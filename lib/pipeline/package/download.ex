defmodule Pipeline.Package.Download do
  @moduledoc false
  # Fetches a package over HTTP, never more of it than allowed and never for longer.

  @most_redirects 5

  @type error ::
          {:bad_url, String.t()}
          | {:too_large, :archive, pos_integer}
          | {:download,
             {:status, pos_integer}
             | {:too_many_redirects, pos_integer}
             | {:insecure_redirect, String.t()}
             | :timeout
             | term}

  @typedoc "Called with the bytes that are there, and with how many there will be where the server says so."
  @type progress :: (done :: non_neg_integer, all :: non_neg_integer | nil -> term)

  @spec url?(term) :: boolean
  def url?(source), do: is_binary(source) and source =~ ~r/\Ahttps?:\/\//i

  @doc "A URL for messages: without what may be secret in it."
  @spec shown(String.t()) :: String.t()
  def shown(url) do
    case URI.new(url) do
      {:ok, uri} -> URI.to_string(%{uri | userinfo: nil, query: nil, fragment: nil})
      {:error, _} -> "the URL"
    end
  end

  @doc "The bytes at a URL. `timeout` is the time for all of it, in milliseconds."
  @spec get(String.t(), limit :: pos_integer, timeout :: pos_integer, progress) ::
          {:ok, binary} | {:error, error}
  def get(url, limit, timeout, progress) do
    {:ok, _} = Application.ensure_all_started(:inets)
    {:ok, _} = Application.ensure_all_started(:ssl)
    deadline = now() + timeout
    # What httpc sends late comes to a process that has ended.
    Task.await(Task.async(fn -> follow(url, @most_redirects, limit, deadline, progress) end), :infinity)
  end

  defp follow(url, redirects, limit, deadline, progress) do
    with {:ok, uri} <- parse(url), {:ok, reference} <- request(uri, deadline) do
      case answer(reference, limit, deadline, progress) do
        {:redirect, location} -> redirect(uri, location, redirects, limit, deadline, progress)
        other -> other
      end
    end
  end

  defp parse(url) do
    case URI.new(url) do
      {:ok, %URI{scheme: scheme, host: host} = uri}
      when scheme in ["http", "https"] and host not in [nil, ""] ->
        {:ok, uri}

      _ ->
        {:error, {:bad_url, shown(url)}}
    end
  end

  defp redirect(_uri, _location, 0, _limit, _deadline, _progress),
    do: {:error, {:download, {:too_many_redirects, @most_redirects}}}

  defp redirect(uri, location, redirects, limit, deadline, progress) do
    case uri |> URI.merge(location) |> URI.to_string() do
      "http://" <> _ = url when uri.scheme == "https" ->
        {:error, {:download, {:insecure_redirect, shown(url)}}}

      url ->
        follow(url, redirects - 1, limit, deadline, progress)
    end
  rescue
    _ in [URI.Error, ArgumentError] -> {:error, {:bad_url, "where the server redirects to"}}
  end

  defp request(uri, deadline) do
    with {:ok, ssl} <- ssl(uri) do
      options = [autoredirect: false, connect_timeout: left(deadline), timeout: left(deadline)] ++ ssl
      headers = [{~c"user-agent", ~c"pipeline_plugin"}]
      url = uri |> URI.to_string() |> String.to_charlist()
      # The server sends on when it is asked to, so that nothing piles up.
      streamed = [sync: false, stream: {:self, :once}, body_format: :binary]

      with {:error, reason} <- :httpc.request(:get, {url, headers}, options, streamed),
           do: {:error, {:download, reason}}
    end
  end

  # Without the option, OTP 27 reads the certificates of the system all the same, and fails where there are none.
  defp ssl(%{scheme: "http"}), do: {:ok, [ssl: []]}

  defp ssl(%{scheme: "https"}) do
    match = :public_key.pkix_verify_hostname_match_fun(:https)
    cacerts = :public_key.cacerts_get()
    check = [verify: :verify_peer, cacerts: cacerts, depth: 5, customize_hostname_check: [match_fun: match]]
    {:ok, [ssl: check]}
  rescue
    # It fails so where there are none.
    _ in [ErlangError, FunctionClauseError] -> {:error, {:download, :no_certificates}}
  end

  defp answer(reference, limit, deadline, progress) do
    receive do
      {:http, {^reference, :stream_start, headers, handler}} ->
        all = content_length(headers)

        cond do
          # OTP 29 hands over a body without a length only when it is whole, however long that is.
          all == nil ->
            cancel(reference, {:download, :no_length})

          all > limit ->
            cancel(reference, {:too_large, :archive, limit})

          true ->
            progress.(0, all)
            :httpc.stream_next(handler)
            stream(reference, handler, [], 0, all, limit, deadline, progress)
        end

      {:http, {^reference, {{_version, status, _reason}, headers, _body}}} ->
        status(status, List.keyfind(headers, ~c"location", 0))

      {:http, {^reference, {:error, reason}}} ->
        {:error, {:download, failure(reason)}}
    after
      left(deadline) -> cancel(reference, {:download, :timeout})
    end
  end

  defp status(status, {_, location}) when status in [301, 302, 303, 307, 308],
    do: {:redirect, List.to_string(location)}

  defp status(status, _location), do: {:error, {:download, {:status, status}}}

  defp stream(reference, handler, parts, size, all, limit, deadline, progress) do
    receive do
      {:http, {^reference, :stream, part}} ->
        size = size + byte_size(part)

        if size > limit do
          cancel(reference, {:too_large, :archive, limit})
        else
          progress.(size, all)
          :httpc.stream_next(handler)
          stream(reference, handler, [parts, part], size, all, limit, deadline, progress)
        end

      {:http, {^reference, :stream_end, _headers}} ->
        {:ok, IO.iodata_to_binary(parts)}

      {:http, {^reference, {:error, reason}}} ->
        {:error, {:download, failure(reason)}}
    after
      left(deadline) -> cancel(reference, {:download, :timeout})
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

  defp cancel(reference, error) do
    :httpc.cancel_request(reference)
    {:error, error}
  end

  defp failure({:failed_connect, details}) do
    case List.last(details) do
      {_inet, _options, reason} -> {:failed_connect, reason}
      _ -> :failed_connect
    end
  end

  defp failure(:timeout), do: :timeout
  defp failure(reason), do: reason

  defp left(deadline), do: max(deadline - now(), 1)
  defp now, do: System.monotonic_time(:millisecond)
end
