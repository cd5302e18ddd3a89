defmodule Pipeline.PackageServer do
  @moduledoc """
  A web server on loopback that answers as a test says, also as no honest server would.

  `start!(%{"/path" => answer})` returns its URL. An answer is `{:send, status, headers, body}`, `{:redirect, location}`,
  `{:endless, headers}` or `{:endless, status, headers}`, which sends for ever, `{:raw, bytes}`, which sends these alone,
  or `:silent`, which accepts and sends nothing.
  """

  use GenServer

  @spec start!(%{String.t() => term}) :: String.t()
  def start!(answers) do
    {:ok, listener} = :gen_tcp.listen(0, [:binary, ip: {127, 0, 0, 1}, active: false, packet: :http_bin])
    {:ok, port} = :inet.port(listener)
    server = ExUnit.Callbacks.start_supervised!({__MODULE__, {listener, answers}}, id: make_ref())
    :ok = :gen_tcp.controlling_process(listener, server)
    "http://127.0.0.1:#{port}"
  end

  def start_link(argument), do: GenServer.start_link(__MODULE__, argument)

  @impl GenServer
  def init({listener, answers}) do
    {:ok, spawn_link(fn -> accept(listener, answers) end)}
  end

  defp accept(listener, answers) do
    with {:ok, socket} <- :gen_tcp.accept(listener) do
      handler = spawn(fn -> receive do: (:go -> serve(socket, answers)) end)
      :ok = :gen_tcp.controlling_process(socket, handler)
      send(handler, :go)
      accept(listener, answers)
    end
  end

  defp serve(socket, answers) do
    {:ok, {:http_request, :GET, {:abs_path, path}, _version}} = :gen_tcp.recv(socket, 0)
    headers(socket)
    :inet.setopts(socket, packet: :raw)
    answer(socket, answers[path] || {:send, 404, [], "not here"})
    :gen_tcp.close(socket)
  end

  defp headers(socket) do
    with {:ok, header} when header != :http_eoh <- :gen_tcp.recv(socket, 0), do: headers(socket)
  end

  defp answer(socket, {:send, status, headers, body}) do
    length =
      if List.keymember?(headers, "content-length", 0), do: [], else: [{"content-length", byte_size(body)}]

    head(socket, status, length ++ headers)
    :gen_tcp.send(socket, body)
  end

  defp answer(socket, {:redirect, location}) do
    head(socket, 302, [{"location", location}, {"content-length", 0}])
  end

  defp answer(socket, {:endless, headers}), do: answer(socket, {:endless, 200, headers})

  defp answer(socket, {:endless, status, headers}) do
    head(socket, status, headers)
    send_on(socket)
  end

  defp answer(socket, {:raw, bytes}), do: :gen_tcp.send(socket, bytes)

  defp answer(socket, :silent), do: :gen_tcp.recv(socket, 0)

  defp send_on(socket) do
    with :ok <- :gen_tcp.send(socket, :binary.copy("x", 10_000)), do: send_on(socket)
  end

  defp head(socket, status, headers) do
    lines = for {name, value} <- headers, do: "#{name}: #{value}\r\n"
    :gen_tcp.send(socket, ["HTTP/1.1 #{status} Status\r\n", lines, "connection: close\r\n\r\n"])
  end
end
