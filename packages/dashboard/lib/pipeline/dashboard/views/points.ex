defmodule Pipeline.Dashboard.Views.Points do
  @moduledoc false
  # The hook points with their chains, as they run.

  import Pipeline.Dashboard.Markup

  alias Pipeline.Dashboard.Views
  alias Pipeline.Hook

  @spec show(term, map) :: Pipeline.Dashboard.Markup.markup()
  def show(instance, page) do
    down = Hook.down(instance: instance)

    case Enum.sort(Hook.stats(instance: instance)) do
      [] ->
        el(:p, [class: "empty"], "There is no hook point: the host declares none, and no plugin has a hook.")

      points ->
        for {point, stats} <- points, do: point(point, stats, down[point], page)
    end
  end

  defp point(point, stats, guards, page) do
    el(:section, [class: "card", "aria-label": term(point)], [
      el(:div, [class: "row"], [
        el(:h2, [], term(point)),
        badge(stats.mode, :calm),
        link(Views.url(page, "/trace", point: Views.key(point)), ["trace ", term(point)])
      ]),
      if(guards, do: el(:p, [class: "problem"], Views.Overview.closed(point, guards))),
      el(:dl, [class: "figures"], [
        figure(
          "rate",
          el(:span, ["data-rate": Views.key(point), "data-runs": stats.runs, "data-p99": stats.p99_ns], "–")
        ),
        figure("runs", stats.runs),
        figure("p50", duration(stats.p50_ns)),
        figure("p99", duration(stats.p99_ns)),
        figure("failures", stats.failures),
        figure("skips", stats.skips),
        figure("refusals", stats.refusals)
      ]),
      el(:div,
        class: "chart",
        role: "img",
        "aria-label": "Runs per second and p99 of #{term(point)} since this page is open",
        "data-chart": Views.key(point)
      ),
      table(
        "Chain of #{term(point)}",
        ["Place", "Plugin", "Kind", "Function", "Priority", "Runs", "p50", "p99", "Failures", "Circuit"],
        for({hook, place} <- Enum.with_index(stats.hooks, 1), do: hook(hook, place, page)),
        "No hook is on this point: a run passes through."
      )
    ])
  end

  defp figure(name, value), do: el(:div, [], [el(:dt, [], name), el(:dd, [], value)])

  defp hook(hook, place, page) do
    [
      place,
      link(Views.url(page, "/plugin", id: Views.key(hook.plugin)), Views.key(hook.plugin)),
      [hook.kind, " · ", hook.tier],
      function(hook),
      hook.priority,
      hook.runs,
      duration(hook.p50_ns),
      duration(hook.p99_ns),
      hook.failures,
      if(hook[:circuit], do: state(hook.circuit.state), else: "–")
    ]
  end

  defp function(%{native: {_library, name}}), do: name
  defp function(hook), do: hook.fun
end
