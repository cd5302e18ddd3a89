defmodule Pipeline.Dashboard.Views.Overview do
  @moduledoc false
  # The instances of this VM, and how they are.

  import Pipeline.Dashboard.Markup

  alias Pipeline.Dashboard.Views
  alias Pipeline.Hook
  alias Pipeline.Plugin.Manager

  # Milliseconds that plugins have to say how they are.
  @patience 500

  @spec show(map) :: Pipeline.Dashboard.Markup.markup()
  def show(page) do
    for instance <- Views.instances() do
      card(instance, Manager.health(instance: instance, timeout: @patience), %{page | instance: instance})
    end
  end

  defp card(instance, health, page) do
    down = Hook.down(instance: instance)
    stats = Map.values(Hook.stats(instance: instance))

    el(:section, [class: "card", "aria-label": Views.key(instance)], [
      el(:div, [class: "row"], [
        el(:h2, [], link(Views.url(page, "/plugins"), Views.key(instance))),
        state(health.status),
        if(health.ready?, do: badge("ready", :good), else: badge("not ready", :warn))
      ]),
      el(:dl, [class: "figures"], [
        figure("plugins", map_size(health.plugins)),
        figure("hook points", length(stats)),
        figure("runs", stats |> Enum.map(& &1.runs) |> Enum.sum()),
        figure("failures", stats |> Enum.map(& &1.failures) |> Enum.sum()),
        figure(
          "open circuits",
          Enum.count(for s <- stats, h <- s.hooks, h[:circuit], h.circuit.state != :closed, do: h)
        )
      ]),
      el(
        :div,
        [class: "plugins"],
        for({id, plugin} <- Enum.sort(health.plugins), do: plugin(id, plugin, page))
      ),
      for({point, guards} <- down, do: el(:p, [class: "problem"], closed(point, guards)))
    ])
  end

  defp figure(name, value), do: el(:div, [], [el(:dt, [], name), el(:dd, [], value)])

  defp plugin(id, %{status: status}, page) do
    el(:a, [class: "plugin", href: Views.url(page, "/plugin", id: Views.key(id))], [
      el(:span, [class: "name"], Views.key(id)),
      status(status)
    ])
  end

  defp status(:healthy), do: badge("healthy", :good)
  defp status(:no_answer), do: badge("no answer", :warn)
  defp status({:not_running, state}), do: state(state)
  defp status({:unhealthy, reason}), do: badge(["unhealthy: ", term(reason)], :bad)
  defp status({:crashed, reason}), do: badge(["crashed: ", term(reason)], :bad)

  @doc "Why a closed point answers no run."
  @spec closed(atom, map) :: Pipeline.Dashboard.Markup.markup()
  def closed(point, guards) do
    [
      "The point ",
      term(point),
      " refuses all runs, since its guards are down: ",
      guards |> Enum.map(fn {id, state} -> "#{term(id)} is #{term(state)}" end) |> Enum.intersperse(", "),
      "."
    ]
  end
end
