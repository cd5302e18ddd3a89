defmodule Pipeline.Native.Build.DownloadTest do
  use ExUnit.Case, async: true

  alias Pipeline.Native.Build.{Artefact, Download}

  doctest Artefact

  # Answers each connection with these bytes, and keeps it open.
  defp server(answer) do
    {:ok, listener} = :gen_tcp.listen(0, [:binary, ip: {127, 0, 0, 1}, active: false, reuseaddr: true])
    {:ok, port} = :inet.port(listener)

    start_supervised!(
      Supervisor.child_spec(
        {Task,
         fn ->
           {:ok, socket} = :gen_tcp.accept(listener)
           {:ok, _request} = :gen_tcp.recv(socket, 0)
           :ok = :gen_tcp.send(socket, answer)
           :gen_tcp.recv(socket, 0)
         end},
        id: port
      )
    )

    "http://127.0.0.1:#{port}/library"
  end

  test "a body is returned whole" do
    url = server("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello")
    assert Download.get(url, max_bytes: 5, timeout: 60_000) == {:ok, "hello"}
  end

  test "a body that is too long, or of which the server does not say how long it is, is given up" do
    url = server("HTTP/1.1 200 OK\r\ncontent-length: 4096\r\n\r\n" <> String.duplicate("a", 2048))
    assert Download.get(url, max_bytes: 1000, timeout: 60_000) == {:error, "it is larger than 1000 bytes"}
    refute_received {:http, _}

    chunk = "400\r\n" <> String.duplicate("a", 1024) <> "\r\n"

    for start <- ["HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", "HTTP/1.1 200 OK\r\n\r\n"] do
      url = server(start <> String.duplicate(chunk, 4))

      assert Download.get(url, max_bytes: 1000, timeout: 60_000) ==
               {:error, "the server does not say how long its answer is"}

      refute_received {:http, _}
    end
  end

  test "a server that does not end is given up" do
    url = server("HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhe")
    assert Download.get(url, max_bytes: 5, timeout: 200) == {:error, "it took too long"}
    refute_received {:http, _}
  end

  test "a server that is not there, and an answer that is no success, are named" do
    {:ok, listener} = :gen_tcp.listen(0, ip: {127, 0, 0, 1})
    {:ok, port} = :inet.port(listener)
    :ok = :gen_tcp.close(listener)

    assert Download.get("http://127.0.0.1:#{port}/x", max_bytes: 5, timeout: 60_000) ==
             {:error, "nothing answers at 127.0.0.1:#{port}"}

    url = server("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n")
    assert Download.get(url, max_bytes: 5, timeout: 60_000) == {:error, "the server answered 403 Forbidden"}
  end
end
