defmodule Pipeline.Conformance.Tiers do
  @moduledoc """
  Where the hooks of a case can run, and in which mixtures.

  A mixture says of each hook whether it is an Elixir function or native. The core alone is a tier of its own.
  """

  alias Pipeline.Conformance.{Case, Program}

  @typedoc "The tier of each hook, in the order of the case."
  @type mixture :: [:elixir | :native]

  # More hooks than these are not tried in every alternation.
  @all_of 5
  @some 30

  @doc "Whether it runs on `Pipeline.Hook.Manager`, which knows neither dependencies nor modes."
  @spec alone?(Case.t()) :: boolean
  def alone?(case), do: case.mode == :chain and case.depends == %{}

  @doc "Whether it runs in the core alone, which knows no `:raise` and no time."
  @spec core?(Case.t()) :: boolean
  def core?(case) do
    (case.core == nil or (is_list(case.core) and Program.core?(case.core, :core))) and
      Enum.all?(case.hooks, fn {_, kind, opts, behaviour} ->
        is_list(behaviour) and Program.core?(behaviour, kind) and opts[:on_error] != :raise and
          not Keyword.has_key?(opts, :timeout)
      end)
  end

  @doc "Every alternation of Elixir and native; of many hooks all-Elixir, all-native and some that the seed chooses."
  @spec mixtures(Case.t(), integer) :: [mixture]
  def mixtures(case, seed) do
    choices = Enum.map(case.hooks, &choices/1)

    if Enum.count(choices, &match?([_, _], &1)) <= @all_of do
      all(choices)
    else
      state = :rand.seed_s(:exsss, {seed, 5, @some})
      {some, _} = Enum.map_reduce(1..@some, state, fn _, state -> Enum.map_reduce(choices, state, &one/2) end)
      Enum.uniq([Enum.map(choices, &List.first/1), Enum.map(choices, &List.last/1) | some])
    end
  end

  @doc "One mixture of the hooks, as the process's random numbers have it."
  @spec any(Case.t()) :: mixture
  def any(case), do: Enum.map(case.hooks, &Enum.random(choices(&1)))

  @doc "Whether each hook can be what the mixture says."
  @spec fits?(Case.t(), mixture) :: boolean
  def fits?(case, mixture) do
    case.hooks |> Enum.zip(mixture) |> Enum.all?(fn {hook, tier} -> tier in choices(hook) end)
  end

  defp one(choices, state) do
    {n, state} = :rand.uniform_s(length(choices), state)
    {Enum.at(choices, n - 1), state}
  end

  defp all([]), do: [[]]
  defp all([choices | rest]), do: for(tier <- choices, mixture <- all(rest), do: [tier | mixture])

  defp choices({_, _, _, nil}), do: [:native]

  defp choices({_, kind, opts, program}) when is_list(program) do
    if Program.native?(program, kind) and not Keyword.has_key?(opts, :timeout),
      do: [:elixir, :native],
      else: [:elixir]
  end

  defp choices(_function), do: [:elixir]
end
