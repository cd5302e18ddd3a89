# Plug as far as the adapter uses it, with its names and return values. Hex packages are out of reach.
defmodule Plug.Conn.Unfetched do
  defstruct [:aspect]
end

defmodule Plug.Conn do
  defstruct method: "GET",
            path_info: [],
            script_name: [],
            query_string: "",
            req_headers: [],
            remote_ip: {127, 0, 0, 1},
            body_params: %Plug.Conn.Unfetched{aspect: :body_params},
            status: nil,
            resp_headers: [],
            resp_body: nil,
            state: :unset,
            unread: "",
            test: nil

  def read_body(%{unread: unread} = conn, opts) do
    size = min(opts[:length], byte_size(unread))
    {part, rest} = :erlang.split_binary(unread, size)
    {if(rest == "", do: :ok, else: :more), part, %{conn | unread: rest}}
  end

  def put_resp_header(conn, name, value),
    do: %{conn | resp_headers: List.keystore(conn.resp_headers, name, 0, {name, value})}

  def send_resp(conn, status, body),
    do: %{conn | status: status, resp_body: IO.iodata_to_binary(body), state: :sent}

  def send_chunked(conn, status), do: %{conn | status: status, state: :chunked}

  def chunk(%{test: test, state: :chunked} = conn, data) do
    send(test, {:chunk, IO.iodata_to_binary(data)})

    receive do:
              (
                :more -> {:ok, conn}
                :closed -> {:error, :closed}
              )
  end
end

defmodule Pipeline.Dashboard.PlugTest do
  use ExUnit.Case, async: true

  alias Pipeline.Dashboard
  alias Pipeline.Plugin.Manager

  @token "a token of thirty-two bytes or so"
  @opts [token: @token, actions: true]

  setup do
    instance = {:plug, System.unique_integer([:positive])}
    start_supervised!({Manager, name: instance})
    %{key: inspect(instance)}
  end

  defp call(fields, opts \\ @opts) do
    conn = struct!(%Plug.Conn{script_name: ["admin", "plugins"], test: self()}, fields)
    Dashboard.Plug.call(conn, Dashboard.Plug.init(opts))
  end

  defp bearer, do: [{"authorization", "Bearer " <> @token}]

  test "serves pages under the path where it is mounted", %{key: key} do
    conn = call(path_info: ["plugins"], query_string: URI.encode_query(instance: key), req_headers: bearer())
    assert conn.status == 200
    assert conn.resp_body =~ ~s(href="/admin/plugins/assets/dashboard.css")
    assert List.keyfind(conn.resp_headers, "content-security-policy", 0)
    assert call(path_info: ["assets", "dashboard.css"]).resp_body =~ "--page"
  end

  test "signs in by a form that it reads itself, or that a parser of the host has read" do
    form = URI.encode_query(token: @token, name: "ann")
    urlencoded = [{"content-type", "application/x-www-form-urlencoded"}]
    raw = call(method: "POST", path_info: ["sign-in"], req_headers: urlencoded, unread: form)
    parsed = call(method: "POST", path_info: ["sign-in"], body_params: %{"token" => @token, "name" => "ann"})

    for conn <- [raw, parsed] do
      assert conn.status == 303
      assert {_, "/admin/plugins/"} = List.keyfind(conn.resp_headers, "location", 0)
      assert {_, "pipeline_dashboard=" <> _} = List.keyfind(conn.resp_headers, "set-cookie", 0)
    end

    long = form <> "&more=" <> String.duplicate("x", 100_000_000)
    assert call(method: "POST", path_info: ["sign-in"], req_headers: urlencoded, unread: long).status == 403
  end

  test "an upload reaches the actions", %{key: key} do
    file = "--b\r\ncontent-disposition: form-data; name=\"file\"; filename=\"x\"\r\n\r\nnothing\r\n--b"

    fields =
      for {name, value} <- [instance: key, action: "install"],
          do: "\r\ncontent-disposition: form-data; name=\"#{name}\"\r\n\r\n#{value}\r\n--b"

    headers = [{"content-type", "multipart/form-data; boundary=b"} | bearer()]

    conn =
      call(method: "POST", path_info: ["actions"], req_headers: headers, unread: "#{file}#{fields}--\r\n")

    assert conn.status == 409
    assert conn.resp_body =~ "this is no package"
  end

  test "streams until nobody listens", %{key: key} do
    test = self()

    stream =
      spawn(fn ->
        call(
          path_info: ["live", "events"],
          query_string: URI.encode_query(instance: key),
          req_headers: bearer(),
          test: test
        )
      end)

    monitor = Process.monitor(stream)
    assert_receive {:chunk, ": here\n\n"}
    send(stream, :more)
    assert_receive {:chunk, ": here\n\n"}
    send(stream, :closed)
    assert_receive {:DOWN, ^monitor, :process, ^stream, :normal}
  end

  test "refuses options that do not go together where it is mounted, and strangers without a token" do
    assert_raise ArgumentError, ~r/nobody may act/, fn -> Dashboard.Plug.init(actions: true) end

    assert call([path_info: [], remote_ip: {10, 0, 0, 7}, req_headers: [{"host", "localhost"}]], []).status ==
             403

    assert call(
             [path_info: [], remote_ip: {0, 0, 0, 0, 0, 0, 0, 1}, req_headers: [{"host", "localhost"}]],
             []
           ).status == 200
  end
end
