defmodule Pipeline.Hook.Chain do
  @moduledoc false
  # The hooks of one point in the order that the core gave them, and the closures made of them:
  #
  #     around 1 ( around 2 ( … after-chain( before-chain( replace or core ) ) … ) )
  #
  # The closures for a run without a base operation are built once, when the chain is published; a run that brings
  # its own base operation builds them around it.

  alias Pipeline.Hook.{Entry, Failure, Segment, Skip, TimeLimit}

  defstruct [:point, :instance, :mode, :entries, :call, declared?: false]

  @type step :: (term -> term)
  @type t :: %__MODULE__{
          point: atom,
          instance: atom | nil,
          mode: Pipeline.Hook.Spec.mode(),
          entries: [Entry.t()],
          call: step | nil,
          declared?: boolean
        }

  @spec new(atom, atom | nil, Pipeline.Hook.Spec.mode(), [Entry.t()]) :: t
  def new(point, instance, mode, entries) do
    call = if mode == :chain, do: compile(entries, &Function.identity/1, instance)
    %__MODULE__{point: point, instance: instance, mode: mode, entries: entries, call: call}
  end

  @doc "Runs the chain around a base operation, or around the identity."
  @spec run(t, term, step | nil) :: {:ok, term} | {:error, term}
  def run(%__MODULE__{mode: :chain, call: call, instance: instance}, context, nil) do
    {:ok, call.(context)}
  catch
    kind, reason -> Failure.result(kind, reason, __STACKTRACE__, instance)
  end

  def run(%__MODULE__{mode: :chain, entries: entries, instance: instance}, context, core) do
    {:ok, compile(entries, core, instance).(context)}
  catch
    kind, reason -> Failure.result(kind, reason, __STACKTRACE__, instance)
  end

  @doc "The closures of a chain around a base operation."
  @spec compile([Entry.t()], step, atom | nil) :: step
  def compile(entries, core, instance) do
    kinds = Enum.group_by(entries, & &1.kind)
    base = nest(Segment.fuse(kinds[:replace] || [], :replace), base(core), instance)
    before = nest(Segment.fuse(kinds[:before] || [], :before), base, instance)

    inner =
      case kinds[:after] do
        nil -> before
        hooks -> after_all(before, nest(Segment.fuse(hooks, :after), &Function.identity/1, instance))
      end

    nest(kinds[:around] || [], inner, instance)
  end

  defp after_all(before, rest), do: fn context -> rest.(before.(context)) end

  # A failure of the base operation is nobody's fault here; marking it as such keeps it from being taken for that of
  # the hook around it.
  defp base(core) do
    if core === (&Function.identity/1) do
      core
    else
      fn context ->
        try do
          core.(context)
        catch
          kind, reason -> Failure.pass_on(:core, kind, reason, __STACKTRACE__)
        end
      end
    end
  end

  defp nest(steps, innermost, instance) do
    steps |> Enum.reverse() |> Enum.reduce(innermost, &step(&1, &2, instance))
  end

  defp step(%Segment{} = segment, next, instance), do: Segment.step(segment, next, instance)

  defp step(%Entry{call: {:elixir, fun}} = entry, next, instance) do
    fun = if entry.timeout, do: TimeLimit.wrap(fun, entry.timeout, instance), else: fun

    case entry.on_error do
      :skip ->
        Skip.step(entry, fun, next, instance)

      _ ->
        fn context ->
          try do
            fun.(context, next)
          catch
            kind, reason -> Failure.pass_on(entry, kind, reason, __STACKTRACE__)
          end
        end
    end
  end
end
