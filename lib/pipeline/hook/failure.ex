defmodule Pipeline.Hook.Failure do
  @moduledoc false
  # Who failed. Every hook runs in a `try`. The innermost one that sees a failure notes its owner beside it, in the
  # process dictionary, and raises it on unchanged, so that an outer hook can catch what was really raised. A hook
  # further out that sees a failure that is noted passes it on; one that sees another has failed itself.
  #
  # A run that fails takes its notes along and leaves those of a run around it. A run whose hooks caught a failure
  # and that went well leaves the note behind: clearing it would cost every run that goes well some 40 %. So a note
  # counts only for hooks that its owner can stand further in than, and only the last few are kept.

  alias Pipeline.Hook.{Entry, Error}

  @key :"$pipeline_hook_failure"

  @typedoc "A hook, or the base operation of the run."
  @type owner :: Entry.t() | :core

  # More than one, since a hook may try again, fail otherwise, and raise on what it caught first.
  @kept 8

  @doc "Raises a failure on, as that of the hook unless it was noted further in."
  @spec pass_on(Entry.t(), :error | :exit | :throw, term, Exception.stacktrace()) :: no_return
  def pass_on(entry, kind, reason, stacktrace) do
    if noted?(entry, kind, reason, stacktrace),
      do: :erlang.raise(kind, reason, stacktrace),
      else: raise_own(entry, kind, reason, stacktrace)
  end

  @doc "Raises a failure on that is known to be that of `owner`."
  @spec raise_own(owner, :error | :exit | :throw, term, Exception.stacktrace()) :: no_return
  def raise_own(owner, kind, reason, stacktrace) do
    Process.put(@key, Enum.take([{owner, kind, reason, stacktrace} | notes()], @kept))
    :erlang.raise(kind, reason, stacktrace)
  end

  @doc "Whether this very failure was noted further in, and so comes out of `next` and not from the hook itself."
  @spec noted?(Entry.t(), :error | :exit | :throw, term, Exception.stacktrace()) :: boolean
  def noted?(entry, kind, reason, stacktrace) do
    Enum.any?(notes(), &(same?(&1, kind, reason, stacktrace) and inside?(elem(&1, 0), entry)))
  end

  @doc "Who has failed so, as far as it was noted."
  @spec owner(:error | :exit | :throw, term, Exception.stacktrace()) :: owner | nil
  def owner(kind, reason, stacktrace) do
    with {owner, _, _, _} <- Enum.find(notes(), &same?(&1, kind, reason, stacktrace)), do: owner
  end

  @doc "What a run that ended in this failure returns. Reports the failure of a hook."
  @spec result(:error | :exit | :throw, term, Exception.stacktrace(), atom) :: {:error, term}
  def result(kind, reason, stacktrace, instance) do
    owner = owner(kind, reason, stacktrace) || :core
    forget(kind, reason, stacktrace)

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

  defp notes, do: Process.get(@key) || []

  # The note of the failure, and what was noted since: it belongs to the same run, or to one inside it.
  defp forget(kind, reason, stacktrace) do
    case Enum.drop_while(notes(), &(not same?(&1, kind, reason, stacktrace))) do
      [_note] -> Process.delete(@key)
      [_note | earlier] -> Process.put(@key, earlier)
      [] -> :ok
    end
  end

  defp same?({_owner, kind, noted, stacktrace}, kind, reason, stacktrace) do
    noted == reason or (kind == :error and normalized(noted, stacktrace) == normalized(reason, stacktrace))
  end

  defp same?(_note, _kind, _reason, _stacktrace), do: false

  # `rescue` turns an Erlang error into an exception struct, and a hook may raise that on with its stacktrace.
  defp normalized(reason, stacktrace), do: Exception.normalize(:error, reason, stacktrace)

  # Whether a failure of the first can come out of the second's `next`.
  defp inside?(:core, entry), do: entry.kind != :after

  defp inside?(%Entry{} = owner, %Entry{} = entry) do
    owner.point == entry.point and owner.registration != entry.registration and
      owner.kind in inside(entry.kind)
  end

  defp inside(:around), do: [:around, :before, :replace, :after]
  defp inside(:before), do: [:before, :replace]
  defp inside(:replace), do: [:replace]
  defp inside(:after), do: [:after]

  defp term(:error, reason, stacktrace), do: Exception.normalize(:error, reason, stacktrace)
  defp term(_kind, reason, _stacktrace), do: reason
end
