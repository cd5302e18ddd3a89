defmodule Pipeline.Dashboard.Layout do
  @moduledoc false
  # The frame of all pages.

  import Pipeline.Dashboard.Markup

  alias Pipeline.Dashboard.Views

  @pages [
    {"/", "Overview"},
    {"/plugins", "Plugins"},
    {"/graph", "Graph"},
    {"/points", "Hook points"},
    {"/trace", "Traces"},
    {"/events", "Events"},
    {"/packages", "Packages"},
    {"/cluster", "Cluster"}
  ]
  @streamed ["/trace", "/events"]

  # A page looks again at each tick of its stream; one that has a stream of its own, or a form, does not.
  @spec page(String.t(), Pipeline.Dashboard.Markup.markup(), map) :: iodata
  def page(title, main, page) do
    document(title, page.prefix, [
      el(:a, [class: "skip", href: "#main"], "Skip to the content"),
      el(:header, [], [
        el(:p, [class: "brand"], "Pipeline.Plugin"),
        el(:nav, ["aria-label": "Views"], for({path, name} <- @pages, do: tab(path, name, page))),
        el(:p, [class: "who"], [if(page.form_token, do: "operator ", else: "read-only · "), page.name])
      ]),
      el(:main, [id: "main", tabindex: "-1"] ++ stream(page), [
        el(:h1, [], title),
        chooser(page),
        el(:div, [id: "view"] ++ look(page), main)
      ])
    ])
  end

  @spec problem(String.t()) :: Pipeline.Dashboard.Markup.markup()
  def problem(sentence), do: el(:p, [class: "problem", role: "alert"], sentence)

  @spec sign_in(Pipeline.Dashboard.Settings.t(), String.t() | nil) :: iodata
  def sign_in(settings, problem) do
    document("Sign in", settings.prefix, [
      el(:main, [id: "main", class: "narrow"], [
        el(:h1, [], "Pipeline.Plugin"),
        if(problem, do: problem(problem)),
        el(:form, [method: "post", action: settings.prefix <> "/sign-in"], [
          el(:label, [for: "name"], "Your name, for the log"),
          el(:input, id: "name", name: "name", required: true, maxlength: "64", autocomplete: "username"),
          el(:label, [for: "token"], "Token"),
          el(:input,
            id: "token",
            name: "token",
            type: "password",
            required: true,
            autocomplete: "current-password"
          ),
          el(:button, [type: "submit"], "Sign in")
        ])
      ])
    ])
  end

  defp document(title, prefix, body) do
    config =
      ~s({"allowEval":false,"includeIndicatorStyles":false,"selfRequestsOnly":true,"historyCacheSize":0})

    [
      "<!doctype html>",
      iodata(
        el(:html, [lang: "en"], [
          el(:head, [], [
            el(:meta, charset: "utf-8"),
            el(:meta, name: "viewport", content: "width=device-width, initial-scale=1"),
            el(:meta, name: "htmx-config", content: config),
            el(:title, [], [title, " · Pipeline.Plugin"]),
            el(:link, rel: "icon", href: prefix <> "/assets/icon.svg"),
            for(
              name <- ~w(uplot.min.css dashboard.css),
              do: el(:link, rel: "stylesheet", href: prefix <> "/assets/" <> name)
            ),
            for(
              name <- ~w(htmx.min.js sse.min.js uplot.min.js dashboard.js),
              do: el(:script, src: prefix <> "/assets/" <> name, defer: true)
            )
          ]),
          el(:body, [], body)
        ])
      )
    ]
  end

  defp tab(path, name, page) do
    current? = page.path == path or {page.path, path} == {"/plugin", "/plugins"}
    to = if page.instance, do: Views.url(page, path), else: page.prefix <> path
    el(:a, [href: to, "aria-current": current? && "page"], name)
  end

  # The overview shows all instances.
  defp chooser(%{path: "/"}), do: []
  defp chooser(%{instance: nil}), do: []

  defp chooser(page) do
    case Views.instances() do
      [_one] ->
        []

      instances ->
        path = if page.path == "/plugin", do: "/plugins", else: page.path

        el(:nav, [class: "chooser", "aria-label": "Instances"], [
          for instance <- instances do
            current = instance == page.instance && "true"

            el(
              :a,
              [href: Views.url(%{page | instance: instance}, path), "aria-current": current],
              Views.key(instance)
            )
          end
        ])
    end
  end

  defp stream(page) do
    if looks?(page), do: ["hx-ext": "sse", "sse-connect": Views.url(page, "/live/page")], else: []
  end

  defp look(page) do
    if looks?(page),
      do: [
        "hx-get": Views.url(page, page.path, Map.delete(page.query, "instance")),
        "hx-trigger": "sse:tick",
        "hx-select": "#view",
        "hx-target": "#view",
        "hx-swap": "outerHTML"
      ],
      else: []
  end

  defp looks?(%{instance: nil}), do: false

  defp looks?(%{path: path, form_token: token}) when path in ["/plugin", "/packages"] and token != nil,
    do: false

  defp looks?(page), do: page.path not in @streamed
end
