defmodule Pipeline.Hook.Failure do
  @moduledoc false
  # Who failed. Every hook runs in a `try`. The innermost one that sees a failure notes its owner beside it, in the
  # process dictionary, and raises it on unchanged, so that an outer hook can catch what was really raised. A hook
  # further out that sees a failure that is noted passes it on; one that sees another has failed itself.
  #
  # A run leaves the notes as it found them: those of a run around it are still needed, and a note that outlives its
  # run would put the blame for a later, equal failure on the wrong hook.

  alias Pipeline.Hook.{Entry, Error}

  @key :"$pipeline_hook_failure"

  @typedoc "A hook, or the base operation of the run."
  @type owner :: Entry.t() | :core

  @typep note :: {owner, :error | :exit | :throw, term, Exception.stacktrace()}
  @typedoc "The notes that a run found."
  @opaque notes :: [note] | nil

  # A hook that tries again and again fails with a new reason each time; it raises on one of the last.
  @kept 16

  @doc "The notes as they stand when a run begins."
  @spec notes() :: notes
  def notes, do: Process.get(@key)

  @doc "Drops the notes of the run that found these."
  @spec restore(notes) :: :ok
  def restore(found) do
    case {Process.get(@key), found} do
      {same, same} -> :ok
      {_, nil} -> Process.delete(@key)
      {_, _} -> Process.put(@key, found)
    end

    :ok
  end

  @doc "Raises a failure on, as that of `owner` unless it was noted further in."
  @spec pass_on(owner, :error | :exit | :throw, term, Exception.stacktrace()) :: no_return
  def pass_on(owner, kind, reason, stacktrace) do
    if noted?(kind, reason, stacktrace),
      do: :erlang.raise(kind, reason, stacktrace),
      else: raise_own(owner, kind, reason, stacktrace)
  end

  @doc "Raises a failure on that is known to be that of `owner`, since nothing runs further in."
  @spec raise_own(owner, :error | :exit | :throw, term, Exception.stacktrace()) :: no_return
  def raise_own(owner, kind, reason, stacktrace) do
    notes = Process.get(@key) || []
    Process.put(@key, Enum.take([{owner, kind, reason, stacktrace} | notes], @kept))
    :erlang.raise(kind, reason, stacktrace)
  end

  @doc "Whether this very failure was noted further in, and so comes out of `next` and not from the hook itself."
  @spec noted?(:error | :exit | :throw, term, Exception.stacktrace()) :: boolean
  def noted?(kind, reason, stacktrace), do: owner(kind, reason, stacktrace) != nil

  @doc "Who has failed so, as far as it was noted."
  @spec owner(:error | :exit | :throw, term, Exception.stacktrace()) :: owner | nil
  def owner(kind, reason, stacktrace) do
    Enum.find_value(Process.get(@key) || [], fn
      {owner, ^kind, noted, ^stacktrace} -> if same?(kind, noted, reason, stacktrace), do: owner
      _ -> nil
    end)
  end

  @doc "What a run that found `notes` and ended in this failure returns. Reports the failure of a hook."
  @spec result(:error | :exit | :throw, term, Exception.stacktrace(), notes, atom) :: {:error, term}
  def result(kind, reason, stacktrace, notes, instance) do
    owner = owner(kind, reason, stacktrace) || :core
    restore(notes)

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
