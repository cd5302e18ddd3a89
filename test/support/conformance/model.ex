defmodule Pipeline.Conformance.Model do
  @moduledoc """
  What a point does, written again without regard to cost and without closures: an interpreter of cases whose
  behaviours are programs, with failures as values.

  What is inside a hook is said by a list of the hooks that are still to come, so that to go on is to interpret that.
  """

  alias Pipeline.Conformance.{Case, ModelOrder}

  @typep failure :: {:error | :exit | :throw, term}
  @typep outcome :: {:value, term} | {:failed, owner :: map | :core, failure}

  @type told :: %{result: term, calls: [atom], reported: [Case.report()], skipped: [Case.report()]}

  @doc "The result, the calls, the reported failures, and those that did not end the run, as the core tells of them."
  @spec run(Case.t()) :: told
  def run(%Case{} = case) do
    hooks =
      for {{plugin, kind, opts, program}, id} <- Enum.with_index(case.hooks) do
        %{
          id: id,
          plugin: plugin,
          kind: kind,
          program: program,
          on_error: Keyword.get(opts, :on_error, :halt),
          priority: Keyword.get(opts, :priority, 50),
          before: List.wrap(opts[:before]),
          after: List.wrap(opts[:after])
        }
      end

    if ModelOrder.contradictory?(hooks, case.depends),
      do: %{result: {:contradiction, :any}, calls: [], reported: [], skipped: []},
      else: run(case, hooks)
  end

  defp run(case, hooks) do
    kinds =
      Map.new([:around, :before, :replace, :after, :listen], fn kind ->
        {kind, ModelOrder.order(for(h <- hooks, h.kind == kind, do: h), case.depends)}
      end)

    plan = %{kinds: kinds, core: case.core}
    {result, state} = mode(case.mode, case.context, plan, %{log: [], taken: %{}})
    log = Enum.reverse(state.log)

    %{
      result: result,
      calls: for({:call, name} <- log, do: name),
      reported: for({:report, report, _} <- log, do: report),
      skipped: for({_, report, on_error} <- log, on_error == :skip or case.mode == :notify, do: report)
    }
  end

  defp mode(:chain, context, plan, state) do
    {outcome, state} = enter({:arounds, plan.kinds.around}, context, plan, state)
    {finish(outcome), state}
  end

  defp mode(mode, context, plan, state), do: listen(mode, plan.kinds.listen, [], context, plan, state)

  # What is inside: {what is to come, the hooks of it}.

  defp enter({:arounds, [hook | rest]}, value, plan, state),
    do: call(hook, {:arounds, rest}, value, plan, state)

  defp enter({:arounds, []}, value, plan, state) do
    case enter({:befores, plan.kinds.before}, value, plan, state) do
      {{:value, value}, state} -> enter({:afters, plan.kinds.after}, value, plan, state)
      failed -> failed
    end
  end

  defp enter({:befores, [hook | rest]}, value, plan, state),
    do: call(hook, {:befores, rest}, value, plan, state)

  defp enter({:befores, []}, value, plan, state),
    do: enter({:replaces, plan.kinds.replace}, value, plan, state)

  defp enter({:replaces, [hook | rest]}, value, plan, state),
    do: call(hook, {:replaces, rest}, value, plan, state)

  defp enter({:replaces, []}, value, %{core: nil}, state), do: {{:value, value}, state}
  defp enter({:replaces, []}, value, plan, state), do: base(value, plan, state)

  defp enter({:afters, [hook | rest]}, value, plan, state),
    do: call(hook, {:afters, rest}, value, plan, state)

  defp enter({:afters, []}, value, _plan, state), do: {{:value, value}, state}

  defp base(value, plan, state) do
    {outcome, _given, state} = steps(plan.core, value, :core, nil, plan, note(state, {:call, :core}), nil)
    {outcome, state}
  end

  @spec call(map, tuple, term, map, map) :: {outcome, map}
  defp call(hook, inside, value, plan, state) do
    state = note(state, {:call, hook.plugin})

    case steps(hook.program, value, hook, inside, plan, state, nil) do
      {{:failed, ^hook, failure}, given, state} when hook.on_error == :skip ->
        state = report(hook, failure, state)
        if given, do: {given, state}, else: enter(inside, value, plan, state)

      {{:failed, ^hook, failure}, _given, state} ->
        {{:failed, hook, failure}, report(hook, failure, state)}

      {outcome, _given, state} ->
        {outcome, state}
    end
  end

  # `given` is what the last `next` gave.
  defp steps([], value, _owner, _inside, _plan, state, given), do: {{:value, value}, given, state}

  defp steps([step | rest], value, owner, inside, plan, state, given) do
    case step do
      {:first, times, step} ->
        taken = Map.get(state.taken, {owner, step}, 0)
        state = put_in(state.taken[{owner, step}], taken + 1)
        todo = if taken < times, do: [step | rest], else: rest
        steps(todo, value, owner, inside, plan, state, given)

      {:mark, mark} ->
        steps(rest, %{value | trail: value.trail ++ [mark]}, owner, inside, plan, state, given)

      {:add, field, number} ->
        value = Map.put(value, field, Map.get(value, field, 0) + number)
        steps(rest, value, owner, inside, plan, state, given)

      {:give, value} ->
        steps(rest, value, owner, inside, plan, state, given)

      :next ->
        {outcome, state} = enter(inside, value, plan, state)
        after_next(outcome, rest, owner, inside, plan, state)

      {:retry, times} ->
        {outcome, state} = retry(times, inside, value, plan, state)
        after_next(outcome, rest, owner, inside, plan, state)

      :catch ->
        case enter(inside, value, plan, state) do
          {{:failed, _, failure} = given, state} ->
            steps([{:mark, reason(failure)} | rest], value, owner, inside, plan, state, given)

          {outcome, state} ->
            after_next(outcome, rest, owner, inside, plan, state)
        end

      failing ->
        {{:failed, owner, failure(failing)}, given, state}
    end
  end

  defp after_next({:value, value} = given, rest, owner, inside, plan, state),
    do: steps(rest, value, owner, inside, plan, state, given)

  defp after_next(failed, _rest, _owner, _inside, _plan, state), do: {failed, failed, state}

  defp retry(times, inside, value, plan, state) do
    case enter(inside, value, plan, state) do
      {{:failed, _, _}, state} when times > 0 -> retry(times - 1, inside, value, plan, state)
      other -> other
    end
  end

  # Points that are no chains.

  defp listen(:first, [], [], _context, %{core: nil}, state), do: {{:ok, nil}, state}

  defp listen(:first, [], [], context, plan, state) do
    {outcome, state} = base(context, plan, state)
    {finish(outcome), state}
  end

  defp listen(:collect, [], values, _context, _plan, state), do: {{:ok, Enum.reverse(values)}, state}
  defp listen(:notify, [], _values, _context, _plan, state), do: {:ok, state}

  defp listen(mode, [hook | rest], values, context, plan, state) do
    state = note(state, {:call, hook.plugin})
    {outcome, _, state} = steps(hook.program, context, hook, nil, plan, state, nil)

    case {outcome, mode, hook.on_error} do
      {{:value, value}, :first, _} when value != nil ->
        {{:ok, value}, state}

      {{:value, value}, :collect, _} ->
        listen(mode, rest, [value | values], context, plan, state)

      {{:value, _}, _, _} ->
        listen(mode, rest, values, context, plan, state)

      {{:failed, _, failure}, mode, on_error} ->
        state = report(hook, failure, state)

        if on_error == :skip or (mode == :notify and on_error == :halt),
          do: listen(mode, rest, values, context, plan, state),
          else: {finish(outcome), state}
    end
  end

  # Failures.

  @spec failure(tuple) :: failure
  defp failure({:fail, message}), do: {:error, message}
  defp failure({:panic, message}), do: {:error, "panicked: " <> message}
  defp failure({:refuse, reason}), do: {:throw, {:hook_error, {:refused, reason}}}
  defp failure({:exit, reason}), do: {:exit, reason}
  defp failure({:throw, reason}), do: {:throw, reason}

  # The mark that `:catch` makes.
  defp reason({:throw, {:hook_error, {:refused, reason}}}), do: reason
  defp reason({:throw, {:hook_error, reason}}), do: reason
  defp reason({_kind, reason}), do: reason

  # A refusal that ends the run is an answer; one that is skipped or raised is a failure.
  defp report(hook, {_kind, reason} = failure, state) do
    what =
      if hook.on_error == :halt and match?({:throw, {:hook_error, _}}, failure), do: :answer, else: :report

    note(state, {what, {hook.plugin, hook.kind, reason}, hook.on_error})
  end

  defp note(state, entry), do: %{state | log: [entry | state.log]}

  defp finish({:value, value}), do: {:ok, value}
  defp finish({:failed, %{on_error: :raise}, {kind, reason}}), do: {:raised, kind, reason}
  # A refusal counts from anywhere in the chain.
  defp finish({:failed, _, {:throw, {:hook_error, reason}}}), do: {:error, reason}
  defp finish({:failed, :core, {kind, reason}}), do: {:raised, kind, reason}
  defp finish({:failed, hook, {_kind, reason}}), do: {:failed, hook.plugin, hook.kind, reason}
end
