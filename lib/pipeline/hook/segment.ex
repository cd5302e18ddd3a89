defmodule Pipeline.Hook.Segment do
  @moduledoc false
  # Neighbouring native hooks of one library, fused: one native call runs them all over one overlay, and asks their
  # circuits.

  alias Pipeline.Hook.{Budget, Chain, Circuit, Failure, NativeError, NativeStep, Registration}

  alias Pipeline.Native

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
  @spec fuse([Registration.t()], Pipeline.Hook.kind(), atom | nil) :: [Registration.t() | t]
  def fuse(entries, phase, instance) do
    entries
    |> Enum.chunk_by(fn entry ->
      case entry.call do
        %Native.Hook{library: library} when phase != :replace ->
          if NativeStep.alone?(entry), do: make_ref(), else: library

        _ ->
          make_ref()
      end
    end)
    |> Enum.map(fn
      [%Registration{call: fun} = entry] when is_function(fun) ->
        entry

      [%Registration{call: %Native.Hook{library: library}} = first | _] = native ->
        if NativeStep.alone?(first), do: first, else: new(library, native, phase, Budget.of(instance))
    end)
  end

  defp new(library, entries, phase, budget) do
    heavy? = Enum.any?(entries, &(&1.call.cost == :heavy))

    %__MODULE__{
      phase: phase,
      library: library,
      cost: if(heavy?, do: :heavy, else: :light),
      entries: List.to_tuple(entries),
      segment: Native.Segment.new(library, phase, Enum.map(entries, &hook/1), budget)
    }
  end

  defp hook(%Registration{call: hook, on_error: on_error, circuit: nil}), do: {hook.reference, on_error}

  defp hook(%Registration{call: hook, on_error: on_error, circuit: circuit}),
    do: {hook.reference, on_error, circuit.breaker}

  @doc "What is known of its runs."
  @spec stats(t) :: Native.Segment.stats()
  def stats(%__MODULE__{library: library, segment: segment}), do: Native.Segment.stats(library, segment)

  @spec step(t, Chain.step(), atom | nil) :: Chain.step()
  def step(%__MODULE__{phase: phase, library: library, segment: segment, cost: cost} = whole, next, instance) do
    run = Native.Segment.run(library, cost)

    fn context ->
      case run.(segment, context) do
        {:ok, context} when phase != :replace -> next.(context)
        {:ok, value} -> value
        {:answer, _index, value} -> value
        {:declined, context} -> next.(context)
        other -> finish(other, whole, {context, next, instance})
      end
    end
  end

  # `run` is what the segment was called with.
  defp finish({:circuits, moved, outcome}, whole, {_context, _next, instance} = run) do
    for {index, transition, opened} <- moved,
        do: Circuit.tell(elem(whole.entries, index), transition, opened, instance)

    finish(outcome, whole, run)
  end

  # A replace hook that is skipped leaves its place to the next.
  defp finish(
         {:skipped, skipped, {:ok, _unchanged}},
         %{phase: :replace} = whole,
         {context, _, instance} = run
       ) do
    skip(skipped, whole, instance)
    finish({:declined, context}, whole, run)
  end

  defp finish({:skipped, skipped, outcome}, whole, {_context, _next, instance} = run) do
    skip(skipped, whole, instance)
    finish(outcome, whole, run)
  end

  defp finish({:ok, value}, %{phase: :replace}, _run), do: value
  defp finish({:ok, context}, _whole, {_, next, _}), do: next.(context)
  defp finish({:answer, _index, value}, _whole, _run), do: value
  defp finish({:declined, context}, _whole, {_, next, _}), do: next.(context)
  defp finish({:not_called, index, nil}, whole, _run), do: Failure.circuit_open(elem(whole.entries, index))

  defp finish({outcome, index, reason}, whole, {_context, _next, instance}) do
    entry = elem(whole.entries, index)
    {kind, reason} = failure(outcome, entry, reason)
    {:current_stacktrace, [_ | stacktrace]} = Process.info(self(), :current_stacktrace)
    Failure.pass_on(entry, kind, reason, stacktrace, instance)
  end

  defp skip(skipped, whole, instance) do
    for {index, outcome, reason} <- skipped do
      entry = elem(whole.entries, index)

      if outcome == :not_called do
        Circuit.left_out(entry)
      else
        {kind, reason} = failure(outcome, entry, reason)
        Failure.skip(entry, kind, reason, [], instance)
      end
    end
  end

  defp failure(:refused, _entry, reason), do: {:throw, {:hook_error, reason}}

  defp failure(:failed, %Registration{call: %Native.Hook{library: library, name: name}}, message) do
    {:error, %NativeError{hook: {library, name}, message: message}}
  end
end
