defmodule Pipeline.Hook.Failure do
  @moduledoc false
  # Who failed. Every hook runs in a `try`. The innermost one that sees a failure notes its owner beside it, in the
  # process dictionary, and raises it on unchanged, so that an outer hook can catch what was really raised. A hook
  # further out that sees the very same failure passes it on; one that sees another failure than the one noted has
  # failed itself.

  alias Pipeline.Hook.{Entry, Error}

  @key :"$pipeline_hook_failure"

  @typedoc "A hook, or the base operation of the run."
  @type owner :: Entry.t() | :core

  @spec pass_on(owner, :error | :exit | :throw, term, Exception.stacktrace()) :: no_return
  def pass_on(owner, kind, reason, stacktrace) do
    unless noted?(kind, reason, stacktrace), do: Process.put(@key, {owner, kind, reason, stacktrace})
    :erlang.raise(kind, reason, stacktrace)
  end

  @doc "Whether this very failure was noted further in, and so comes out of `next` and not from the hook itself."
  @spec noted?(:error | :exit | :throw, term, Exception.stacktrace()) :: boolean
  def noted?(kind, reason, stacktrace) do
    case Process.get(@key) do
      {_owner, ^kind, noted, ^stacktrace} -> same?(kind, noted, reason, stacktrace)
      _ -> false
    end
  end

  @doc "What a run that ended in this failure returns. Reports the failure of a hook."
  @spec result(:error | :exit | :throw, term, Exception.stacktrace(), atom) :: {:error, term}
  def result(kind, reason, stacktrace, instance) do
    owner = if noted?(kind, reason, stacktrace), do: elem(Process.get(@key), 0), else: :core
    Process.delete(@key)

    case {owner, kind, reason} do
      {%Entry{on_error: :raise} = entry, _, _} ->
        report(entry, kind, reason, stacktrace, instance)
        :erlang.raise(kind, reason, stacktrace)

      {_, :throw, {:hook_error, refusal}} ->
        {:error, refusal}

      {:core, _, _} ->
        :erlang.raise(kind, reason, stacktrace)

      {%Entry{} = entry, _, _} ->
        {:error, report(entry, kind, reason, stacktrace, instance)}
    end
  end

  @doc "Emits the event `:hook_failed` and returns the error."
  @spec report(Entry.t(), :error | :exit | :throw, term, Exception.stacktrace(), atom) :: Error.t()
  def report(%Entry{} = entry, kind, reason, stacktrace, instance) do
    error = %Error{
      plugin: entry.plugin,
      point: entry.point,
      kind: entry.kind,
      reason: term(kind, reason, stacktrace),
      stacktrace: stacktrace
    }

    if instance, do: Pipeline.Events.emit({:plugin, :hook_failed}, %{error: error}, instance: instance)
    error
  end

  # `rescue` turns an Erlang error into an exception struct, and a hook may raise that on with its stacktrace.
  defp same?(:error, noted, reason, stacktrace) do
    noted == reason or
      Exception.normalize(:error, noted, stacktrace) == Exception.normalize(:error, reason, stacktrace)
  end

  defp same?(_kind, noted, reason, _stacktrace), do: noted == reason

  defp term(:error, reason, stacktrace), do: Exception.normalize(:error, reason, stacktrace)
  defp term(_kind, reason, _stacktrace), do: reason
end
