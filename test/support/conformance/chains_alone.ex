defmodule Pipeline.Conformance.ChainsAlone do
  @moduledoc """
  Runs a case on `Pipeline.Hook.Manager`.
  """

  alias Pipeline.Conformance.{Case, Native, Observed, Tiers}
  alias Pipeline.Hook.Manager

  @point :chain

  @doc "What is seen of a case in one mixture of tiers; nothing is reported, there being no instance."
  @spec run(Case.t(), Tiers.mixture()) :: Observed.t()
  def run(case, mixture) do
    case.hooks
    |> Enum.zip(mixture)
    |> Enum.reduce(Manager.new(), &register/2)
    |> run_point(case)
  rescue
    error in ArgumentError -> %{result: {:contradiction, error.message}, calls: [], reported: []}
  end

  defp run_point(manager, case) do
    core = Observed.core(case)

    Observed.run(@point, fn ->
      if core,
        do: Manager.run(manager, @point, case.context, core),
        else: Manager.run(manager, @point, case.context)
    end)
  end

  defp register({{plugin, kind, opts, _} = hook, :native}, manager) do
    {native, opts} = Keyword.split(Native.options(hook) ++ opts, [:native, :config])
    hook = {:native, native[:native], native[:config]}
    Manager.register(manager, @point, hook, [kind: kind, plugin: plugin] ++ opts)
  end

  defp register({{plugin, kind, opts, behaviour}, :elixir}, manager) do
    test = self()
    hook = fn context, next -> Observed.traced(test, plugin, behaviour, context, next) end
    Manager.register(manager, @point, hook, [kind: kind, plugin: plugin] ++ opts)
  end
end
