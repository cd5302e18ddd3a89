defmodule Pipeline.Events.Backlog do
  @moduledoc false
  # Live events for a subscriber that is still being handed the recorded ones. Who emits an event puts it here as long as
  # the backlog is open; the subscriber sends itself what it finds and closes the backlog in the one step that is only
  # possible if nothing has come since it looked. So each of an emitter's events is in the subscriber's mailbox before
  # the emitter can send it the next one directly.
  #
  # An event is in the record before its emitter looks for subscribers, and a subscriber subscribes before it reads the
  # record: one that is not in what it read comes by way of its emitter, and one that is in it comes so too at most, and
  # is known by its number. The `past` is what was read.
  #
  # Rows: `{{id, 0}, count of events so far}`, later `{{id, 0}, past}`; `{{id, sequence}, message}`. Every step is safe
  # against the end of the process that takes it.

  @table __MODULE__

  @type id :: reference
  @typedoc "The numbers up to `last`, but for some that had not arrived."
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

  @doc "The past up to the number `last`, of which those with these numbers were read."
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
  For who emits: `:kept` if the subscriber has the event or gets it from here, `:full` if it gets it no more, `:direct` if
  it is to be sent.
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

  # Above the limit the count stands still, or emitters could keep the backlog from closing.
  defp count(id, limit) do
    {:ok, :ets.update_counter(@table, {id, 0}, {2, 1, limit, limit + 1})}
  rescue
    # No longer a number, or gone with the subscription.
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
  For the subscriber: takes what has come in the order of its numbers, until nothing comes, and closes.

  `last` tells the number of the last event that somebody has begun to emit. A table is not read in one moment: an
  emitter's next event can be found where its last one was not there yet. One with a number from before the reading has
  all earlier ones of its emitter in place.
  """
  @spec drain(id, past, (() -> non_neg_integer), (term -> term)) :: :ok
  def drain(id, past, last, deliver) do
    # All that is counted has a number by now.
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
