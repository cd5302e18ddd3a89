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
  @typedoc "The numbers from `low` to `high` but for some that had not arrived."
  @type past :: {:past, low :: integer, high :: integer, missing :: [pos_integer]}

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

  @doc "What the numbers of recorded events are as a past; none are if nothing was recorded."
  @spec past([pos_integer]) :: past
  def past([]), do: {:past, 1, 0, []}

  def past([low | _] = sequences) do
    {high, missing} =
      Enum.reduce(sequences, {low - 1, []}, fn sequence, {last, missing} ->
        {sequence,
         if(sequence > last + 1, do: Enum.to_list((last + 1)..(sequence - 1)) ++ missing, else: missing)}
      end)

    {:past, low, high, missing}
  end

  @spec past?(past, pos_integer) :: boolean
  def past?({:past, low, high, missing}, sequence) do
    sequence >= low and sequence <= high and sequence not in missing
  end

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
      [{_, {:past, _, _, _} = past}] -> if past?(past, sequence), do: :kept, else: :direct
      [] -> :kept
    end
  end

  @doc "For the subscriber: takes what has come in the order of its numbers, until nothing comes, and closes."
  @spec drain(id, past, (term -> term)) :: :ok
  def drain(id, past, deliver) do
    [{_, count}] = :ets.lookup(@table, {id, 0})

    for sequence <- :ets.select(@table, [{{{id, :"$1"}, :_}, [{:>, :"$1", 0}], [:"$1"]}]),
        [{_, message}] <- [:ets.take(@table, {id, sequence})],
        not past?(past, sequence) do
      deliver.(message)
    end

    closing = [{{{id, 0}, count}, [], [{{{{{:const, id}, 0}}, {:const, past}}}]}]
    if :ets.select_replace(@table, closing) == 1, do: :ok, else: drain(id, past, deliver)
  end
end
