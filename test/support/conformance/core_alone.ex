defmodule Pipeline.Conformance.CoreAlone do
  @moduledoc """
  Runs a case in the core alone: a chain of `pipeline_core` made of Rust closures over plain data, ordered by the core.
  """

  alias Pipeline.Conformance.{Case, Observed}

  @doc """
  What is seen of a case.

  `reported` are the failures that were skipped, as the core tells of no others; on a point with the mode `:notify`,
  where none ends the run, all of them, refusals too.
  """
  @spec run(Case.t()) :: Observed.t()
  def run(%Case{} = case) do
    {result, calls, skipped} =
      VmHooks.run_core_alone(%{
        mode: case.mode,
        hooks: Enum.map(case.hooks, &hook/1),
        dependencies: Map.to_list(case.depends),
        context: case.context,
        core: case.core,
        trail: :trail
      })

    %{result: result, calls: calls, reported: skipped}
  end

  defp hook({plugin, kind, opts, program}) do
    %{
      plugin: plugin,
      kind: kind,
      priority: Keyword.get(opts, :priority, 50),
      before: List.wrap(opts[:before]),
      after: List.wrap(opts[:after]),
      on_error: Keyword.get(opts, :on_error, :halt),
      steps: program
    }
  end
end
