defmodule Pipeline.Events.Record do
  @moduledoc false
  # The last events of an instance, in the order of their sequence numbers. The table belongs to the owner of the published state;
  # who emits writes to it.

  # `from` is the number of the last event before those that the table has had a chance to hold.
  @enforce_keys [:table, :counter, :size, :from]
  defstruct [:table, :counter, :size, :from]

  @type t :: %__MODULE__{
          table: :ets.table(),
          counter: :atomics.atomics_ref(),
          size: pos_integer,
          from: non_neg_integer
        }

  @typedoc "The record that an event went to, its number there, and microseconds since 1970."
  @type stamp :: {:atomics.atomics_ref(), pos_integer, integer}

  @type row :: {sequence :: pos_integer, time :: integer, event :: term, payload :: term}

  @behaviour Pipeline.Instance.Published

  @doc "Begins to record. Numbers go on where a record of this name that was not closed had come."
  @impl true
  def open(instance, 0), do: close(instance)

  def open(instance, size) do
    counter = if old = of(instance), do: old.counter, else: :atomics.new(1, signed: false)
    table = :ets.new(__MODULE__, [:ordered_set, :public])
    record = %__MODULE__{table: table, counter: counter, size: size, from: :atomics.get(counter, 1)}
    :persistent_term.put({__MODULE__, instance}, record)
  end

  # The table went with the process that owned it.
  @impl true
  def reopen(instance, size), do: open(instance, size)

  @impl true
  def close(instance) do
    if of(instance), do: :persistent_term.erase({__MODULE__, instance})
    :ok
  end

  @spec of(atom) :: t | nil
  def of(instance), do: :persistent_term.get({__MODULE__, instance}, nil)

  @doc "The number of the last event that somebody has begun to emit."
  @spec last(t) :: non_neg_integer
  def last(%{counter: counter}), do: :atomics.get(counter, 1)

  @spec add(t, term, term) :: stamp | nil
  def add(%{table: table, counter: counter, size: size}, event, payload) do
    sequence = :atomics.add_get(counter, 1, 1)
    time = System.system_time(:microsecond)
    :ets.insert(table, {sequence, time, event, payload})
    trim(table, sequence - size)
    {counter, sequence, time}
  rescue
    # The instance has just ended.
    ArgumentError -> nil
  end

  @doc "What is recorded, oldest first."
  @spec rows(t) :: [row]
  def rows(%{table: table, size: size}) do
    rows = :ets.tab2list(table)
    {highest, _, _, _} = List.last(rows, {0, 0, nil, nil})
    # One that was late may be there yet.
    Enum.drop_while(rows, fn {sequence, _, _, _} -> sequence <= highest - size end)
  rescue
    ArgumentError -> []
  end

  # Usually one goes for one that comes. Who was held up before it wrote leaves one more to the next.
  defp trim(table, up_to) do
    case :ets.first(table) do
      oldest when is_integer(oldest) and oldest <= up_to ->
        :ets.delete(table, oldest)
        trim(table, up_to)

      _ ->
        :ok
    end
  end
end
