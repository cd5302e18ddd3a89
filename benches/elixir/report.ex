defmodule Bench.Report do
  @moduledoc "The results as Markdown: the table in its parts, the figures, and what they were measured on."

  alias Bench.{Machine, NativeOrElixir, Table}

  @native ~w(dispatch dispatch-per-hook work-redact work-fields)
  @scaling ~w(readers-registry readers-chain plugins-lookup plugins-order)

  @doc "`figures` are the paths of the drawn ones by name, as the report has to write them."
  @spec render([map], [Bench.Points.point()], %{String.t() => String.t()}, load :: String.t()) :: String.t()
  def render(rows, points, figures, load_before) do
    {native, rest} = Enum.split_with(rows, &(&1.section == :native))

    """
    # Measured on #{Date.utc_today()}

    #{Machine.describe()}.
    Load average #{load_before} before, #{Machine.load()} after. Both sides of a row take turns, so what else the machine did falls on
    both, and widens the 10–90 % range of the ratios of its rounds. Ratio is that of the medians; lower is better. Where the range
    spans the target, the verdict says so. Reproduce with `bin/bench`.

    ## Rows

    #{Table.render(rest)}

    ## NIF versus pure Elixir

    #{Table.render(native)}

    #{Enum.join(NativeOrElixir.sentences(points), "\n")}

    A native call has a price before its first hook does anything, and a map that was changed is written once at its end. A trivial hook
    that stands alone is better in Elixir; side by side they share that price, and each then costs less than a call of a
    closure. Where a hook has work to do that the VM has no instruction for, as in a text, native wins: all patterns are one
    automaton, and what does not change is not copied. What the VM does in C itself, as with the fields of maps, another native
    call does not make faster. Chains are measured warm: the first 1,024 runs of a point on each scheduler are timed hook by
    hook for `Pipeline.Hook.stats/2` and cost a multiple.

    #{pictures(@native, figures)}

    ## Scaling

    #{pictures(@scaling, figures)}
    """
    |> String.replace(~r/\n{3,}/, "\n\n")
  end

  defp pictures(names, figures) do
    for name <- names, path = figures[name] do
      "![#{name}](#{path})"
    end
    |> Enum.join("\n\n")
  end
end
