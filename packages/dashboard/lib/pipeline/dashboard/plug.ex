defmodule Pipeline.Dashboard.Plug do
  @moduledoc """
  Mounts the dashboard in a router of Phoenix or Plug, where the host has Plug:

      forward "/plugins", Pipeline.Dashboard.Plug, token: System.fetch_env!("PLUGINS_TOKEN"), actions: true

  It takes the options of `Pipeline.Dashboard` but `:prefix`, which is where it is mounted. Behind a proxy every request is
  refused without a `:token`, since all of them seem to come from loopback.

  In a pipeline of Phoenix leave `:protect_from_forgery` out: forms of the dashboard have a token of their own. A stream
  holds the process of its request.
  """

  # The host may have no Plug, and this is compiled before it where it has.
  @compile {:no_warn_undefined, Plug.Conn}

  alias Pipeline.Dashboard
  alias Pipeline.Dashboard.{Request, Response, Settings}

  # Bytes of a form besides a file.
  @form 65_536

  @doc "Checks the options. Raises `ArgumentError` for what does not go together."
  @spec init(keyword) :: keyword
  def init(opts) do
    with {:error, problem} <- Settings.new(opts), do: raise(ArgumentError, problem)
    opts
  end

  @doc "Answers a `Plug.Conn`."
  @spec call(struct, keyword) :: struct
  def call(conn, opts) do
    opts = Keyword.put(opts, :prefix, prefix(conn.script_name))
    {request, conn} = request(conn, opts)
    request |> Dashboard.handle(opts) |> respond(conn)
  end

  defp prefix([]), do: ""
  defp prefix(segments), do: "/" <> Enum.join(segments, "/")

  defp request(conn, opts) do
    headers = Map.new(conn.req_headers)
    {form, upload, conn} = form(conn, headers, opts)

    request = %Request{
      method: conn.method,
      path: "/" <> Enum.join(conn.path_info, "/"),
      query: Request.fields(conn.query_string),
      form: form,
      upload: upload,
      headers: headers,
      peer: conn.remote_ip |> :inet.ntoa() |> to_string()
    }

    {request, conn}
  end

  defp form(%{method: "POST"} = conn, headers, opts) do
    case conn do
      # A parser of the host was here before.
      %{body_params: %{} = parsed} when not is_struct(parsed) ->
        {for({name, text} when is_binary(text) <- parsed, into: %{}, do: {name, text}), upload(parsed), conn}

      _not_read ->
        {:ok, settings} = Settings.new(opts)
        most = if settings.actions, do: @form + settings.max_upload, else: @form
        {body, conn} = body(conn, most, "")
        {form, upload} = Request.form(Map.get(headers, "content-type", ""), body)
        {form, upload, conn}
    end
  end

  defp form(conn, _headers, _opts), do: {%{}, nil, conn}

  # What is too long is no form.
  defp body(conn, most, read) do
    case Plug.Conn.read_body(conn, length: most + 1) do
      {_more, part, conn} when byte_size(part) + byte_size(read) > most -> {"", conn}
      {:ok, part, conn} -> {read <> part, conn}
      {:more, part, conn} -> body(conn, most, read <> part)
      {:error, _reason} -> {"", conn}
    end
  end

  defp upload(parsed) do
    Enum.find_value(parsed, fn
      {_name, %{__struct__: Plug.Upload, path: path}} -> File.read!(path)
      _field -> nil
    end)
  end

  defp respond(%Response{headers: headers} = response, conn) do
    conn =
      Enum.reduce(headers, conn, fn {name, value}, conn -> Plug.Conn.put_resp_header(conn, name, value) end)

    case response.body do
      {:stream, fun} -> stream(conn, response.status, fun)
      body -> Plug.Conn.send_resp(conn, response.status, body)
    end
  end

  defp stream(conn, status, fun) do
    conn = Plug.Conn.send_chunked(conn, status)

    fun.(fn data ->
      case Plug.Conn.chunk(conn, data) do
        {:ok, _conn} -> :ok
        {:error, _reason} -> :closed
      end
    end)

    conn
  end
end
