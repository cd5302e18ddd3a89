defmodule Pipeline.Hook.Published do
  @moduledoc false
  # A chain as runs find it: what they need without looking into it. Each time a chain is published it becomes
  # a version with counts of its own (`Pipeline.Hook.Drain`).

  alias Pipeline.Hook.{Chain, Compiler, Drain, Instrumented}

  @type t ::
          {Drain.t(), call :: (term -> Chain.result()), around :: (term, Compiler.step() -> Chain.result()),
           Chain.t()}

  # A run that is killed leaves its version unfinished. When so many are, processes are searched for their
  # runs.
  @most_earlier 32

  @doc "The chain as a new version, in place of the standing one."
  @spec of(Chain.t(), standing :: Chain.t() | nil) :: t
  def of(%Chain{} = chain, standing), do: chain |> version(standing || chain) |> found()

  @doc "A version as runs find it."
  @spec found(Chain.t()) :: t
  def found(%Chain{} = chain) do
    case {chain.traces, chain.sampled} do
      {[], nil} ->
        {chain.drain, chain.call, chain.around, chain}

      _ ->
        call = fn context -> Instrumented.run(chain, context, nil, 0) end
        around = fn context, core -> Instrumented.run(chain, context, core, 0) end
        {chain.drain, call, around, chain}
    end
  end

  defp version(chain, %Chain{drain: nil}), do: %{chain | drain: Drain.new(nil), new?: false}

  defp version(chain, standing) do
    # No run begins on the versions before it any more.
    forget_killed(standing.earlier)
    {over, earlier} = Enum.split_with(standing.earlier, fn {drain, _plugins} -> Drain.over?(drain) end)
    begun = Enum.reduce(over, standing.begun, fn {drain, _plugins}, sum -> sum + Drain.begun(drain) end)
    drain = Drain.new(if(not chain.new?, do: standing.drain))
    %{chain | drain: drain, earlier: [hd(Chain.versions(standing)) | earlier], begun: begun, new?: false}
  end

  defp forget_killed(earlier) do
    if length(earlier) > @most_earlier, do: Drain.forget_killed(for {drain, _plugins} <- earlier, do: drain)
  end
end
