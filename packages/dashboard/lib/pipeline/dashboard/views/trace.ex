defmodule Pipeline.Dashboard.Views.Trace do
  @moduledoc false
  # The runs of a point as they end, each as a waterfall. The trace lasts as long as the page is open.

  import Pipeline.Dashboard.Markup

  alias Pipeline.Dashboard.Views
  alias Pipeline.Hook

  @spec show(term, map) :: Pipeline.Dashboard.Markup.markup()
  def show(instance, page) do
    points = Hook.points(instance: instance)

    [
      el(:nav, [class: "chooser", "aria-label": "Hook points"], [
        for point <- points do
          current = Views.key(point) == page.query["point"] && "true"

          el(
            :a,
            [href: Views.url(page, "/trace", point: Views.key(point)), "aria-current": current],
            Views.key(point)
          )
        end
      ]),
      stream(Enum.find(points, &(Views.key(&1) == page.query["point"])), page)
    ]
  end

  defp stream(nil, _page),
    do: el(:p, [class: "empty"], "Choose a hook point. Its next 200 runs appear here as they end.")

  defp stream(point, page) do
    [
      el(:p, [class: "hint"], [
        "Bars are the own times of the calls, in the order in which they began. ",
        "The trace ends when you leave this page, after 200 runs or ten minutes."
      ]),
      el(:ol,
        class: "stream runs",
        "aria-label": "Runs",
        "hx-ext": "sse",
        "sse-connect": Views.url(page, "/live/trace", point: Views.key(point)),
        "sse-swap": "row",
        "hx-swap": "afterbegin"
      )
    ]
  end

  @spec run(Hook.Trace.Run.t()) :: iodata
  def run(run) do
    total = max(run.calls |> Enum.map(& &1.nanoseconds) |> Enum.sum(), 1)

    {calls, _sum} =
      Enum.map_reduce(run.calls, 0, fn call, before ->
        {call(call, before * 1000 / total, call.nanoseconds * 1000 / total), before + call.nanoseconds}
      end)

    iodata(
      el(:li, [], [
        el(:p, [class: "row"], [
          el(:strong, [], duration(run.nanoseconds)),
          result(run.result),
          el(:span, [class: "hint"], term(run.pid))
        ]),
        el(:ol, [class: "waterfall"], calls)
      ])
    )
  end

  defp result({:ok, value}), do: [badge("ok", :good), el(:code, [], term(value))]
  defp result(:ok), do: badge("ok", :good)
  defp result({:error, reason}), do: [badge("error", :warn), el(:code, [], term(reason))]
  defp result({:raised, kind, reason}), do: [badge(kind, :bad), el(:code, [], term(reason))]

  defp call(call, from, width) do
    el(:li, [], [
      el(:span, [class: "name"], [call.kind, " ", if(call.plugin, do: Views.key(call.plugin))]),
      el(:svg, [viewBox: "0 0 1000 10", preserveAspectRatio: "none", "aria-hidden": "true"], [
        el(:rect,
          x: Float.round(from * 1.0, 1),
          y: 1,
          width: Float.round(max(width, 3) * 1.0, 1),
          height: 8,
          class: call.outcome
        )
      ]),
      el(:span, [class: "time"], duration(call.nanoseconds)),
      el(:span, [class: "outcome"], [call.outcome, if(call.reason, do: [": ", term(call.reason)])])
    ])
  end
end
