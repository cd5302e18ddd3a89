defmodule Pipeline.Hook.Failure do
  @moduledoc false
  # Whose failure it is. Every hook runs in a `try`. The innermost one that sees a failure marks it with its
  # owner and raises it again, otherwise unchanged, so that an outer hook can catch the original exception. A
  # hook that sees a marked failure passes it on. A hook that sees one without a mark has failed itself.
  #
  # The mark is an additional key in the location of the first stacktrace entry, so it goes wherever the
  # failure goes. It contains kind and reason of the failure, since a hook may raise another failure with the
  # stacktrace of one that it caught. See docs/decisions/0003-who-failed.md.

  alias Pipeline.{Events, Foreign, Telemetry}
  alias Pipeline.Foreign.Stacktrace
  alias Pipeline.Hook.{Error, HookCounters, Registration, Sampling, SkipLog}

  @mark :pipeline_hook

  @typedoc "A hook, a hook that was not called since its circuit is open, or the base operation of the run."
  @type owner :: Registration.t() | {:not_called, Registration.t()} | :core

  @type kind :: :error | :exit | :throw

  @doc """
  Raises a failure again, as that of `owner` unless it is marked already.

  The failure of a hook is counted and reported here, where it is first seen: an outer hook may catch it.
  """
  @spec pass_on(Registration.t() | :core, kind, term, Exception.stacktrace()) :: no_return
  def pass_on(owner, kind, reason, stacktrace) do
    if owner(kind, reason, stacktrace) do
      :erlang.raise(kind, reason, stacktrace)
    else
      seen(owner, kind, reason, stacktrace)
      :erlang.raise(kind, reason, mark(stacktrace, {owner, kind, reason}))
    end
  end

  @doc """
  Ends the run in place of a hook whose circuit is open.

  The hook has not failed, so nothing is counted or reported.
  """
  @spec circuit_open(Registration.t()) :: no_return
  def circuit_open(%Registration{} = hook) do
    error = error(hook, :exit, :circuit_open, [])
    :erlang.raise(:error, error, mark([], {{:not_called, hook}, :error, error}))
  end

  @doc "The result of a run whose outermost hook is `owner`."
  @spec finish(Registration.t(), kind, term, Exception.stacktrace()) :: {:error, term}
  def finish(owner, kind, reason, stacktrace) do
    if inner = owner(kind, reason, stacktrace) do
      result(inner, kind, reason, unmark(stacktrace))
    else
      seen(owner, kind, reason, stacktrace)
      result(owner, kind, reason, stacktrace)
    end
  end

  @doc "The result of a run that ended in this failure."
  @spec result(kind, term, Exception.stacktrace()) :: {:error, term}
  def result(kind, reason, stacktrace) do
    result(owner(kind, reason, stacktrace) || :core, kind, reason, unmark(stacktrace))
  end

  defp result({:not_called, %{on_error: on_error}}, _kind, error, _stacktrace) when on_error != :raise,
    do: {:error, error}

  defp result(%Registration{on_error: :raise} = hook, kind, reason, stacktrace),
    do: Registration.raise(hook, kind, reason, stacktrace)

  defp result(%Registration{} = hook, :throw, {:hook_error, refusal}, _stacktrace),
    do: {:error, Registration.conceal(hook, refusal)}

  defp result(_owner, :throw, {:hook_error, refusal}, _stacktrace), do: {:error, refusal}

  defp result(%Registration{} = hook, kind, reason, stacktrace),
    do: {:error, error(hook, kind, reason, stacktrace)}

  defp result(_owner, kind, reason, stacktrace), do: :erlang.raise(kind, reason, stacktrace)

  defp seen(:core, _kind, _reason, _stacktrace), do: :ok

  # A refusal is an answer, unless the hook asked for it to be raised.
  defp seen(%Registration{on_error: on_error} = hook, :throw, {:hook_error, _}, _stacktrace)
       when on_error != :raise,
       do: HookCounters.refused(hook.counters)

  defp seen(hook, kind, reason, stacktrace), do: report(hook, kind, reason, stacktrace)

  @doc "Counts and reports a failure after which the run goes on as if the hook were not there."
  @spec skip(Registration.t(), kind, term, Exception.stacktrace()) :: :ok
  def skip(%Registration{} = hook, kind, reason, stacktrace) do
    report(hook, kind, reason, stacktrace)
    SkipLog.note(hook, kind, reason, unmark(stacktrace))
    HookCounters.skipped(hook.counters)
  end

  defp report(%Registration{instance: instance} = hook, kind, reason, stacktrace) do
    HookCounters.failed(hook.counters)

    if instance, do: tell(hook, kind, reason, stacktrace), else: :ok
  end

  # Others get copies, so they are told nothing that grows with the context.
  defp tell(%Registration{instance: instance} = hook, kind, reason, stacktrace) do
    heard? = Events.heard?({:plugin, :hook_failed}, instance)

    if heard? or Telemetry.there?() do
      error = Error.outline(error(hook, kind, reason, unmark(stacktrace)))
      if heard?, do: Events.emit({:plugin, :hook_failed}, %{error: error}, instance: instance)

      Telemetry.emit([:hook, :exception], fn ->
        told = %{reason: error.reason, stacktrace: error.stacktrace}
        {%{count: 1}, Map.merge(Sampling.metadata(hook, instance), told)}
      end)
    end

    :ok
  end

  @doc "The owner of a failure, `nil` if it has only just come out of a function."
  @spec owner(kind, term, Exception.stacktrace()) :: owner | nil
  def owner(kind, reason, [{_, _, _, location} | _] = stacktrace) do
    with {@mark, {owner, ^kind, marked}} <- List.keyfind(location, @mark, 0),
         true <- same?(kind, marked, reason, stacktrace) do
      owner
    else
      _ -> nil
    end
  end

  def owner(_kind, _reason, _stacktrace), do: nil

  @doc "The reason of a failure as a `Pipeline.Hook.Error` has it."
  @spec term(kind, term, Exception.stacktrace()) :: term
  def term(:error, reason, stacktrace), do: Foreign.normalize(reason, stacktrace)
  def term(_kind, reason, _stacktrace), do: reason

  defp error(hook, kind, reason, stacktrace) do
    %Error{
      plugin: hook.plugin,
      point: hook.point,
      kind: hook.kind,
      reason: Registration.conceal(hook, term(kind, reason, stacktrace)),
      # Arguments can be the context, and the configuration of the plugin.
      stacktrace: Stacktrace.told(stacktrace)
    }
  end

  # An empty stacktrace gets an entry to hold the mark.
  defp mark([{module, fun, arity, location} | rest], mark) do
    [{module, fun, arity, List.keystore(location, @mark, 0, {@mark, mark})} | rest]
  end

  defp mark(_other, mark), do: mark([{__MODULE__, :pass_on, 4, []}], mark)

  defp unmark([{module, fun, arity, location} | rest]) do
    [{module, fun, arity, List.keydelete(location, @mark, 0)} | rest]
  end

  defp unmark(other), do: other

  # `rescue` turns an Erlang error into an exception, and a hook may raise that again with its stacktrace.
  defp same?(kind, marked, reason, stacktrace) do
    marked == reason or (kind == :error and normalized(marked, stacktrace) == normalized(reason, stacktrace))
  end

  defp normalized(reason, stacktrace), do: Foreign.normalize(reason, unmark(stacktrace))
end
