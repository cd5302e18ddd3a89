defmodule Pipeline.Package.HTTP do
  @moduledoc false
  # One GET request to a server that nobody trusts: in this process, with no more read than allowed.
  #
  # `:httpc` keeps the whole body of an answer that is no success, however long it is, and headers without end; and it logs
  # what a server sends on a connection that is kept.

  # Bytes of the status line and the headers, and of each of them.
  @most_head 65_536
  @most_line 16_384

  @agent "pipeline_plugin"

  @typedoc "Called with the bytes that are there, and with how many there will be."
  @type progress :: (done :: non_neg_integer, all :: non_neg_integer -> term)

  @type error :: {:too_large, :archive, pos_integer} | {:download, term}

  @typedoc "In monotonic milliseconds."
  @type deadline :: integer

  @doc "The body of a success, or where the server redirects to."
  @spec get(URI.t(), limit :: pos_integer, deadline, progress) ::
          {:ok, binary} | {:redirect, String.t()} | {:error, error}
  def get(%URI{} = uri, limit, deadline, progress) do
    with {:ok, connection} <- connect(uri, deadline) do
      try do
        with :ok <- send_request(connection, uri),
             {:ok, status, headers, rest} <- head("", connection, deadline, @most_head) do
          answer(status, headers, rest, connection, limit, deadline, progress)
        end
        |> as_error()
      after
        close(connection)
      end
    end
  end

  defp as_error({:error, reason})
       when is_atom(reason) or (is_tuple(reason) and elem(reason, 0) == :tls_alert),
       do: {:error, {:download, reason}}

  defp as_error(result), do: result

  # The connection

  defp connect(%URI{host: host, port: port} = uri, deadline) do
    family = if String.contains?(host, ":"), do: [:inet6], else: [:inet]
    options = [:binary, active: false, packet: :raw, send_timeout: left(deadline)] ++ family

    with {:ok, tls} <- tls(uri) do
      module = if tls, do: :ssl, else: :gen_tcp

      case module.connect(String.to_charlist(host), port, options ++ (tls || []), left(deadline)) do
        {:ok, socket} -> {:ok, {module, socket}}
        {:error, :timeout} -> {:error, {:download, :timeout}}
        {:error, reason} -> {:error, {:download, {:failed_connect, reason}}}
      end
    end
  end

  defp tls(%URI{scheme: "http"}), do: {:ok, nil}

  defp tls(%URI{scheme: "https", host: host}) do
    match = :public_key.pkix_verify_hostname_match_fun(:https)

    {:ok,
     [
       verify: :verify_peer,
       cacerts: :public_key.cacerts_get(),
       depth: 5,
       server_name_indication: String.to_charlist(host),
       customize_hostname_check: [match_fun: match]
     ]}
  rescue
    # It fails so where there are none.
    _ in [ErlangError, FunctionClauseError] -> {:error, {:download, :no_certificates}}
  end

  defp receive_more({module, socket}, deadline), do: module.recv(socket, 0, left(deadline))
  defp close({module, socket}), do: module.close(socket)

  # The request

  defp send_request({module, socket}, uri) do
    lines = ["GET ", target(uri), " HTTP/1.1\r\nhost: ", host(uri), "\r\nuser-agent: ", @agent, "\r\n"]
    module.send(socket, [lines, authorization(uri), "accept: */*\r\nconnection: close\r\n\r\n"])
  end

  defp target(%URI{path: path, query: query}), do: [path || "/", if(query, do: ["?", query], else: "")]

  defp host(%URI{host: host, port: port} = uri) do
    name = if String.contains?(host, ":"), do: "[#{host}]", else: host
    if port == URI.default_port(uri.scheme), do: name, else: "#{name}:#{port}"
  end

  defp authorization(%URI{userinfo: nil}), do: []

  defp authorization(%URI{userinfo: info}),
    do: ["authorization: Basic ", info |> URI.decode() |> Base.encode64(), "\r\n"]

  # The answer

  # The status and the headers by their lower-case names, with what follows them.
  defp head(buffer, connection, deadline, left) do
    case :erlang.decode_packet(:http_bin, buffer, packet_size: @most_line) do
      {:ok, {:http_response, _version, status, _phrase}, rest} ->
        left = left - (byte_size(buffer) - byte_size(rest))

        case headers(rest, [], connection, deadline, left) do
          # What comes before the answer.
          {:ok, _headers, rest, left} when status in 100..199 -> head(rest, connection, deadline, left)
          {:ok, headers, rest, _left} -> {:ok, status, headers, rest}
          error -> error
        end

      {:more, _} ->
        more(buffer, connection, deadline, left, &head(&1, connection, deadline, left))

      _ ->
        {:error, :no_http}
    end
  end

  defp headers(buffer, headers, connection, deadline, left) do
    case :erlang.decode_packet(:httph_bin, buffer, packet_size: @most_line) do
      {:ok, :http_eoh, rest} ->
        {:ok, headers, rest, left - (byte_size(buffer) - byte_size(rest))}

      {:ok, {:http_header, _, name, _, value}, rest} ->
        left = left - (byte_size(buffer) - byte_size(rest))
        headers = [{name |> to_string() |> String.downcase(:ascii), value} | headers]
        if left < 0, do: {:error, :too_many_headers}, else: headers(rest, headers, connection, deadline, left)

      {:more, _} ->
        more(buffer, connection, deadline, left, &headers(&1, headers, connection, deadline, left))

      _ ->
        {:error, :no_http}
    end
  end

  defp more(buffer, _connection, _deadline, left, _go_on) when byte_size(buffer) > left,
    do: {:error, :too_many_headers}

  defp more(buffer, connection, deadline, _left, go_on) do
    with {:ok, bytes} <- receive_more(connection, deadline), do: go_on.(buffer <> bytes)
  end

  defp answer(status, headers, _rest, _connection, _limit, _deadline, _progress)
       when status in [301, 302, 303, 307, 308] do
    case List.keyfind(headers, "location", 0) do
      {_, location} -> {:redirect, location}
      nil -> {:error, {:download, {:status, status}}}
    end
  end

  defp answer(200, headers, rest, connection, limit, deadline, progress) do
    case content_length(headers) do
      nil ->
        {:error, {:download, :no_length}}

      all when all > limit ->
        {:error, {:too_large, :archive, limit}}

      all ->
        progress.(0, all)
        body(rest, [], 0, all, connection, deadline, progress)
    end
  end

  defp answer(status, _headers, _rest, _connection, _limit, _deadline, _progress),
    do: {:error, {:download, {:status, status}}}

  defp body(part, parts, size, all, connection, deadline, progress) do
    size = size + byte_size(part)
    parts = [parts, part]
    if part != "", do: progress.(min(size, all), all)

    if size >= all do
      {:ok, parts |> IO.iodata_to_binary() |> binary_part(0, all)}
    else
      with {:ok, part} <- receive_more(connection, deadline),
           do: body(part, parts, size, all, connection, deadline, progress)
    end
  end

  # A body in chunks has none, whatever else is said.
  defp content_length(headers) do
    with false <- List.keymember?(headers, "transfer-encoding", 0),
         [text] <- for({"content-length", text} <- headers, uniq: true, do: text),
         true <- text =~ ~r/\A[0-9]{1,15}\z/ do
      String.to_integer(text)
    else
      _ -> nil
    end
  end

  defp left(deadline), do: max(deadline - System.monotonic_time(:millisecond), 1)
end
