defmodule Pipeline.Hook.Dispatch do
  @moduledoc false
  # The way of a run to its chain: one persistent term, one count, one call, one count.
  #
  # The counts say how many runs are on a version of a chain (`Pipeline.Hook.Drain`). Their reference stays on the stack
  # of a run from its first count to its last.
  #
  # The process of a run works for the instance of the run (`Pipeline.Instance.Caller`).

  import Bitwise

  require Pipeline.Hook.Drain
  require Pipeline.Instance.Caller

  alias Pipeline.Hook.{Chain, ChainStore, Compiler, Drain, Instrumented, Selection}
  alias Pipeline.Instance.Caller

  @default Pipeline.Instance.default()

  # One run in so many is measured: the one whose place among them is the number of those before, so every 513th. Every
  # 512th would be in step with work that goes by powers of two.
  @bits 9
  @mask (1 <<< @bits) - 1

  defguardp unmeasured?(count) when count > 0 and (bxor(count, count >>> @bits) &&& @mask) != 0

  @doc """
  The key of the persistent term in which a chain is published.

  An improper list is the cheapest key of two parts: 14 ns a look-up with a head that is known, 22 with one that is not,
  where a tuple of three takes 28.
  """
  @spec key(atom, atom) :: nonempty_improper_list(atom, atom)
  def key(instance, point), do: [instance | point]

  @doc "Runs a point of the default instance without a base operation."
  @spec run(atom, term) :: Chain.result()
  def run(point, context) do
    # Not with the point as the default: to keep it over the look-up costs a tenth of a run.
    found = :persistent_term.get([@default | point], nil)

    cond do
      found == nil -> absent(@default, point, context, nil)
      Caller.in_default?() -> call(found, context, @default)
      true -> Caller.within(@default, do: call(found, context, @default))
    end
  end

  @doc "Runs a point of the default instance around a base operation."
  @spec run_around(atom, term, Compiler.step()) :: Chain.result()
  def run_around(point, context, core) do
    found = :persistent_term.get([@default | point], nil)

    cond do
      found == nil -> absent(@default, point, context, core)
      Caller.in_default?() -> around(found, context, core, @default)
      true -> Caller.within(@default, do: around(found, context, core, @default))
    end
  end

  @doc "Runs a point without a base operation."
  @spec run_of(term, atom, term) :: Chain.result()
  def run_of(@default, point, context), do: run(point, context)

  def run_of(instance, point, context) do
    found = :persistent_term.get([instance | point], nil)

    cond do
      found == nil -> absent(instance, point, context, nil)
      Caller.in?(instance) -> call(found, context, instance)
      true -> Caller.within(instance, do: call(found, context, instance))
    end
  end

  @doc "Runs a point around a base operation."
  @spec run_around_of(term, atom, term, Compiler.step()) :: Chain.result()
  def run_around_of(@default, point, context, core), do: run_around(point, context, core)

  def run_around_of(instance, point, context, core) do
    found = :persistent_term.get([instance | point], nil)

    cond do
      found == nil -> absent(instance, point, context, core)
      Caller.in?(instance) -> around(found, context, core, instance)
      true -> Caller.within(instance, do: around(found, context, core, instance))
    end
  end

  @doc "Runs some hooks of a point."
  @spec run_selected(term, atom, term, Compiler.step() | nil, Selection.t()) :: Chain.result()
  def run_selected(instance, point, context, core, selection) do
    Caller.within instance do
      selected = select(:persistent_term.get([instance | point], nil), selection)
      again = fn -> run_selected(instance, point, context, core, selection) end

      case selected do
        nil -> absent(instance, point, context, core)
        {drain, _, _, chain} -> run_once(drain, chain, context, core, again)
      end
    end
  end

  defp select(nil, _selection), do: nil
  defp select({_, _, _, _} = published, selection), do: Selection.of(published, selection)
  defp select(pending, selection), do: select(ChainStore.current(pending), selection)

  defp run_once(drain, chain, context, core, again) do
    count = Drain.begin(drain, word)

    cond do
      Drain.closed?(count) ->
        Drain.take_back(drain, word)
        again.()

      unmeasured?(count) ->
        unmeasured(drain, word, chain, context, core)

      true ->
        measured(drain, word, chain, context, core, count)
    end
  end

  defp unmeasured(drain, word, chain, context, core) do
    Instrumented.run(chain, context, core, 0)
  after
    Drain.ended(drain, word)
  end

  defp call({drain, call, _around, chain}, context, instance) do
    case Drain.begin(drain, word) do
      count when unmeasured?(count) ->
        try do
          call.(context)
        catch
          kind, reason -> failed(drain, word, kind, reason, __STACKTRACE__)
        else
          result ->
            Drain.ended(drain, word)
            result
        end

      count when Drain.closed?(count) ->
        Drain.take_back(drain, word)
        run_of(instance, chain.point, context)

      count ->
        measured(drain, word, chain, context, nil, count)
    end
  end

  # The last hook went in a change of several points that is not settled.
  defp call(nil, context, _instance), do: {:ok, context}

  defp call(pending, context, instance), do: call(ChainStore.current(pending), context, instance)

  defp around({drain, _call, around, chain}, context, core, instance) do
    case Drain.begin(drain, word) do
      count when unmeasured?(count) ->
        try do
          around.(context, core)
        catch
          kind, reason -> failed(drain, word, kind, reason, __STACKTRACE__)
        else
          result ->
            Drain.ended(drain, word)
            result
        end

      count when Drain.closed?(count) ->
        Drain.take_back(drain, word)
        run_around_of(instance, chain.point, context, core)

      count ->
        measured(drain, word, chain, context, core, count)
    end
  end

  defp around(nil, context, core, _instance), do: Compiler.alone(context, core)

  defp around(pending, context, core, instance),
    do: around(ChainStore.current(pending), context, core, instance)

  # Nothing stands there: a point without hooks, one that the spec of the instance does not declare, or no such instance.
  defp absent(instance, point, context, core) do
    ChainStore.check!(instance, point)

    cond do
      core == nil -> {:ok, context}
      Caller.in?(instance) -> Compiler.alone(context, core)
      true -> Caller.within(instance, do: Compiler.alone(context, core))
    end
  end

  defp measured(drain, word, chain, context, core, count) do
    Instrumented.run(chain, context, core, if(count > 0, do: 2, else: 1))
  after
    Drain.ended(drain, word)
  end

  defp failed(drain, word, kind, reason, stacktrace) do
    Drain.ended(drain, word)
    :erlang.raise(kind, reason, stacktrace)
  end
end
