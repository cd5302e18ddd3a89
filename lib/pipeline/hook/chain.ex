defmodule Pipeline.Hook.Chain do
  @moduledoc false
  # The hooks of one point in the order that the core gave them, and the closures made of them:
  #
  #     around 1 ( around 2 ( … after-chain( before-chain( replace or core ) ) … ) )
  #
  # What does not depend on the base operation is made once, when the chain is published: native hooks are fused, time
  # limits wrapped, the after-chain closed. A run without a base operation also finds the rest closed; one that brings
  # its own adds a closure for each hook.

  alias Pipeline.Hook.{Entry, Failure, NativeStep, Segment, Skip, TimeLimit}

  defstruct [:point, :instance, :mode, :entries, :steps, :call, declared?: false]

  @type step :: (term -> term)

  @typedoc "Hooks ready to be closed, the innermost first; of the after hooks, the closure."
  @type steps :: %{around: [ready], before: [ready], replace: [ready], rest: step | nil}
  @type ready :: Segment.t() | {Entry.t(), function}

  @type t :: %__MODULE__{
          point: atom,
          instance: atom | nil,
          mode: Pipeline.Hook.Spec.mode(),
          entries: [Entry.t()],
          steps: steps | nil,
          call: step | nil,
          declared?: boolean
        }

  @spec new(atom, atom | nil, Pipeline.Hook.Spec.mode(), [Entry.t()]) :: t
  def new(point, instance, :chain, entries) do
    steps = prepare(entries, instance)
    call = close(steps, &Function.identity/1, instance)
    %__MODULE__{point: point, instance: instance, mode: :chain, entries: entries, steps: steps, call: call}
  end

  def new(point, instance, mode, entries) do
    %__MODULE__{point: point, instance: instance, mode: mode, entries: entries}
  end

  @doc "Runs the chain around a base operation, or around the identity."
  @spec run(t, term, step | nil) :: {:ok, term} | {:error, term}
  def run(%__MODULE__{mode: :chain} = chain, context, core) do
    call =
      if core == nil or core === (&Function.identity/1),
        do: chain.call,
        else: close(chain.steps, guard(core), chain.instance)

    {:ok, call.(context)}
  catch
    kind, reason -> Failure.result(kind, reason, __STACKTRACE__)
  end

  @doc "Runs a base operation that no chain is around. What it throws means the same as within one."
  @spec run_alone(step, term) :: {:ok, term} | {:error, term}
  def run_alone(core, context) do
    {:ok, core.(context)}
  catch
    :throw, {:hook_error, reason} -> {:error, reason}
  end

  defp prepare(entries, instance) do
    kinds = Enum.group_by(entries, & &1.kind)
    ready = fn kind -> kinds |> Map.get(kind, []) |> Segment.fuse(kind) |> Enum.map(&ready(&1, instance)) end
    rest = ready.(:after) |> Enum.reverse()

    %{
      around: Enum.reverse(ready.(:around)),
      before: Enum.reverse(ready.(:before)),
      replace: Enum.reverse(ready.(:replace)),
      rest: if(rest != [], do: nest(rest, &Function.identity/1, instance))
    }
  end

  defp ready(%Segment{} = segment, _instance), do: segment
  defp ready(%Entry{call: {:native, _, _, _, _}} = entry, _instance), do: {entry, NativeStep.fun(entry)}
  defp ready(%Entry{call: {:elixir, fun}, timeout: nil} = entry, _instance), do: {entry, fun}

  defp ready(%Entry{call: {:elixir, fun}, timeout: timeout} = entry, instance) do
    {entry, TimeLimit.wrap(fun, timeout, instance)}
  end

  defp close(steps, core, instance) do
    inner = nest(steps.before, nest(steps.replace, core, instance), instance)
    nest(steps.around, if(steps.rest, do: after_all(inner, steps.rest), else: inner), instance)
  end

  defp after_all(before, rest), do: fn context -> rest.(before.(context)) end

  # A failure of the base operation is nobody's fault here; marking it as such keeps it from being taken for that of
  # the hook around it.
  defp guard(core) do
    fn context ->
      try do
        core.(context)
      catch
        kind, reason -> Failure.pass_on(:core, kind, reason, __STACKTRACE__, nil)
      end
    end
  end

  defp nest([], inner, _instance), do: inner
  defp nest([ready | outer], inner, instance), do: nest(outer, step(ready, inner, instance), instance)

  defp step(%Segment{} = segment, next, instance), do: Segment.step(segment, next, instance)
  defp step({%Entry{on_error: :skip} = entry, fun}, next, instance), do: Skip.step(entry, fun, next, instance)

  defp step({entry, fun}, next, instance) do
    fn context ->
      try do
        fun.(context, next)
      catch
        kind, reason -> Failure.pass_on(entry, kind, reason, __STACKTRACE__, instance)
      end
    end
  end
end
