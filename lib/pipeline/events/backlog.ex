defmodule Pipeline.Events.Backlog do
  @moduledoc false
  # Live events for a subscriber whose replay is still running. Emitters put events here while the backlog is
  # open. The subscriber sends them to itself, then closes the backlog by a compare-and-swap that fails if
  # another event arrived meanwhile. So each event of an emitter is in the mailbox before that emitter can
  # send the next one directly.
  #
  # An emitter records an event before it looks for subscribers; a subscriber subscribes before it reads the
  # record. So every event is in the part that the subscriber read, called the `past`, or reaches it through
  # its emitter, or both; its sequence number tells the duplicates.
  #
  # Rows: `{{id, 0}, number of events}` while open, `{{id, 0}, past}` once closed, and
  # `{{id, sequence}, message}`. The process that takes a step may be killed at any point.

  @table __MODULE__

  @type id :: reference
  @typedoc "The sequence numbers up to `last`, except those that were missing from the record."
  @type past :: {:past, last :: non_neg_integer, missing :: [pos_integer]}

  @spec create_table() :: :ok
  def create_table do
    :ets.new(@table, [:named_table, :ordered_set, :public])
    :ok
  end

  @spec open(id) :: :ok
  def open(id) do
    :ets.insert(@table, {{id, 0}, 0})
    :ok
  end

  @spec delete(id) :: :ok
  def delete(id) do
    :ets.match_delete(@table, {{id, :_}, :_})
    :ok
  end

  @doc "The past up to `last`, given the sequence numbers that were read."
  @spec past([pos_integer], non_neg_integer) :: past
  def past([], last), do: {:past, last, []}

  def past([first | _] = sequences, last) do
    {_next, missing} =
      Enum.reduce(sequences ++ [last + 1], {first, []}, fn sequence, {next, missing} ->
        {sequence + 1, if(sequence > next, do: Enum.to_list(next..(sequence - 1)) ++ missing, else: missing)}
      end)

    {:past, last, missing}
  end

  @spec past?(past, pos_integer) :: boolean
  def past?({:past, last, missing}, sequence), do: sequence <= last and sequence not in missing

  @doc """
  Called by an emitter. Returns `:kept` if the subscriber has the event or finds it in the backlog, `:full` if
  the event is dropped, and `:direct` if the emitter must send it.
  """
  @spec offer(id, pos_integer, term, pos_integer) :: :kept | :full | :direct
  def offer(id, sequence, message, limit) do
    :ets.insert(@table, {{id, sequence}, message})

    case count(id, limit) do
      {:ok, count} when count <= limit -> :kept
      {:ok, _count} -> withdraw(id, sequence, fn -> :full end)
      :closed -> withdraw(id, sequence, fn -> closed(id, sequence) end)
    end
  end

  # The count stops above the limit: otherwise emitters could keep the backlog from closing.
  defp count(id, limit) do
    {:ok, :ets.update_counter(@table, {id, 0}, {2, 1, limit, limit + 1})}
  rescue
    # The row holds the past, or the subscription ended.
    ArgumentError -> :closed
  end

  # The subscriber may have found the message before it was counted.
  defp withdraw(id, sequence, otherwise) do
    case :ets.take(@table, {id, sequence}) do
      [] -> :kept
      [_] -> otherwise.()
    end
  end

  defp closed(id, sequence) do
    case :ets.lookup(@table, {id, 0}) do
      [{_, {:past, _, _} = past}] -> if past?(past, sequence), do: :kept, else: :direct
      [] -> :kept
    end
  end

  @doc """
  Called by the subscriber. Takes the events in the order of their numbers until none is left, then closes.

  `last` returns the highest number taken by an emitter. A table is not read in one step: a read can find an
  event and miss an earlier one of the same emitter. Up to a number taken before the read, this cannot happen.
  """
  @spec drain(id, past, (() -> non_neg_integer), (term -> term)) :: :ok
  def drain(id, past, last, deliver) do
    # Every counted event has its number by now.
    [{_, count}] = :ets.lookup(@table, {id, 0})
    up_to = last.()

    for sequence <- sequences(id, up_to),
        [{_, message}] <- [:ets.take(@table, {id, sequence})],
        not past?(past, sequence) do
      deliver.(message)
    end

    closing = [{{{id, 0}, count}, [], [{{{{{:const, id}, 0}}, {:const, past}}}]}]
    if :ets.select_replace(@table, closing) == 1, do: :ok, else: drain(id, past, last, deliver)
  end

  defp sequences(id, up_to) do
    guards = [{:>, :"$1", 0}, {:"=<", :"$1", up_to}]
    :ets.select(@table, [{{{id, :"$1"}, :_}, guards, [:"$1"]}])
  end
end
