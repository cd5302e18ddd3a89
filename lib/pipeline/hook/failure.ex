defmodule Pipeline.Hook.Failure do
  @moduledoc false
  # Who failed. Every hook runs in a `try`. The innermost one that sees a failure marks it with its owner and raises it
  # on, otherwise unchanged, so that an outer hook can catch what was really raised. A hook further out that sees a
  # failure with its mark passes it on; one that sees a failure without has failed itself.
  #
  # The mark is one more entry in the location of the first stacktrace entry, where nobody looks for it, and goes
  # wherever the failure goes: into other processes, past other runs, and away when a hook catches it. It names what it
  # marks, since a hook may raise something of its own with the stacktrace of what it caught. Comparing failures with
  # a note kept aside is not enough: two hooks that fail in the same function can do so with equal stacktraces.

  alias Pipeline.Foreign
  alias Pipeline.Foreign.Stacktrace
  alias Pipeline.Hook.{Error, HookCounters, Registration, Sampling}
  alias Pipeline.Telemetry

  @mark :pipeline_hook

  @typedoc "A hook, one whose open circuit kept it from being called, or the base operation of the run."
  @type owner :: Registration.t() | {:not_called, Registration.t()} | :core

  @doc """
  Raises a failure on, as that of `owner` unless it comes from further in.

  A hook's failure is reported here, where it is first seen: an outer hook may catch it.
  """
  @spec pass_on(owner, :error | :exit | :throw, term, Exception.stacktrace(), atom | nil) :: no_return
  def pass_on(owner, kind, reason, stacktrace, instance) do
    if owner(kind, reason, stacktrace) do
      :erlang.raise(kind, reason, stacktrace)
    else
      seen(owner, kind, reason, stacktrace, instance)
      :erlang.raise(kind, reason, mark(stacktrace, {owner, kind, reason}))
    end
  end

  @doc """
  Ends the run in place of a hook whose circuit is open.

  The hook has not failed: nothing is counted or reported.
  """
  @spec circuit_open(Registration.t()) :: no_return
  def circuit_open(%Registration{} = entry) do
    error = circuit_error(entry)
    :erlang.raise(:error, error, mark([], {{:not_called, entry}, :error, error}))
  end

  @doc "What such a run returns."
  @spec circuit_error(Registration.t()) :: Error.t()
  def circuit_error(%Registration{} = entry), do: error(entry, :exit, :circuit_open, [])

  @doc "What a run returns whose outermost hook is `owner`. The same as raising it on and asking for the result there."
  @spec finish(Registration.t(), :error | :exit | :throw, term, Exception.stacktrace(), atom | nil) ::
          {:error, term}
  def finish(owner, kind, reason, stacktrace, instance) do
    if inner = owner(kind, reason, stacktrace) do
      result(inner, kind, reason, unmark(stacktrace))
    else
      seen(owner, kind, reason, stacktrace, instance)
      result(owner, kind, reason, stacktrace)
    end
  end

  defp seen(:core, _kind, _reason, _stacktrace, _instance), do: :ok

  # What a hook throws to end the run is an answer, unless it asked for it to be raised.
  defp seen(%Registration{on_error: on_error} = entry, :throw, {:hook_error, _}, _stacktrace, _instance)
       when on_error != :raise,
       do: HookCounters.refused(entry.tally)

  defp seen(entry, kind, reason, stacktrace, instance), do: report(entry, kind, reason, stacktrace, instance)

  @doc "Whose failure it is: `nil` if it has only just come out of a function."
  @spec owner(:error | :exit | :throw, term, Exception.stacktrace()) :: owner | nil
  def owner(kind, reason, [{_, _, _, location} | _] = stacktrace) do
    with {@mark, {owner, ^kind, marked}} <- List.keyfind(location, @mark, 0),
         true <- same?(kind, marked, reason, stacktrace) do
      owner
    else
      _ -> nil
    end
  end

  def owner(_kind, _reason, _stacktrace), do: nil

  @doc "What a run that ended in this failure returns."
  @spec result(:error | :exit | :throw, term, Exception.stacktrace()) :: {:error, term}
  def result(kind, reason, stacktrace) do
    result(owner(kind, reason, stacktrace) || :core, kind, reason, unmark(stacktrace))
  end

  defp result({:not_called, %Registration{on_error: :raise}}, kind, reason, stacktrace),
    do: :erlang.raise(kind, reason, stacktrace)

  defp result({:not_called, _entry}, _kind, error, _stacktrace), do: {:error, error}

  defp result(owner, kind, reason, stacktrace) do
    case {owner, kind, reason} do
      {%Registration{on_error: :raise} = entry, _, _} ->
        Registration.raise(entry, kind, reason, stacktrace)

      {:core, :throw, {:hook_error, refusal}} ->
        {:error, refusal}

      {%Registration{} = entry, :throw, {:hook_error, refusal}} ->
        {:error, Registration.conceal(entry, refusal)}

      {:core, _, _} ->
        :erlang.raise(kind, reason, stacktrace)

      {%Registration{} = entry, _, _} ->
        {:error, error(entry, kind, reason, stacktrace)}
    end
  end

  @doc "Counts the failure, emits the event `:hook_failed` and returns the error."
  @spec report(Registration.t(), :error | :exit | :throw, term, Exception.stacktrace(), atom) :: Error.t()
  def report(%Registration{} = entry, kind, reason, stacktrace, instance) do
    error = error(entry, kind, reason, unmark(stacktrace))
    HookCounters.failed(entry.tally)
    if instance, do: tell(entry, error, instance)
    error
  end

  # Subscribers get copies.
  defp tell(entry, error, instance) do
    Telemetry.emit([:hook, :exception], fn ->
      told = %{reason: Foreign.outline(error.reason), stacktrace: error.stacktrace}
      {%{count: 1}, Map.merge(Sampling.metadata(entry, instance), told)}
    end)

    if Pipeline.Events.heard?({:plugin, :hook_failed}, instance),
      do: Pipeline.Events.emit({:plugin, :hook_failed}, %{error: Error.outline(error)}, instance: instance),
      else: :ok
  end

  @doc "The same for a failure after which the run goes on as if the hook were not there."
  @spec skip(Registration.t(), :error | :exit | :throw, term, Exception.stacktrace(), atom) :: :ok
  def skip(%Registration{} = entry, kind, reason, stacktrace, instance) do
    error = report(entry, kind, reason, stacktrace, instance)
    HookCounters.skipped(entry.tally)
    if entry.observer, do: entry.observer.(error)
    :ok
  end

  defp error(entry, kind, reason, stacktrace) do
    %Error{
      plugin: entry.plugin,
      point: entry.point,
      kind: entry.kind,
      reason: Registration.conceal(entry, term(kind, reason, stacktrace)),
      # Arguments can be the context, and the configuration of the plugin.
      stacktrace: Stacktrace.told(stacktrace)
    }
  end

  # What was raised with an empty stacktrace gets an entry that holds the mark.
  defp mark([{module, fun, arity, location} | rest], mark) do
    [{module, fun, arity, List.keystore(location, @mark, 0, {@mark, mark})} | rest]
  end

  defp mark(_other, mark), do: mark([{Pipeline.Hook, :run, 4, []}], mark)

  defp unmark([{module, fun, arity, location} | rest]) do
    [{module, fun, arity, List.keydelete(location, @mark, 0)} | rest]
  end

  defp unmark(other), do: other

  defp same?(kind, marked, reason, stacktrace) do
    marked == reason or (kind == :error and normalized(marked, stacktrace) == normalized(reason, stacktrace))
  end

  # `rescue` turns an Erlang error into an exception struct, and a hook may raise that on with its stacktrace.
  defp normalized(reason, stacktrace), do: Foreign.normalize(reason, unmark(stacktrace))

  @doc "The reason of a failure as a `Pipeline.Hook.Error` has it."
  @spec term(:error | :exit | :throw, term, Exception.stacktrace()) :: term
  def term(:error, reason, stacktrace), do: Foreign.normalize(reason, stacktrace)
  def term(_kind, reason, _stacktrace), do: reason
end
