defmodule Pipeline.Hook.Segment do
  @moduledoc false
  # Neighbouring native hooks of one library, fused: one native call runs them all over one overlay of the
  # context, and asks their circuit breakers.

  alias Pipeline.Hook.{Budget, Failure, NativeFailure, Policy, Registration}
  alias Pipeline.Native

  @enforce_keys [:kind, :library, :cost, :hooks, :reference, :single?]
  defstruct @enforce_keys

  @type t :: %__MODULE__{
          kind: :before | :replace | :after,
          library: module,
          cost: :light | :heavy,
          hooks: tuple,
          reference: reference,
          single?: boolean
        }

  @doc "Fuses hooks of one kind and library."
  @spec new([Registration.t(), ...]) :: t
  def new(hooks), do: new(hooks, false)

  @doc "The segment of one hook, whose failures are raised as those of a function are."
  @spec single(Registration.t()) :: t
  def single(hook), do: new([hook], true)

  defp new([%{kind: kind, call: %{library: library}, instance: instance} | _] = hooks, single?) do
    native = Enum.map(hooks, &native(&1, single?))

    %__MODULE__{
      kind: kind,
      library: library,
      cost: if(Enum.any?(hooks, &(&1.call.cost == :heavy)), do: :heavy, else: :light),
      hooks: List.to_tuple(hooks),
      reference: Native.Segment.new(library, kind, native, Budget.of(instance)),
      single?: single?
    }
  end

  defp native(%Registration{call: call, on_error: on_error, policies: policies}, single?) do
    on_error = if single?, do: :halt, else: on_error

    case policies do
      %{circuit: circuit} -> {call.reference, on_error, circuit.breaker}
      %{} -> {call.reference, on_error}
    end
  end

  @doc "The statistics of its runs."
  @spec stats(t) :: Native.Segment.stats()
  def stats(%__MODULE__{library: library, reference: reference}), do: Native.Segment.stats(library, reference)

  @spec fun(t) :: Policy.fun()
  def fun(%__MODULE__{kind: kind, library: library, reference: reference, cost: cost} = segment) do
    run = Native.Segment.run(library, cost)

    fn context, next ->
      case run.(reference, context) do
        {:ok, context} when kind != :replace -> next.(context)
        {:ok, value} -> value
        {:answer, _index, value} -> value
        {:declined, context} -> next.(context)
        other -> finish(other, segment, context, next)
      end
    end
  end

  defp finish({:circuits, moved, outcome}, segment, context, next) do
    for {index, transition, opened} <- moved,
        do: Policy.Circuit.report(elem(segment.hooks, index), transition, opened)

    finish(outcome, segment, context, next)
  end

  defp finish({:skipped, skipped, outcome}, segment, context, next) do
    for {index, outcome, reason} <- skipped, outcome != :not_called do
      hook = elem(segment.hooks, index)
      {kind, reason} = NativeFailure.of(hook, {outcome, reason})
      Failure.skip(hook, kind, reason, [])
    end

    # A replace hook that is skipped leaves its place to the next.
    if match?({{:ok, _unchanged}, %{kind: :replace}}, {outcome, segment}),
      do: next.(context),
      else: finish(outcome, segment, context, next)
  end

  defp finish({:ok, value}, %{kind: :replace}, _context, _next), do: value
  defp finish({:ok, context}, _segment, _context, next), do: next.(context)
  defp finish({:answer, _index, value}, _segment, _context, _next), do: value
  defp finish({:declined, context}, _segment, _context, next), do: next.(context)
  defp finish({:not_called, index, nil}, segment, _, _), do: Failure.circuit_open(elem(segment.hooks, index))

  defp finish({outcome, index, reason}, segment, _context, _next) do
    hook = elem(segment.hooks, index)

    try do
      NativeFailure.raise!(hook, {outcome, reason})
    catch
      kind, reason when not segment.single? -> Failure.pass_on(hook, kind, reason, __STACKTRACE__)
    end
  end
end
