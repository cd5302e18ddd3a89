defmodule Pipeline.Hook.Compiler do
  @moduledoc false
  # The meaning of a run: in which order the stages of a chain are called, what `next` is to each, whose
  # failure a failure is, and what the run returns.
  #
  #     around 1 ( around 2 ( … after-chain( before-chain( replace or base operation ) ) … ) )
  #
  # A chain is compiled into nested closures. Without a base operation they are nested once. With one, each
  # closure takes it as a second argument, and a run makes only the `next` of the hooks that it reaches.
  #
  # A `try` around each hook finds out whose failure it is. The outermost one also makes the result of the
  # run.
  #
  # An instrument is a function `(stage, place, fun)` that wraps the function of each stage, and of the base
  # operation (`:core`). It sees each call as the hook makes it: inside of `when:` and
  # `on_error: :skip`, and around everything else.

  alias Pipeline.Hook.{Blocking, Failure, NativeAround, NativeFailure, Policy, Registration, Segment}
  alias Pipeline.Hook.Policy.{Check, Circuit, MaxHeap, Skip, Timeout, When}
  alias Pipeline.Native

  # The policies around the call of a hook, the innermost first. A native hook that waits keeps its own time.
  @policies [max_heap: MaxHeap, timeout: Timeout, circuit: Circuit, check: Check]
  @policies_of_native [circuit: Circuit, check: Check]

  # Macros, since a function in between would cost a hook a tenth of its time.
  defmacrop called(hook, call) do
    quote do
      try do
        unquote(call)
      catch
        kind, reason -> Failure.pass_on(unquote(hook), kind, reason, __STACKTRACE__)
      end
    end
  end

  defmacrop finished(hook, call) do
    quote do
      try do
        {:ok, unquote(call)}
      catch
        kind, reason -> Failure.finish(unquote(hook), kind, reason, __STACKTRACE__)
      end
    end
  end

  defmacrop finished(call) do
    quote do
      try do
        {:ok, unquote(call)}
      catch
        kind, reason -> Failure.result(kind, reason, __STACKTRACE__)
      end
    end
  end

  @typedoc "A call of a chain: one hook, or neighbouring native hooks that are fused."
  @type stage :: Registration.t() | Segment.t()

  @type step :: (context :: term -> term)
  @type result :: {:ok, term} | {:error, term}
  @type instrument :: (stage | :core, place :: non_neg_integer, Policy.fun() -> Policy.fun())

  @doc "The stages of hooks that are in the order of a run: neighbouring native hooks of a library become one."
  @spec stages([Registration.t()]) :: [stage]
  def stages(registrations) do
    registrations
    |> Enum.chunk_by(&neighbourhood/1)
    |> Enum.map(fn
      [%Registration{policies: %{when: _}} = hook] -> single_stage(hook)
      [%Registration{policies: %{check: _}} = hook] -> single_stage(hook)
      [first | _] = neighbours -> if NativeFailure.fusible?(first), do: Segment.new(neighbours), else: first
    end)
  end

  # Of replace hooks only the first runs, and conditions and schemas are tested here, so each of these is a stage of its
  # own.
  defp neighbourhood(%Registration{kind: :replace} = hook), do: hook
  defp neighbourhood(%Registration{policies: %{when: _}} = hook), do: hook
  defp neighbourhood(%Registration{policies: %{check: _}} = hook), do: hook

  defp neighbourhood(%Registration{kind: kind} = hook),
    do: if(NativeFailure.fusible?(hook), do: {kind, hook.call.library}, else: hook)

  @doc "The same with each native hook in a stage of its own."
  @spec single_stages([Registration.t()]) :: [stage]
  def single_stages(registrations), do: Enum.map(registrations, &single_stage/1)

  defp single_stage(hook), do: if(NativeFailure.fusible?(hook), do: Segment.single(hook), else: hook)

  @doc "The hooks of a stage."
  @spec hooks(stage) :: [Registration.t()]
  def hooks(%Segment{hooks: hooks}), do: Tuple.to_list(hooks)
  def hooks(%Registration{} = hook), do: [hook]

  @doc "Compiles a chain for runs without a base operation."
  @spec call([stage]) :: (term -> result)
  def call([]), do: fn context -> {:ok, context} end
  def call(stages), do: compile(stages, :call, &Function.identity/1, nil)

  @doc "Compiles a chain for runs with any base operation."
  @spec around([stage]) :: (term, step -> result)
  def around([]), do: &alone/2
  def around(stages), do: compile(stages, :around, &guarded/2, nil)

  @doc "Runs a chain once with an instrument."
  @spec run([stage], term, step | nil, instrument) :: result
  def run(stages, context, core, instrument) do
    compile(stages, :call, instrumented(core, length(stages), instrument), instrument).(context)
  end

  @doc "Compiles one hook that has no other around it: what follows it is `next`."
  @spec single(stage, place :: non_neg_integer, step, instrument | nil) :: (term -> result)
  def single(stage, place, next, instrument), do: result(:call, ready({stage, place}, instrument), next)

  @doc "Runs a base operation that no hook is around. A refusal that it throws means the same as within a chain."
  @spec alone(term, step) :: result
  def alone(context, core) do
    {:ok, core.(context)}
  catch
    :throw, {:hook_error, reason} -> {:error, reason}
  end

  # Without the mark, the failure of a base operation would be taken for that of the hook around it.
  defp guarded(context, core), do: called(:core, core.(context))

  defp instrumented(nil, _place, _instrument), do: &Function.identity/1

  defp instrumented(core, place, instrument) do
    fun = instrument.(:core, place, fn context, _next -> guarded(context, core) end)
    fn context -> fun.(context, nil) end
  end

  defp compile(stages, form, innermost, instrument) do
    stages = stages |> Enum.with_index() |> Enum.group_by(fn {stage, _place} -> stage.kind end)

    [around, before, replace, later] =
      for kind <- [:around, :before, :replace, :after] do
        stages |> Map.get(kind, []) |> Enum.map(&ready(&1, instrument))
      end

    case {around, later} do
      {around, []} -> close(form, around ++ before ++ replace, innermost)
      {around, later} -> close(form, around, then(form, nest(form, before ++ replace, innermost), later))
    end
  end

  defp close(form, [outermost | stages], innermost),
    do: result(form, outermost, nest(form, stages, innermost))

  defp close(form, [], whole), do: result(form, {nil, nil}, whole)

  defp nest(form, stages, innermost),
    do: stages |> Enum.reverse() |> Enum.reduce(innermost, &step(form, &1, &2))

  # A stage as it is called: the hook to blame for what its function raises, and that function. Segments and
  # hooks with `on_error: :skip` mark failures themselves.
  defp ready({%Segment{single?: false} = segment, place}, instrument) do
    {nil, segment |> Segment.fun() |> instrument(segment, place, instrument)}
  end

  defp ready({%Segment{hooks: {hook}} = segment, place}, instrument) do
    fun = segment |> Segment.fun() |> check(hook) |> instrument(segment, place, instrument)
    fun = fun |> condition(hook) |> skip(hook)
    {blamed(hook), fun}
  end

  # Nothing is around it that a function of two arguments would have to be made for.
  defp ready({%Registration{call: fun, policies: policies, on_error: on_error} = hook, _place}, nil)
       when is_function(fun, 3) and policies == %{} and on_error != :skip,
       do: {hook, fun}

  defp ready({%Registration{} = hook, place}, instrument) do
    {blamed(hook),
     hook |> fun() |> govern(hook) |> instrument(hook, place, instrument) |> condition(hook) |> skip(hook)}
  end

  defp govern(fun, %Registration{call: call, policies: settings} = hook) do
    for {key, policy} <- if(is_function(call), do: @policies, else: @policies_of_native),
        %{^key => setting} <- [settings],
        reduce: fun,
        do: (fun -> policy.wrap(fun, setting, hook))
  end

  defp check(fun, %Registration{policies: %{check: schemas}} = hook), do: Check.wrap(fun, schemas, hook)
  defp check(fun, _hook), do: fun

  defp condition(fun, %Registration{policies: %{when: condition}} = hook), do: When.wrap(fun, condition, hook)
  defp condition(fun, _hook), do: fun

  defp skip(fun, %Registration{on_error: :skip} = hook), do: Skip.wrap(fun, nil, hook)
  defp skip(fun, _hook), do: fun

  defp blamed(%Registration{on_error: :skip}), do: nil
  defp blamed(hook), do: hook

  defp instrument(fun, _stage, _place, nil), do: fun
  defp instrument(fun, stage, place, instrument), do: instrument.(stage, place, fun)

  defp fun(%Registration{kind: :around, call: %Native.Hook{}} = hook), do: NativeAround.fun(hook)
  defp fun(%Registration{call: %Native.Hook{}} = hook), do: Blocking.fun(hook)
  defp fun(%Registration{call: fun, handle: handle}) when is_function(fun, 3), do: &fun.(&1, &2, handle)

  defp fun(%Registration{kind: :listen, call: fun, handle: handle}) when is_function(fun, 2),
    do: fn context, _next -> fun.(context, handle) end

  defp fun(%Registration{kind: :listen, call: fun}), do: fn context, _next -> fun.(context) end
  defp fun(%Registration{call: fun}), do: fun

  defp then(:call, inside, later) do
    rest = nest(:call, later, &Function.identity/1)
    fn context -> rest.(inside.(context)) end
  end

  defp then(:around, inside, later) do
    rest = nest(:call, later, &Function.identity/1)
    fn context, core -> rest.(inside.(context, core)) end
  end

  # One clause for runs without a base operation (`:call`), one for those with one (`:around`).
  defp step(:call, {nil, fun}, next), do: fn context -> fun.(context, next) end
  defp step(:around, {nil, fun}, next), do: fn context, core -> fun.(context, &next.(&1, core)) end

  defp step(:call, {%{handle: handle} = hook, fun}, next) when is_function(fun, 3),
    do: fn context -> called(hook, fun.(context, next, handle)) end

  defp step(:around, {%{handle: handle} = hook, fun}, next) when is_function(fun, 3),
    do: fn context, core -> called(hook, fun.(context, &next.(&1, core), handle)) end

  defp step(:call, {hook, fun}, next), do: fn context -> called(hook, fun.(context, next)) end

  defp step(:around, {hook, fun}, next),
    do: fn context, core -> called(hook, fun.(context, &next.(&1, core))) end

  defp result(:call, {nil, nil}, whole), do: fn context -> finished(whole.(context)) end
  defp result(:around, {nil, nil}, whole), do: fn context, core -> finished(whole.(context, core)) end
  defp result(:call, {nil, fun}, next), do: fn context -> finished(fun.(context, next)) end

  defp result(:around, {nil, fun}, next),
    do: fn context, core -> finished(fun.(context, &next.(&1, core))) end

  defp result(:call, {%{handle: handle} = hook, fun}, next) when is_function(fun, 3),
    do: fn context -> finished(hook, fun.(context, next, handle)) end

  defp result(:around, {%{handle: handle} = hook, fun}, next) when is_function(fun, 3),
    do: fn context, core -> finished(hook, fun.(context, &next.(&1, core), handle)) end

  defp result(:call, {hook, fun}, next), do: fn context -> finished(hook, fun.(context, next)) end

  defp result(:around, {hook, fun}, next),
    do: fn context, core -> finished(hook, fun.(context, &next.(&1, core))) end
end
