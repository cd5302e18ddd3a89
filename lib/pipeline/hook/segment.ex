defmodule Pipeline.Hook.Segment do
  @moduledoc false
  # Neighbouring native hooks of one library, fused: one native call runs them all over one overlay.

  alias Pipeline.Core
  alias Pipeline.Hook.{Budget, Chain, Entry, Failure, NativeError, NativeStep}

  defstruct [:phase, :library, :cost, :entries, :segment]

  @type t :: %__MODULE__{
          phase: :before | :replace | :after,
          library: module,
          cost: :light | :heavy,
          entries: tuple,
          segment: reference
        }

  @doc """
  Puts a segment in place of each run of native hooks of one library; each replace hook stands alone. What a segment
  cannot hold is left as it is.
  """
  @spec fuse([Entry.t()], Pipeline.Hook.kind(), atom | nil) :: [Entry.t() | t]
  def fuse(entries, phase, instance) do
    entries
    |> Enum.chunk_by(fn entry ->
      case entry.call do
        {:native, library, _, _, _} when phase != :replace ->
          if NativeStep.alone?(entry), do: make_ref(), else: library

        _ ->
          make_ref()
      end
    end)
    |> Enum.map(fn
      [%Entry{call: {:elixir, _}} = entry] ->
        entry

      [%Entry{call: {:native, library, _, _, _}} = first | _] = native ->
        if NativeStep.alone?(first), do: first, else: new(library, native, phase, Budget.of(instance))
    end)
  end

  defp new(library, entries, phase, budget) do
    hooks = for %Entry{call: {:native, _, _, hook, _}, on_error: on_error} <- entries, do: {hook, on_error}
    heavy? = Enum.any?(entries, &(elem(&1.call, 4) == :heavy))

    %__MODULE__{
      phase: phase,
      library: library,
      cost: if(heavy?, do: :heavy, else: :light),
      entries: List.to_tuple(entries),
      segment: Core.segment(library, phase, hooks, budget)
    }
  end

  @doc "A hook in a segment of its own, as a function `(context, next)` in which its failure raises."
  @spec single(Entry.t(), atom | nil) :: function
  def single(%Entry{call: {:native, library, _, hook, cost}, kind: phase} = entry, instance) do
    segment = Core.segment(library, phase, [{hook, :halt}], Budget.of(instance))
    run = Core.run_segment(library, cost)

    fn context, next ->
      case run.(segment, context) do
        {:ok, context} when phase != :replace -> next.(context)
        {:ok, value} -> value
        {:answer, _index, value} -> value
        {:declined, context} -> next.(context)
        {outcome, _index, reason} -> NativeStep.fail!(entry, {outcome, reason})
      end
    end
  end

  @doc "What is known of its runs."
  @spec stats(t) :: Core.segment_stats()
  def stats(%__MODULE__{library: library, segment: segment}), do: Core.segment_stats(library, segment)

  @spec step(t, Chain.step(), atom | nil) :: Chain.step()
  def step(%__MODULE__{phase: phase, library: library, segment: segment, cost: cost} = whole, next, instance) do
    run = Core.run_segment(library, cost)

    fn context ->
      case run.(segment, context) do
        {:ok, context} when phase != :replace -> next.(context)
        {:ok, value} -> value
        {:answer, _index, value} -> value
        {:declined, context} -> next.(context)
        other -> finish(other, whole, context, next, instance)
      end
    end
  end

  defp finish({:skipped, skipped, outcome}, whole, given, next, instance) do
    for {index, kind, reason} <- skipped do
      entry = elem(whole.entries, index)
      {kind, reason} = failure(kind, entry, reason)
      Failure.skip(entry, kind, reason, [], instance)
    end

    case {outcome, whole.phase} do
      # A replace hook that is skipped leaves its place to the next.
      {{:ok, _unchanged}, :replace} -> next.(given)
      {{:ok, context}, _phase} -> next.(context)
      {{:answer, _index, value}, _phase} -> value
      {{:declined, context}, _phase} -> next.(context)
      {other, _phase} -> finish(other, whole, given, next, instance)
    end
  end

  defp finish({outcome, index, reason}, whole, _given, _next, instance) do
    entry = elem(whole.entries, index)
    {kind, reason} = failure(outcome, entry, reason)
    {:current_stacktrace, [_ | stacktrace]} = Process.info(self(), :current_stacktrace)
    Failure.pass_on(entry, kind, reason, stacktrace, instance)
  end

  defp failure(:refused, _entry, reason), do: {:throw, {:hook_error, reason}}

  defp failure(:failed, %Entry{call: {:native, library, name, _, _}}, message) do
    {:error, %NativeError{hook: {library, name}, message: message}}
  end
end
