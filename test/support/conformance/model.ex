defmodule Pipeline.Conformance.Model do
  @moduledoc """
  What a chain does, written again without regard to cost and without closures: an interpreter of hooks as data, with
  failures as values.

  A hook is a map with `:plugin`, `:kind`, `:priority`, `:before`, `:after`, `:on_error` and `:act`, and the list of
  them is in the order of registration. An act is one of

    * `:pass` - calls next with its mark in front
    * `:return` - does not call next and returns its mark
    * `{:fail, failure}` - fails
    * `{:fail_after, failure}` - calls next and then fails
    * `:retry` - calls next once more if it failed
    * `:catch` - returns what next failed with, as a value

  and a failure `{:error | :exit | :throw, reason}`. A context is a list of marks, the base operation puts `:core` in
  front of it or fails.
  """

  @type failure :: {:error | :exit | :throw, term}
  @type hook :: map

  @doc "The result, the calls and the reported failures in their order."
  @spec run([hook], [atom], :core | failure) :: {term, [atom], [{atom, atom, term}]}
  def run(hooks, context, core) do
    kinds = Map.new([:around, :before, :replace, :after], &{&1, order(for(h <- hooks, h.kind == &1, do: h))})
    plan = %{kinds: kinds, core: core}
    {outcome, log} = enter([{:arounds, kinds.around}], context, plan, [])

    {result, log} = finish(outcome, log)
    log = Enum.reverse(log)
    {result, for({:call, name} <- log, do: name), for({:report, report} <- log, do: report)}
  end

  # Order, by swapping a list about: each hook with a constraint is taken out and put in again, until all is well.
  # Only sets of constraints without contradiction, where no hook that is named moves itself, are asked for here.

  @spec order([hook]) :: [hook]
  def order(hooks) do
    standing =
      hooks |> Enum.with_index() |> Enum.sort_by(fn {h, i} -> {-h.priority, i} end) |> Enum.map(&elem(&1, 0))

    {moving, still} = Enum.split_with(standing, &moves?(&1, standing))
    Enum.reduce(moving, still, &insert(&1, &2, still))
  end

  defp moves?(hook, hooks), do: Enum.any?(hooks, &(&1.plugin in (hook.before ++ hook.after)))

  # Just after the last hook that it is to follow; just before the first that it is to precede. Of several that stand
  # beside the same hook, the first in standing order stands first.
  defp insert(hook, done, still) do
    follows = for h <- still, h.plugin in hook.after, do: h
    precedes = for h <- still, h.plugin in hook.before, do: h

    if follows != [] do
      {head, [last | tail]} = Enum.split(done, index(done, List.last(follows)))
      {peers, tail} = Enum.split_while(tail, &(&1 not in still and beside(&1, still) == {:after, last}))
      head ++ [last] ++ peers ++ [hook] ++ tail
    else
      {head, tail} = Enum.split(done, index(done, hd(precedes)))
      head ++ [hook] ++ tail
    end
  end

  defp beside(hook, still) do
    case for(h <- still, h.plugin in hook.after, do: h) do
      [] -> {:before, Enum.find(still, &(&1.plugin in hook.before))}
      follows -> {:after, List.last(follows)}
    end
  end

  defp index(hooks, hook), do: Enum.find_index(hooks, &(&1 == hook))

  # Running. A stage list says what is inside; each outcome is {:value, v} or {:failed, owner, failure}.

  defp enter([{:arounds, [hook | rest]}], value, plan, log),
    do: call(hook, [{:arounds, rest}], value, plan, log)

  defp enter([{:arounds, []}], value, plan, log) do
    case enter([{:befores, plan.kinds.before}], value, plan, log) do
      {{:value, value}, log} -> enter([{:afters, plan.kinds.after}], value, plan, log)
      failed -> failed
    end
  end

  defp enter([{:befores, [hook | rest]}], value, plan, log),
    do: call(hook, [{:befores, rest}], value, plan, log)

  defp enter([{:befores, []}], value, plan, log),
    do: enter([{:replaces, plan.kinds.replace}], value, plan, log)

  defp enter([{:replaces, [hook | rest]}], value, plan, log),
    do: call(hook, [{:replaces, rest}], value, plan, log)

  defp enter([{:replaces, []}], value, %{core: :core}, log),
    do: {{:value, [:core | value]}, [{:call, :core} | log]}

  defp enter([{:replaces, []}], _value, %{core: failure}, log),
    do: {{:failed, :core, failure}, [{:call, :core} | log]}

  defp enter([{:afters, [hook | rest]}], value, plan, log),
    do: call(hook, [{:afters, rest}], value, plan, log)

  defp enter([{:afters, []}], value, _plan, log), do: {{:value, value}, log}

  defp call(hook, inside, value, plan, log) do
    log = [{:call, hook.plugin} | log]
    next = fn log -> enter(inside, [hook.plugin | value], plan, log) end

    case hook.act do
      :pass ->
        next.(log)

      :return ->
        {{:value, [hook.plugin]}, log}

      {:fail, failure} ->
        if hook.on_error == :skip,
          do: enter(inside, value, plan, report(hook, failure, log)),
          else: {{:failed, hook, failure}, report_failure(hook, failure, log)}

      {:fail_after, failure} ->
        case next.(log) do
          {{:value, _} = given, log} when hook.on_error == :skip -> {given, report(hook, failure, log)}
          {{:value, _}, log} -> {{:failed, hook, failure}, report_failure(hook, failure, log)}
          failed -> failed
        end

      :retry ->
        with {{:failed, _, _}, log} <- next.(log), do: next.(log)

      :catch ->
        with {{:failed, _, failure}, log} <- next.(log), do: {{:value, [caught(failure)]}, log}
    end
  end

  @doc "A failure as the value that `:catch` makes of it."
  @spec caught(failure) :: term
  def caught({kind, reason}), do: {:caught, kind, reason}

  # Whoever catches it. A refusal is an answer, unless the hook wants it raised.
  defp report_failure(%{on_error: on_error}, {:throw, {:hook_error, _}}, log) when on_error != :raise, do: log
  defp report_failure(hook, failure, log), do: report(hook, failure, log)

  defp report(hook, {kind, reason}, log), do: [{:report, {hook.plugin, hook.kind, seen(kind, reason)}} | log]
  defp seen(:error, message), do: %RuntimeError{message: message}
  defp seen(_kind, reason), do: reason

  defp finish({:value, value}, log), do: {{:ok, value}, log}
  # A refusal counts from anywhere in the chain.
  defp finish({:failed, :core, {:throw, {:hook_error, reason}}}, log), do: {{:error, reason}, log}
  defp finish({:failed, :core, failure}, log), do: {raised(failure), log}

  defp finish({:failed, hook, failure}, log) do
    case {hook.on_error, failure} do
      {:raise, failure} ->
        {raised(failure), log}

      {_, {:throw, {:hook_error, reason}}} ->
        {{:error, reason}, log}

      {_, {kind, reason}} ->
        {{:failed, hook.plugin, hook.kind, seen(kind, reason)}, log}
    end
  end

  defp raised({kind, reason}), do: {:raised, kind, seen(kind, reason)}
end
