defmodule Pipeline.Hook.Segment do
  @moduledoc false
  # Neighbouring native hooks of one library, fused: one native call runs them all over one overlay.

  alias Pipeline.Core
  alias Pipeline.Hook.{Chain, Entry, Failure, NativeError, NativeStep}

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
  @spec fuse([Entry.t()], Pipeline.Hook.kind()) :: [Entry.t() | t]
  def fuse(entries, phase) do
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
        if NativeStep.alone?(first), do: first, else: new(library, native, phase)
    end)
  end

  defp new(library, entries, phase) do
    hooks = for %Entry{call: {:native, _, _, hook, _}, on_error: on_error} <- entries, do: {hook, on_error}
    heavy? = Enum.any?(entries, &(elem(&1.call, 4) == :heavy))

    %__MODULE__{
      phase: phase,
      library: library,
      cost: if(heavy?, do: :heavy, else: :light),
      entries: List.to_tuple(entries),
      segment: Core.segment(library, phase, hooks)
    }
  end

  @spec step(t, Chain.step(), atom | nil) :: Chain.step()
  def step(%__MODULE__{phase: phase, library: library, segment: segment, cost: cost} = whole, next, instance) do
    fn context ->
      case Core.run_segment(library, segment, cost, context) do
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
      Failure.report(entry, kind, reason, [], instance)
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
