defmodule Pipeline.Dashboard.Httpd do
  @moduledoc """
  Serves the dashboard with OTP's `httpd`, as a child of a supervisor.

      children = [{Pipeline.Dashboard.Httpd, port: 4040}]

  ## Options

    * `:port` - by default 4040; 0 takes a free one, see `port/1`
    * `:address` - a tuple, by default `{127, 0, 0, 1}`; another than loopback needs a `:token`
    * the options of `Pipeline.Dashboard`

  Starting fails with `{:error, sentence}` where the options contradict each other.
  """

  use GenServer

  require Record

  alias Pipeline.Dashboard.{Request, Response, Settings}

  # As in inets' httpd.hrl, which is not where Erlang's headers are not installed.
  Record.defrecordp(:mod, [
    :init_data,
    :data,
    :socket_type,
    :socket,
    :config_db,
    :method,
    :absolute_uri,
    :request_uri,
    :http_version,
    :request_line,
    :parsed_header,
    :entity_body,
    :connection
  ])

  # Bytes of a body besides a file that is uploaded; forms are small.
  @body 65_536
  # Connections at a time. Where files are uploaded each may hold one of them.
  @clients 500
  @uploading_clients 50
  # Bytes of what is asked for, of which httpd reads any number otherwise.
  @uri 8_192

  @doc "Starts it, linked to the caller."
  @spec start_link(keyword) :: GenServer.on_start()
  def start_link(opts) do
    {server, handler} = Keyword.split(opts, [:port, :address])
    GenServer.start_link(__MODULE__, {server, handler})
  end

  @doc "The port that it listens on."
  @spec port(GenServer.server()) :: :inet.port_number()
  def port(server), do: GenServer.call(server, :port)

  @impl GenServer
  def init({server, handler}) do
    address = server[:address] || {127, 0, 0, 1}
    Process.flag(:trap_exit, true)

    with {:ok, settings} <- Settings.new(handler),
         :ok <- guarded(address, settings),
         {:ok, pid, port} <- start(address, server[:port] || 4040, {handler, settings}, 5) do
      Process.link(pid)
      {:ok, %{pid: pid, port: port}}
    else
      {:error, reason} -> {:stop, reason}
    end
  end

  @impl GenServer
  def handle_call(:port, _from, server), do: {:reply, server.port, server}

  @impl GenServer
  def handle_info({:EXIT, pid, reason}, %{pid: pid} = server), do: {:stop, reason, server}
  def handle_info(_other, server), do: {:noreply, server}

  @impl GenServer
  def terminate(_reason, server), do: :inets.stop(:stand_alone, server.pid)

  @doc false
  # httpd's callback. A stream holds the process of its connection until nobody listens.
  def unquote(:do)(mod() = mod) do
    handler = :httpd_util.lookup(mod(mod, :config_db), :pipeline_dashboard, [])
    response = mod |> request() |> Pipeline.Dashboard.handle(handler)

    case response.body do
      {:stream, fun} ->
        deliver(mod, [head(response), "connection: close\r\n\r\n"])
        fun.(&deliver(mod, &1))
        {:break, [response: {:already_sent, response.status, 0}]}

      body ->
        length = IO.iodata_length(body)
        deliver(mod, [head(response), "content-length: #{length}\r\nconnection: close\r\n\r\n", body])
        {:break, [response: {:already_sent, response.status, length}]}
    end
  end

  # httpd does not tell which port it took where it stands alone, so a free one is looked for.
  defp start(address, 0, handler, tries) do
    {:ok, socket} = :gen_tcp.listen(0, [family(address), ip: address])
    {:ok, port} = :inet.port(socket)
    :ok = :gen_tcp.close(socket)

    case start(address, port, handler, 0) do
      # Somebody else has taken it meanwhile.
      {:error, _reason} when tries > 0 -> start(address, 0, handler, tries - 1)
      started -> started
    end
  end

  defp start(address, port, {handler, settings}, _tries) do
    {:ok, _started} = Application.ensure_all_started(:inets)
    root = String.to_charlist(System.tmp_dir!())
    body = if settings.actions, do: @body + settings.max_upload, else: @body

    options = [
      port: port,
      bind_address: address,
      ipfamily: family(address),
      server_name: String.to_charlist("dashboard"),
      server_root: root,
      document_root: root,
      server_tokens: :none,
      max_clients: if(settings.actions, do: @uploading_clients, else: @clients),
      max_body_size: body,
      max_content_length: body,
      max_uri_size: @uri,
      customize: __MODULE__,
      keep_alive: false,
      modules: [__MODULE__],
      pipeline_dashboard: handler
    ]

    with {:ok, pid} <- :inets.start(:httpd, options, :stand_alone), do: {:ok, pid, port}
  end

  defp family(address), do: if(tuple_size(address) == 8, do: :inet6, else: :inet)

  @doc false
  # httpd's callback for each header. It reads a body in chunks without end, so that none is taken for one.
  def request_header({name, value}),
    do: if(String.downcase(to_string(name)) == "transfer-encoding", do: false, else: {true, {name, value}})

  @doc false
  def response_header(header), do: {true, header}

  @doc false
  def response_default_headers, do: []

  defp guarded({127, _, _, _}, _settings), do: :ok
  defp guarded({0, 0, 0, 0, 0, 0, 0, 1}, _settings), do: :ok
  defp guarded(_address, %{token: token}) when token != nil, do: :ok

  defp guarded(address, _settings) do
    {:error,
     "the dashboard would be open to everybody on #{:inet.ntoa(address)}: give token:, or leave address: out"}
  end

  defp request(mod) do
    {path, query} =
      case String.split(to_string(mod(mod, :request_uri)), "?", parts: 2) do
        [path, query] -> {path, query}
        [path] -> {path, ""}
      end

    body = IO.iodata_to_binary(mod(mod, :entity_body) || [])
    headers = Map.new(mod(mod, :parsed_header), fn {name, value} -> {to_string(name), to_string(value)} end)
    {form, upload} = Request.form(Map.get(headers, "content-type", ""), body)

    %Request{
      method: to_string(mod(mod, :method)),
      path: path,
      query: Request.fields(query),
      form: form,
      upload: upload,
      headers: headers,
      peer: mod |> mod(:init_data) |> elem(1) |> elem(1) |> to_string()
    }
  end

  defp head(%Response{status: status, headers: headers}) do
    [
      "HTTP/1.1 #{status} #{:httpd_util.reason_phrase(status)}\r\n",
      for({name, value} <- headers, do: [name, ": ", value, "\r\n"])
    ]
  end

  defp deliver(mod, data) do
    case :gen_tcp.send(mod(mod, :socket), data) do
      :ok -> :ok
      {:error, _reason} -> :closed
    end
  end
end
