for name <- ~w(elsewhere packages), do: Code.require_file("../../../../../test/support/#{name}.ex", __DIR__)

defmodule Pipeline.Dashboard.PackagesTest do
  use ExUnit.Case, async: true

  import ExUnit.CaptureLog

  alias Pipeline.{Dashboard, Package, Packages}
  alias Pipeline.Dashboard.{Httpd, Request}
  alias Pipeline.Plugin.Manager

  @token "a token of thirty-two bytes or so"
  @opts [token: @token, actions: true]
  @name "dashboard_packages_test"

  setup_all do
    [one, two] =
      for version <- ["1.0.0", "2.0.0"] do
        Packages.app!(:dashboard_packages_test, version, """
        defmodule DashboardPackagesTest.Plugin do
          use Pipeline.Plugin, id: :dashboard_packages_test, version: "#{version}", description: "<b>bold</b>"
        end
        """)
        |> Packages.build!()
        |> Map.fetch!(:bytes)
      end

    {:ok, one: one, two: two}
  end

  setup do
    instance = {:packages, System.unique_integer([:positive])}
    start_supervised!({Manager, name: instance, packages: Packages.folder!()})
    %{instance: instance, key: inspect(instance)}
  end

  defp post(form, upload \\ nil, opts \\ @opts) do
    headers = %{"authorization" => "Bearer " <> @token}

    Dashboard.handle(
      %Request{method: "POST", path: "/actions", form: form, upload: upload, headers: headers},
      opts
    )
  end

  defp page(key) do
    cookie = sign_in()
    request = %Request{path: "/packages", query: %{"instance" => key}, headers: %{"cookie" => cookie}}
    request |> Dashboard.handle(@opts) |> Map.fetch!(:body) |> IO.iodata_to_binary()
  end

  defp sign_in do
    form = %{"token" => @token, "name" => "ann"}
    response = Dashboard.handle(%Request{method: "POST", path: "/sign-in", form: form}, @opts)
    {_, cookie} = List.keyfind(response.headers, "set-cookie", 0)
    cookie |> String.split(";") |> hd()
  end

  # The actions that the page offers, each with its package.
  defp offered(page) do
    for [_, package, action] <-
          Regex.scan(~r/name="package" value="([^"]+)"><button[^>]* value="([^"]+)"/, page),
        do: {package, action}
  end

  defp version(instance), do: Manager.plugin_info!(:dashboard_packages_test, instance: instance).version

  test "are installed, loaded, upgraded, rolled back and uninstalled",
       %{instance: instance, key: key} = context do
    form = %{"instance" => key, "action" => "install"}
    log = capture_log(fn -> assert post(form, context.one).status == 303 end)
    assert log =~ "dashboard: bearer asked to install a package of #{byte_size(context.one)} bytes"
    assert log =~ "#{@name} 1.0.0"
    assert post(form, context.two).status == 303

    page = page(key)
    assert page =~ "&lt;b&gt;bold"
    refute page =~ "<b>bold"
    assert offered(page) == for(v <- ["1.0.0", "2.0.0"], a <- ["load", "uninstall"], do: {"#{@name}-#{v}", a})

    act = fn action, version ->
      post(%{"instance" => key, "action" => action, "package" => "#{@name}-#{version}"})
    end

    assert act.("load", "1.0.0").status == 303
    assert version(instance) == "1.0.0"
    assert offered(page(key)) == [{"#{@name}-2.0.0", "upgrade"}, {"#{@name}-2.0.0", "uninstall"}]
    refused = act.("uninstall", "1.0.0")
    assert refused.status == 409
    assert IO.iodata_to_binary(refused.body) =~ "role=\"alert\""

    assert act.("upgrade", "2.0.0").status == 303
    assert version(instance) == "2.0.0"
    assert act.("upgrade", "1.0.0").status == 303
    assert version(instance) == "1.0.0"

    assert act.("uninstall", "2.0.0").status == 303

    assert [%{version: "1.0.0", used_by: [{^instance, :dashboard_packages_test}]}] =
             Package.list(instance: instance)

    :ok = Manager.unload_plugin(:dashboard_packages_test, instance: instance, purge: true)
    assert act.("uninstall", "1.0.0").status == 303
    assert act.("load", "1.0.0").status == 409
    assert page(key) =~ "No package is installed"
  end

  test "that are none, are too large, or come from elsewhere, are refused and leave nothing",
       %{instance: instance, key: key} = context do
    form = %{"instance" => key, "action" => "install"}
    assert post(form, "no package").status == 409
    assert post(form, binary_part(context.one, 0, 500)).status == 409
    assert post(form, context.one, @opts ++ [max_upload: 100]).status == 413
    # No path and no URL of the VM's host.
    for source <- ["/etc/passwd", "http://127.0.0.1:1/x", <<31, 139>> <> "x"],
        do: assert(post(Map.put(form, "package", source)).status == 409)

    assert Package.list(instance: instance) == []
    assert post(form, context.one, token: @token).status == 403
  end

  test "are uploaded through the server of OTP", %{instance: instance, key: key} = context do
    port = {Httpd, [port: 0] ++ @opts} |> start_supervised!() |> Httpd.port()
    {:ok, _} = Application.ensure_all_started(:inets)

    part = fn name, more, content ->
      ["--frontier\r\nContent-Disposition: form-data; name=\"#{name}\"#{more}\r\n\r\n", content, "\r\n"]
    end

    body =
      IO.iodata_to_binary([
        part.("instance", "", key),
        part.("action", "", "install"),
        part.("file", "; filename=\"a.plugin.tar.gz\"\r\nContent-Type: application/gzip", context.one),
        "--frontier--\r\n"
      ])

    request =
      {~c"http://127.0.0.1:#{port}/actions", [{~c"authorization", ~c"Bearer #{@token}"}],
       ~c"multipart/form-data; boundary=frontier", body}

    assert {:ok, {{_, 303, _}, _, _}} = :httpc.request(:post, request, [autoredirect: false], [])
    assert [%{name: @name, version: "1.0.0"}] = Package.list(instance: instance)
  end
end
