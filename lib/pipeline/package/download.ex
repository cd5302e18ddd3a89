defmodule Pipeline.Package.Download do
  @moduledoc false
  # Fetches a package over HTTP, never more of it than allowed and never for longer.

  alias Pipeline.Package.HTTP

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
  @spec get(String.t(), limit :: pos_integer, timeout :: pos_integer, HTTP.progress()) ::
          {:ok, binary} | {:error, error}
  def get(url, limit, timeout, progress) do
    {:ok, _} = Application.ensure_all_started(:ssl)
    deadline = System.monotonic_time(:millisecond) + timeout
    # What a connection sends late comes to a process that has ended.
    Task.await(Task.async(fn -> follow(url, @most_redirects, limit, deadline, progress) end), :infinity)
  end

  defp follow(url, redirects, limit, deadline, progress) do
    with {:ok, uri} <- parse(url), {:redirect, location} <- HTTP.get(uri, limit, deadline, progress) do
      redirect(uri, location, redirects, limit, deadline, progress)
    end
  end

  # Nothing in it may end a line of the request.
  defp parse(url) do
    case URI.new(url) do
      {:ok, %URI{scheme: scheme, host: host, port: port} = uri}
      when scheme in ["http", "https"] and host not in [nil, ""] and port in 1..65_535 ->
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
end
