defmodule Pipeline.Dashboard.Views.Events do
  @moduledoc false
  # The events between plugins and of the system, as they come.

  import Pipeline.Dashboard.Markup

  alias Pipeline.Dashboard.Views
  alias Pipeline.Foreign

  # Their payloads are the library's: it has taken secrets out of them.
  @system [
    :plugin_loaded,
    :plugin_unloaded,
    :plugin_failed,
    :plugin_restarted,
    :plugin_state,
    :plugin_config_updated,
    :plugin_limit_exceeded,
    :hook_failed,
    :hook_circuit,
    :events_dropped
  ]

  @spec show(map) :: Pipeline.Dashboard.Markup.markup()
  def show(page) do
    [
      el(
        :p,
        [class: "hint"],
        "Events from now on, latest first. Of a plugin's own events only the shape is shown."
      ),
      el(:ol,
        class: "stream events",
        "aria-label": "Events",
        "hx-ext": "sse",
        "sse-connect": Views.url(page, "/live/events"),
        "sse-swap": "row",
        "hx-swap": "afterbegin"
      )
    ]
  end

  @spec row({term, term}) :: iodata
  def row({type, payload}) do
    iodata(
      el(:li, [], [
        time(DateTime.utc_now()),
        badge(term(type), if(type in [:plugin_failed, :hook_failed], do: :bad, else: :calm)),
        el(:code, [], shown(type, payload))
      ])
    )
  end

  defp shown(:plugin_state, %{id: id, from: from, to: to, reason: reason}),
    do: "#{term(id)}: #{term(from)} → #{term(to)}, #{term(reason)}"

  defp shown(:hook_failed, %{error: error}) when is_exception(error), do: Foreign.message(error)
  defp shown(type, payload) when type in @system, do: term(payload)
  defp shown(_type, payload) when is_struct(payload), do: term(payload.__struct__)
  defp shown(_type, payload) when is_map(payload), do: "keys " <> term(Map.keys(payload))
  defp shown(_type, payload), do: term(Foreign.outline(payload))
end
