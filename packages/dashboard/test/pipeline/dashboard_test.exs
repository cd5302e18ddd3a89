defmodule Pipeline.DashboardTest do
  use ExUnit.Case, async: true

  import ExUnit.CaptureLog

  alias Pipeline.Dashboard
  alias Pipeline.Dashboard.{Httpd, Request}
  alias Pipeline.Plugin.{Events, Manager}

  doctest Pipeline.Dashboard
  doctest Pipeline.Dashboard.Request

  defmodule Store do
    use Pipeline.Plugin, id: :store, version: "1.2.0", description: "<script>alert(1)</script>"

    @impl Pipeline.Plugin
    def config_schema,
      do: [key: [type: :string, default: "", secret: true], note: [type: :string, default: ""]]
  end

  defmodule Shop do
    use Pipeline.Plugin, id: :shop, version: "1.0.0"

    depends_on :store

    hook :before, :order do
      def order(%{bad: text}, _next), do: raise(text)
      def order(context, next), do: next.(context)
    end
  end

  @token "a token of thirty-two bytes or so"
  @markup "<img src=x onerror=alert(1)>"
  @views ["/", "/plugins", "/graph", "/points", "/trace", "/events", "/packages", "/cluster"]

  setup do
    instance = {:shop, System.unique_integer([:positive])}
    start_supervised!({Manager, name: instance, plugins: [{Store, %{key: "hunter2", note: @markup}}, Shop]})
    %{instance: instance, key: inspect(instance)}
  end

  defp get(path, query \\ %{}, opts \\ [], fields \\ []) do
    request = %Request{path: path, query: query, peer: "127.0.0.1", headers: %{"host" => "localhost:4040"}}
    Dashboard.handle(struct!(request, fields), opts)
  end

  defp post(path, form, opts, headers \\ %{}) do
    get(path, %{}, opts, method: "POST", form: form, headers: Map.merge(%{"host" => "localhost"}, headers))
  end

  defp body(response), do: IO.iodata_to_binary(response.body)

  describe "views" do
    test "all of them answer, with a strict policy and nothing inline", %{key: key} do
      for path <- @views do
        response = get(path, %{"instance" => key})
        assert response.status == 200, path
        assert List.keyfind(response.headers, "content-security-policy", 0) |> elem(1) =~ "default-src 'none'"
        refute body(response) =~ ~r/<script>|style="|\son[a-z]+="|https?:\/\//, path
      end
    end

    test "a plugin with what it needs and is needed by, its history, and secrets hidden", %{key: key} do
      page = body(get("/plugin", %{"instance" => key, "id" => ":store"}))
      assert page =~ "1.2.0"
      assert page =~ ":shop</a>"
      assert page =~ "History"
      assert page =~ ~r/<dt>memory<\/dt><dd>[0-9.]+ KiB/
      assert page =~ ~r/<dt>messages that wait<\/dt><dd>0</
      refute page =~ "hunter2"
    end

    test "text of others is text", %{key: key, instance: instance} do
      Pipeline.Hook.run(instance, :order, %{bad: @markup}, nil)

      for path <- ["/plugin" | @views] do
        page = body(get(path, %{"instance" => key, "id" => ":store", "point" => @markup}))
        refute page =~ "<img", path
        refute page =~ "<script>alert", path
      end

      assert body(get("/plugin", %{"instance" => key, "id" => ":store"})) =~ "&lt;script&gt;alert(1)"
    end

    test "points have their chains and counts", %{key: key, instance: instance} do
      {:ok, _} = Pipeline.Hook.run(instance, :order, %{n: 1}, nil)
      page = body(get("/points", %{"instance" => key}))
      assert page =~ ~s(data-rate=":order" data-runs="1" data-p99=")
      assert page =~ ":shop</a>"
    end

    test "what is not there is not found, and makes no atom", %{key: key} do
      assert get("/plugin", %{"instance" => key, "id" => ":no_such_plugin_#{System.unique_integer()}"}).status ==
               404

      assert get("/plugins", %{"instance" => "nobody"}).status == 404
      assert get("/nowhere").status == 404
      assert get("/assets/../mix.exs").status == 404
      assert get("/live/trace", %{"instance" => key, "point" => "nobody"}).status == 404
    end

    test "a plugin cannot pass for another, nor turn the text of a page around" do
      instance = {:twins, System.unique_integer([:positive])}
      start_supervised!({Manager, name: instance, plugins: []}, id: :twins)
      {:ok, _} = Manager.load_plugins([Store], instance: instance)
      {:ok, _} = Manager.load_plugin(Shop, %{}, as: ":store", instance: instance)

      for id <- [:store, ":store"] do
        key = Dashboard.Views.key(id)
        assert {:ok, %{id: ^id}} = Dashboard.Views.plugin(instance, key)
      end

      text = "right\u202Eleft\e[31m"
      assert {:safe, html} = Dashboard.Markup.el(:p, [], text)
      refute IO.iodata_to_binary(html) =~ ~r/[\x{202E}\e]/u
    end

    test "health, readiness and metrics", %{instance: instance} do
      assert get("/healthz").status in [200, 503]
      assert get("/readyz").status in [200, 503]
      assert body(get("/metrics")) =~ ~s(instance="#{inspect(instance)}",plugin="shop")
    end
  end

  describe "access" do
    test "without a token: loopback under its own name only" do
      assert get("/").status == 200
      assert get("/", %{}, [], peer: "10.0.0.7").status == 403
      assert get("/", %{}, [], headers: %{"host" => "evil.example"}).status == 403

      for header <- ["x-forwarded-for", "x-forwarded-host", "x-real-ip", "forwarded", "via"],
          do: assert(get("/", %{}, [], headers: %{"host" => "localhost", header => "1.2.3.4"}).status == 403)
    end

    test "with a token nobody is in without it" do
      assert get("/", %{}, token: @token).status == 303
      assert get("/metrics", %{}, token: @token).status == 401
      wrong = %{"authorization" => "Bearer " <> String.replace(@token, "a", "b")}
      assert get("/metrics", %{}, [token: @token], headers: wrong).status == 401
      right = %{"authorization" => "Bearer " <> @token}
      assert get("/metrics", %{}, [token: @token], headers: right, peer: "10.0.0.7").status == 200
    end

    test "a session is signed, and of one token" do
      assert post("/sign-in", %{"token" => "wrong", "name" => "ann"}, token: @token).status == 403
      cookie = sign_in()
      assert get("/", %{}, [token: @token], headers: %{"cookie" => cookie}).status == 200
      assert get("/", %{}, [token: @token <> "2"], headers: %{"cookie" => cookie}).status == 303
      assert get("/", %{}, [token: @token], headers: %{"cookie" => cookie <> "x"}).status == 303
    end

    test "options that would open it are refused" do
      assert_raise ArgumentError, ~r/too short/, fn -> get("/", %{}, token: "short") end
      assert_raise ArgumentError, ~r/nobody may act/, fn -> get("/", %{}, actions: true) end
      Process.flag(:trap_exit, true)
      assert {:error, "the dashboard would be open" <> _} = Httpd.start_link(port: 0, address: {0, 0, 0, 0})
    end
  end

  describe "actions" do
    @opts [token: @token, actions: true]

    test "disable with a reason, and enable; logged with who", %{instance: instance, key: key} do
      headers = %{"cookie" => sign_in()}
      page = body(get("/plugin", %{"instance" => key, "id" => ":shop"}, @opts, headers: headers))
      [_, form_token] = Regex.run(~r/name="form_token" value="([^"]+)"/, page)
      form = %{"instance" => key, "id" => ":shop", "form_token" => form_token, "reason" => "too loud"}

      log =
        capture_log(fn ->
          assert post("/actions", Map.put(form, "action", "disable"), @opts, headers).status == 303
        end)

      assert log =~ "dashboard: ann asked to disable :shop"
      assert %{state: :stopped, history: [latest | _]} = Manager.plugin_info!(:shop, instance: instance)
      assert inspect(latest.reason) =~ "too loud"
      assert post("/actions", Map.put(form, "action", "enable"), @opts, headers).status == 303
      assert %{state: :started} = Manager.plugin_info!(:shop, instance: instance)
      assert post("/actions", Map.put(form, "action", "explode"), @opts, headers).status == 409
    end

    test "not without the form's token, not when only shown, not by loopback", %{instance: instance, key: key} do
      headers = %{"cookie" => sign_in()}
      form = %{"instance" => key, "id" => ":shop", "action" => "disable"}
      assert post("/actions", form, @opts, headers).status == 403
      assert post("/actions", Map.put(form, "form_token", "x"), @opts, headers).status == 403
      assert post("/actions", form, []).status == 403
      assert post("/actions", form, [token: @token], %{"authorization" => "Bearer " <> @token}).status == 403
      assert %{state: :started} = Manager.plugin_info!(:shop, instance: instance)
    end
  end

  describe "streams" do
    test "a trace is on only while somebody listens", %{instance: instance, key: key} do
      {:stream, stream} = get("/live/trace", %{"instance" => key, "point" => ":order"}).body
      me = self()

      listener =
        spawn_link(fn ->
          stream.(fn data ->
            send(me, {:chunk, self(), IO.iodata_to_binary(data)})
            receive do: (answer -> answer)
          end)

          send(me, :ended)
        end)

      # Until the trace is on, a run is not in it.
      chunk = run_until_traced(instance)
      assert chunk =~ "event: row"
      assert chunk =~ "RuntimeError"
      refute chunk =~ "<img"
      send(listener, :closed)
      assert_receive :ended
    end

    test "events come escaped, those of plugins without their content", %{instance: instance, key: key} do
      {:stream, stream} = get("/live/events", %{"instance" => key}).body
      me = self()

      # Nobody looks yet: an event would not even be built.
      refute Events.heard?(@markup, instance)

      listener = spawn(fn -> stream.(fn data -> send(me, IO.iodata_to_binary(data)) && :closed end) end)
      monitor = Process.monitor(listener)
      emit_until_heard(@markup, %{card: "4111 1111"}, instance)
      assert_receive "event: row" <> row
      assert row =~ "&lt;img"
      assert row =~ "keys [:card]"
      refute row =~ "4111"
      assert_receive {:DOWN, ^monitor, :process, _pid, :normal}
      refute Events.heard?(@markup, instance)
    end
  end

  describe "the server of OTP" do
    test "serves a page and a stream" do
      server = start_supervised!({Httpd, port: 0})
      port = Httpd.port(server)
      {:ok, socket} = :gen_tcp.connect({127, 0, 0, 1}, port, [:binary, active: false])
      :ok = :gen_tcp.send(socket, "GET / HTTP/1.1\r\nhost: localhost:#{port}\r\n\r\n")
      page = read(socket, "")
      assert page =~ "HTTP/1.1 200 OK"
      assert page =~ "</html>"

      {:ok, socket} = :gen_tcp.connect({127, 0, 0, 1}, port, [:binary, active: false])
      :ok = :gen_tcp.send(socket, "GET /live/page HTTP/1.1\r\nhost: localhost:#{port}\r\n\r\n")
      assert read_until(socket, "", "event: tick") =~ "text/event-stream"
      :gen_tcp.close(socket)
    end

    # httpd read both without end.
    test "reads no request without end" do
      port = Httpd.port(start_supervised!({Httpd, port: 0}))
      chunked = "POST /sign-in HTTP/1.1\r\nhost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFF\r\n"

      for start <- ["GET /", chunked] do
        {:ok, socket} = :gen_tcp.connect({127, 0, 0, 1}, port, [:binary, active: false])
        :ok = :gen_tcp.send(socket, start)
        assert {:error, _closed} = send_on(socket, :binary.copy("x", 100_000), 1_000)
      end
    end

    defp send_on(_socket, _part, 0), do: :read_all

    defp send_on(socket, part, left),
      do: with(:ok <- :gen_tcp.send(socket, part), do: send_on(socket, part, left - 1))

    test "as a plugin, from one line", %{instance: instance} do
      assert {:ok, :dashboard} =
               Manager.load_plugin(Pipeline.Plugins.Dashboard, %{port: 0}, instance: instance)

      assert :ok = Manager.unload_plugin(:dashboard, instance: instance)

      for {config, sentence} <- [
            {%{actions: true}, "nobody may act"},
            {%{address: "0.0.0.0"}, "open to everybody"},
            {%{address: "here"}, "is no IP address"}
          ] do
        config = Map.put(config, :port, 0)
        assert {:error, error} = Manager.load_plugin(Pipeline.Plugins.Dashboard, config, instance: instance)
        assert Exception.message(error) =~ sentence
      end
    end
  end

  defp sign_in do
    response = post("/sign-in", %{"token" => @token, "name" => "ann"}, token: @token)
    {_, cookie} = List.keyfind(response.headers, "set-cookie", 0)
    assert cookie =~ "HttpOnly; SameSite=Strict"
    cookie |> String.split(";") |> hd()
  end

  defp run_until_traced(instance) do
    Pipeline.Hook.run(instance, :order, %{bad: @markup}, nil)

    receive do
      {:chunk, _pid, "event: row" <> _ = chunk} -> chunk
      {:chunk, pid, _heartbeat} -> send(pid, :ok) && run_until_traced(instance)
    after
      10 -> run_until_traced(instance)
    end
  end

  defp emit_until_heard(type, payload, instance) do
    unless Events.heard?(type, instance), do: emit_until_heard(type, payload, instance)
    Events.emit(type, payload, instance: instance)
  end

  defp read(socket, before) do
    case :gen_tcp.recv(socket, 0, 10_000) do
      {:ok, data} -> read(socket, before <> data)
      {:error, :closed} -> before
    end
  end

  defp read_until(socket, before, text) do
    {:ok, data} = :gen_tcp.recv(socket, 0, 10_000)
    if before <> data =~ text, do: before <> data, else: read_until(socket, before <> data, text)
  end
end
