defmodule Pipeline.Dashboard.Markup do
  @moduledoc false
  # HTML as nested calls. All text is escaped where it enters, so a view cannot forget it.

  alias Pipeline.Foreign

  @type markup :: {:safe, iodata} | String.t() | atom | number | [markup]

  @void [:input, :meta, :link, :br]

  @spec el(atom, keyword, markup) :: {:safe, iodata}
  def el(name, attributes \\ [], children \\ [])
  def el(name, attributes, _none) when name in @void, do: {:safe, open(name, attributes)}

  def el(name, attributes, children),
    do: {:safe, [open(name, attributes), iodata(children), "</", Atom.to_string(name), ">"]}

  @spec iodata(markup) :: iodata
  def iodata({:safe, iodata}), do: iodata
  def iodata(list) when is_list(list), do: Enum.map(list, &iodata/1)
  def iodata(nil), do: ""
  def iodata(text) when is_binary(text), do: text |> valid() |> escape()
  def iodata(other), do: other |> to_string() |> valid() |> escape()

  @doc "Any term as bounded text, made without foreign code."
  @spec term(term) :: String.t()
  def term(text) when is_binary(text), do: Foreign.line(text)
  def term(error) when is_exception(error), do: Foreign.exception(error)
  def term(other), do: Foreign.term(other, 12)

  @doc "A time, which the page shows in the viewer's zone."
  @spec time(DateTime.t() | nil) :: markup
  def time(nil), do: "never"

  def time(%DateTime{} = time) do
    text = time |> DateTime.truncate(:second) |> DateTime.to_iso8601()
    el(:time, [datetime: text], text)
  end

  @doc "A table in a frame that scrolls sideways, or a sentence where it has no rows."
  @spec table(String.t(), [String.t()], [[markup]], String.t()) :: markup
  def table(_label, _heads, [], empty), do: el(:p, [class: "empty"], empty)

  def table(label, heads, rows, _empty) do
    el(:div, [class: "scroll", role: "region", "aria-label": label, tabindex: "0"], [
      el(:table, [], [
        el(:thead, [], el(:tr, [], for(head <- heads, do: el(:th, [scope: "col"], head)))),
        el(:tbody, [], for(row <- rows, do: el(:tr, [], for(cell <- row, do: el(:td, [], cell)))))
      ])
    ])
  end

  @doc "A word in a frame, coloured by what it means."
  @spec badge(markup, :good | :bad | :warn | :calm) :: markup
  def badge(text, tone), do: el(:span, [class: "badge #{tone}"], text)

  @spec state(atom) :: markup
  def state(state) when state in [:started, :closed, :healthy], do: badge(state, :good)
  def state(state) when state in [:failed, :open, :unhealthy], do: badge(state, :bad)
  def state(state) when state in [:held, :draining, :loading, :half_open], do: badge(state, :warn)
  def state(state), do: badge(state, :calm)

  @spec link(String.t(), markup) :: markup
  def link(to, text), do: el(:a, [href: to], text)

  @doc "Nanoseconds for people."
  @spec duration(non_neg_integer | nil) :: String.t()
  def duration(nil), do: "–"
  def duration(ns) when ns < 1_000, do: "#{ns} ns"
  def duration(ns) when ns < 1_000_000, do: "#{Float.round(ns / 1_000, 1)} µs"
  def duration(ns) when ns < 1_000_000_000, do: "#{Float.round(ns / 1_000_000, 1)} ms"
  def duration(ns), do: "#{Float.round(ns / 1_000_000_000, 1)} s"

  defp open(name, attributes) do
    [
      "<",
      Atom.to_string(name),
      for({key, value} <- attributes, value not in [nil, false], do: attribute(key, value)),
      ">"
    ]
  end

  defp attribute(key, true), do: [" ", Atom.to_string(key)]
  defp attribute(key, value), do: [" ", Atom.to_string(key), "=\"", iodata(value), "\""]

  # Text of plugins: what changes the direction of text would make the page say something else.
  defp valid(text) do
    if String.valid?(text) and
         not (text =~ ~r/[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x{202A}-\x{202E}\x{2066}-\x{2069}]/u),
       do: text,
       else: Foreign.line(text)
  end

  defp escape(text) do
    String.replace(text, ["&", "<", ">", "\"", "'"], fn
      "&" -> "&amp;"
      "<" -> "&lt;"
      ">" -> "&gt;"
      "\"" -> "&quot;"
      "'" -> "&#39;"
    end)
  end
end
