defmodule Pipeline.Dashboard do
  @moduledoc """
  Answers requests with pages that show the plugins of this VM. It knows no server.

      iex> alias Pipeline.Dashboard.Request
      iex> request = %Request{path: "/healthz", peer: "127.0.0.1", headers: %{"host" => "localhost"}}
      iex> Pipeline.Dashboard.handle(request).status in [200, 503]
      true

  The plugin `:dashboard` (`Pipeline.Plugins.Dashboard`) serves it with OTP's `httpd`.

  ## Access

  Without a token only requests from loopback are answered, under the name `localhost`, `127.0.0.1` or `[::1]` and without
  a header of a proxy; nothing can be changed. With a token everybody needs it: at the sign-in page, which keeps a
  session of 12 hours in a cookie, or as `Authorization: Bearer TOKEN`.

  ## Options

    * `:token` - a string of 16 bytes or more, by default none
    * `:actions` - `true` lets those with the token disable, enable and restart plugins, and install, load, upgrade and
      uninstall packages; by default `false`. Each action is logged with the name that was given at the sign-in, which is
      the reason in the plugin's history too
    * `:max_upload` - how large the archive of a package may be, in bytes, by default 16 MiB. As many are held in memory as
      are sent at a time
    * `:prefix` - the path that the dashboard is mounted under, such as `"/plugins"`; by default none
  """

  alias Pipeline.Dashboard.{Access, Action, Asset, Layout, Live, Request, Response, Settings, Views}
  alias Pipeline.Plugin.Manager

  @doc "Answers a request. Raises `ArgumentError` if the options contradict each other."
  @spec handle(Request.t(), keyword) :: Response.t()
  def handle(%Request{} = request, opts \\ []) do
    settings =
      case Settings.new(opts) do
        {:ok, settings} -> settings
        {:error, problem} -> raise ArgumentError, problem
      end

    case request do
      %{method: "GET", path: "/assets/" <> name} -> Asset.serve(name)
      %{method: "GET", path: "/sign-in"} -> sign_in_page(settings, nil)
      %{method: "POST", path: "/sign-in"} -> sign_in(request, settings)
      _other -> checked(request, settings)
    end
  end

  defp checked(request, settings) do
    case Access.check(request, settings) do
      {:ok, who} ->
        answer(request, who, settings)

      {:error, :token}
      when request.method == "GET" and request.path not in ["/metrics", "/healthz", "/readyz"] ->
        Response.redirect(settings.prefix <> "/sign-in")

      {:error, :token} ->
        Response.text(401, "A token is needed: send it as the header Authorization: Bearer TOKEN.")

      {:error, :not_loopback} ->
        Response.text(
          403,
          "The dashboard has no token, so it answers only on loopback. Configure token: to open it to others."
        )
    end
  end

  defp answer(%{method: "GET", path: "/healthz"}, _who, _settings) do
    well? = Enum.all?(Views.instances(), &(Manager.health(instance: &1).status == :healthy))
    if well?, do: Response.text(200, "healthy\n"), else: Response.text(503, "unhealthy\n")
  end

  defp answer(%{method: "GET", path: "/readyz"}, _who, _settings) do
    ready? = Enum.all?(Views.instances(), &Manager.ready?(instance: &1))
    if ready?, do: Response.text(200, "ready\n"), else: Response.text(503, "not ready\n")
  end

  defp answer(%{method: "GET", path: "/metrics"}, _who, _settings) do
    metrics = Pipeline.Plugins.TelemetryPlugin.expose(:prometheus)
    Response.new(200, "text/plain; version=0.0.4; charset=utf-8", metrics)
  end

  defp answer(%{method: "GET", path: "/live/" <> kind} = request, _who, _settings) do
    case instance(request) do
      {:ok, instance} -> Live.stream(kind, instance, request.query)
      :error -> Response.text(404, "There is no such instance.")
    end
  end

  defp answer(%{method: "GET"} = request, who, settings) do
    with {:ok, instance} <- instance(request),
         {:ok, title, main} <- Views.show(request, instance, page(request, who, settings, instance)) do
      Response.html(200, Layout.page(title, main, page(request, who, settings, instance)))
    else
      :error -> not_found(request, who, settings)
    end
  end

  defp answer(%{method: "POST", path: "/actions"} = request, who, settings) do
    cond do
      not settings.actions ->
        Response.text(403, "The dashboard only shows. Configure actions: true and a token to act.")

      not Access.meant?(who, request, settings) ->
        Response.text(403, "This form is not of your session. Go back, load the page again, and repeat.")

      request.upload != nil and byte_size(request.upload) > settings.max_upload ->
        Response.text(413, "The file is larger than #{settings.max_upload} bytes (max_upload:).")

      true ->
        act(request, who, settings)
    end
  end

  defp answer(_request, _who, _settings), do: Response.text(405, "The dashboard has no such request.")

  defp act(request, who, settings) do
    with {:ok, instance} <- instance(%{request | query: request.form}),
         {:ok, {path, query}} <- Action.run(request, instance, Access.name(who)) do
      query = URI.encode_query([{"instance", Views.key(instance)} | query])
      Response.redirect("#{settings.prefix}#{path}?#{query}")
    else
      :error ->
        not_found(request, who, settings)

      {:error, problem} ->
        Response.html(
          409,
          Layout.page("Not done", Layout.problem(problem), page(request, who, settings, nil))
        )
    end
  end

  defp not_found(request, who, settings) do
    problem = "There is no such page, instance or plugin. It may have been unloaded meanwhile."
    Response.html(404, Layout.page("Not found", Layout.problem(problem), page(request, who, settings, nil)))
  end

  defp sign_in_page(settings, problem),
    do: Response.html(if(problem, do: 403, else: 200), Layout.sign_in(settings, problem))

  defp sign_in(request, settings) do
    case Access.sign_in(request.form["token"] || "", request.form["name"] || "", settings) do
      {:ok, cookie} -> Response.redirect(settings.prefix <> "/", [{"set-cookie", cookie}])
      :error -> sign_in_page(settings, "This is not the token that the dashboard was configured with.")
    end
  end

  defp instance(%{query: query}) do
    instances = Views.instances()

    case query do
      %{"instance" => key} -> Enum.find_value(instances, :error, &(Views.key(&1) == key && {:ok, &1}))
      _none -> with [first | _] <- instances, do: {:ok, first}, else: (_ -> :error)
    end
  end

  defp page(request, who, settings, instance) do
    %{
      prefix: settings.prefix,
      path: request.path,
      query: request.query,
      instance: instance,
      name: Access.name(who),
      form_token: if(settings.actions, do: Access.form_token(who, settings))
    }
  end
end
