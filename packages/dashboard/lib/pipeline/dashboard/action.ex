defmodule Pipeline.Dashboard.Action do
  @moduledoc false
  # What an operator does to a plugin or a package. Whatever happens is logged with who asked for it.

  require Logger

  alias Pipeline.Dashboard.{Markup, Request, Views}
  alias Pipeline.Package
  alias Pipeline.Plugin.Manager

  @typedoc "The page to go to, with its query."
  @type place :: {path :: String.t(), [{String.t(), String.t()}]}

  @spec run(Request.t(), term, String.t()) :: {:ok, place} | {:error, String.t()} | :error
  def run(%Request{form: %{"id" => key} = form}, instance, who) do
    with {:ok, %{id: id}} <- Views.plugin(instance, key) do
      form["action"]
      |> act(id, instance, reason(form["reason"], who))
      |> told(form["action"], id, instance, who, {"/plugin", [{"id", Views.key(id)}]})
    end
  end

  def run(%Request{form: form, upload: upload}, instance, who) do
    package = if upload, do: upload, else: form["package"] || ""
    shown = if upload, do: "a package of #{byte_size(upload)} bytes", else: package

    form["action"]
    |> act_on_package(package, instance)
    |> told(form["action"], shown, instance, who, {"/packages", []})
  end

  defp told(result, action, what, instance, who, place) do
    Logger.info(fn ->
      "dashboard: #{Markup.term(who)} asked to #{Markup.term(action)} #{Markup.term(what)} " <>
        "of #{Markup.term(instance)}: #{Markup.term(shown(result))}"
    end)

    case result do
      {:error, error} -> {:error, Markup.term(error)}
      _done -> {:ok, place}
    end
  end

  # Of a package that was installed, its name says enough.
  defp shown({:ok, %{name: name, version: version}}), do: "#{name} #{version}"
  defp shown(result), do: result

  defp act("disable", id, instance, reason),
    do: Manager.disable_plugin(id, instance: instance, reason: reason)

  defp act("enable", id, instance, _reason), do: Manager.enable_plugin(id, instance: instance)
  defp act("restart", id, instance, _reason), do: Manager.restart_plugin(id, instance: instance)
  defp act(_other, _id, _instance, _reason), do: {:error, "there is no such action: disable, enable, restart"}

  # Bytes and nothing else: a path or a URL would have the VM read what its host can reach.
  defp act_on_package("install", <<31, 139, _::binary>> = bytes, instance),
    do: Package.install(bytes, instance: instance)

  defp act_on_package("install", _other, _instance),
    do: {:error, "this is no package: choose a file NAME-VERSION.plugin.tar.gz"}

  defp act_on_package(action, name, instance) when action in ["load", "upgrade", "uninstall"] do
    with {:ok, package} <- installed(name, instance), do: change(action, package, instance)
  end

  defp act_on_package(_other, _package, _instance),
    do: {:error, "there is no such action: install, load, upgrade, uninstall"}

  defp installed(name, instance) do
    case Enum.find(Package.list(instance: instance), &("#{&1.name}-#{&1.version}" == name)) do
      nil -> {:error, "the package is not installed any more: load the page again"}
      package -> {:ok, package}
    end
  end

  defp change("load", package, instance), do: Manager.load_plugin(package.path, %{}, instance: instance)

  # Also back to an older one. Code is one for the VM, so all instances that have the package go along.
  defp change("upgrade", package, instance) do
    case Views.Packages.loaded(package, instance) do
      nil -> {:error, "no plugin of #{package.name} is loaded in this instance: load it"}
      id -> Package.upgrade(id, package.path, instance: instance, instances: :all)
    end
  end

  defp change("uninstall", package, instance),
    do: Package.uninstall("#{package.name}-#{package.version}", instance: instance)

  defp reason(given, who) when given in [nil, ""], do: {:dashboard, who}
  defp reason(given, who), do: {:dashboard, who, String.slice(given, 0, 200)}
end
