defmodule Pipeline.Conformance.Shrink do
  @moduledoc """
  Makes a random case that fails smaller, as long as it fails, and writes it down for the suite.
  """

  alias Pipeline.Conformance.{Case, Tiers}

  @typedoc "A case, and the tier of each of its hooks."
  @type tried :: {Case.t(), Tiers.mixture()}

  @doc "The smallest case to be had by leaving parts out for which `fails?` still holds."
  @spec run(tried, (tried -> boolean)) :: tried
  def run(tried, fails?) do
    case Enum.find(smaller(tried), fails?) do
      nil -> tried
      found -> run(found, fails?)
    end
  end

  @doc "A case as it can be put among those of `Pipeline.Conformance.Cases`."
  @spec to_source(Case.t(), %{result: term, calls: [atom], reported: [Case.report()]}) :: String.t()
  def to_source(case, expected) do
    fields = [
      hooks: case.hooks,
      depends: case.depends,
      mode: case.mode,
      context: case.context,
      core: case.core,
      expect: expected.result,
      calls: expected.calls,
      reported: expected.reported
    ]

    lines = for {name, value} <- fields, do: "  #{name}: #{inspect(value, limit: :infinity)}"
    "a(#{inspect(case.name)},\n#{Enum.join(lines, ",\n")}\n)"
  end

  defp smaller({case, mixture}) do
    places = Enum.with_index(case.hooks)

    without =
      for {_, n} <- places, do: {%{case | hooks: List.delete_at(case.hooks, n)}, List.delete_at(mixture, n)}

    plainer = for {:native, n} <- Enum.with_index(mixture), do: {case, List.replace_at(mixture, n, :elixir)}
    shorter = for {hook, n} <- places, less <- less(hook), do: {put_hook(case, n, less), mixture}
    base = for core <- less_core(case.core), do: {%{case | core: core}, mixture}
    free = for {plugin, _} <- case.depends, do: {%{case | depends: Map.delete(case.depends, plugin)}, mixture}

    Enum.filter(without ++ plainer ++ shorter ++ base ++ free, fn {case, mixture} ->
      Tiers.fits?(case, mixture)
    end)
  end

  defp put_hook(case, n, hook), do: %{case | hooks: List.replace_at(case.hooks, n, hook)}

  defp less({plugin, kind, opts, program}) do
    for({key, _} <- opts, do: {plugin, kind, Keyword.delete(opts, key), program}) ++
      for less <- without_one(program), do: {plugin, kind, opts, less}
  end

  defp less_core(nil), do: []
  defp less_core(core), do: [nil | without_one(core)]

  defp without_one(program), do: for({_, n} <- Enum.with_index(program), do: List.delete_at(program, n))
end
