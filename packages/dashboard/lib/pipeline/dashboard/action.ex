defmodule Pipeline.Dashboard.Action do
  @moduledoc false
  # What an operator does to a plugin. Whatever happens is logged with who asked for it.

  require Logger

  alias Pipeline.Dashboard.{Markup, Views}
  alias Pipeline.Plugin.Manager

  @spec run(%{String.t() => String.t()}, term, String.t()) ::
          {:ok, Pipeline.Plugin.plugin_id()} | {:error, String.t()} | :error
  def run(form, instance, who) do
    with {:ok, info} <- Views.plugin(instance, form["id"]) do
      result = act(form["action"], info.id, instance, reason(form["reason"], who))

      Logger.info(fn ->
        "dashboard: #{Markup.term(who)} asked to #{Markup.term(form["action"])} #{inspect(info.id)} " <>
          "of #{Markup.term(instance)}: #{Markup.term(result)}"
      end)

      case result do
        {:error, error} -> {:error, Markup.term(error)}
        _done -> {:ok, info.id}
      end
    end
  end

  defp act("disable", id, instance, reason),
    do: Manager.disable_plugin(id, instance: instance, reason: reason)

  defp act("enable", id, instance, _reason), do: Manager.enable_plugin(id, instance: instance)
  defp act("restart", id, instance, _reason), do: Manager.restart_plugin(id, instance: instance)
  defp act(_other, _id, _instance, _reason), do: {:error, "there is no such action: disable, enable, restart"}

  defp reason(given, who) when given in [nil, ""], do: {:dashboard, who}
  defp reason(given, who), do: {:dashboard, who, String.slice(given, 0, 200)}
end
