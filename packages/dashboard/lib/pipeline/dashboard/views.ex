defmodule Pipeline.Dashboard.Views do
  @moduledoc false
  # The page of a path, and how instances and plugins are named in URLs.

  alias Pipeline.Dashboard.{Markup, Request, Views}
  alias Pipeline.Foreign
  alias Pipeline.Plugin.Manager

  @spec show(Request.t(), term, map) :: {:ok, String.t(), Markup.markup()} | :error
  def show(%{path: "/"}, _instance, page), do: {:ok, "Overview", Views.Overview.show(page)}
  def show(%{path: "/plugins"}, instance, page), do: {:ok, "Plugins", Views.Plugins.show(instance, page)}

  def show(%{path: "/plugin"} = request, instance, page) do
    with {:ok, info} <- plugin(instance, request.query["id"]),
         do: {:ok, key(info.id), Views.Plugin.show(info, instance, page)}
  end

  def show(%{path: "/graph"}, instance, page), do: {:ok, "Dependencies", Views.Graph.show(instance, page)}
  def show(%{path: "/points"}, instance, page), do: {:ok, "Hook points", Views.Points.show(instance, page)}
  def show(%{path: "/trace"}, instance, page), do: {:ok, "Traces", Views.Trace.show(instance, page)}
  def show(%{path: "/events"}, _instance, page), do: {:ok, "Events", Views.Events.show(page)}
  def show(%{path: "/packages"}, instance, page), do: {:ok, "Packages", Views.Packages.show(instance, page)}
  def show(%{path: "/cluster"}, instance, _page), do: {:ok, "Cluster", Views.Cluster.show(instance)}
  def show(_request, _instance, _page), do: :error

  @spec instances() :: [term]
  def instances, do: Manager.instances()

  @doc "The plugin that a URL names. No atom is made of it."
  @spec plugin(term, String.t() | nil) :: {:ok, Manager.info()} | :error
  def plugin(instance, key) do
    Enum.find_value(Manager.list_plugins(instance: instance), :error, &(key(&1.id) == key && {:ok, &1}))
  end

  @doc "The text of a name. No two names have the same: one that could pass for that of an atom has quotes."
  @spec key(term) :: String.t()
  def key(name) when is_binary(name),
    do:
      if(name =~ ~r/\A[a-z_][a-z0-9_. -]*\z/ and name not in ["nil", "true", "false"],
        do: name,
        else: Foreign.term(name)
      )

  def key(name), do: Markup.term(name)

  @spec url(map, String.t(), map | keyword) :: String.t()
  def url(page, path, query \\ []),
    do: "#{page.prefix}#{path}?" <> URI.encode_query([{"instance", key(page.instance)} | Enum.to_list(query)])
end
