defmodule Pipeline.Events.Record do
  @moduledoc false
  # The last events of an instance, ordered by sequence number. The table belongs to
  # `Pipeline.Instance.PublishedState`; emitters write to it.

  # `from` is the last sequence number before this table was made.
  @enforce_keys [:table, :counter, :size, :from]
  defstruct [:table, :counter, :size, :from]

  @type t :: %__MODULE__{
          table: :ets.table(),
          counter: :atomics.atomics_ref(),
          size: pos_integer,
          from: non_neg_integer
        }

  @typedoc "The counter of the record that holds the event, its sequence number, and microseconds since 1970."
  @type stamp :: {:atomics.atomics_ref(), pos_integer, integer}

  @type row :: {sequence :: pos_integer, time :: integer, event :: term, payload :: term}

  alias Pipeline.Instance.Published

  @behaviour Published

  @doc "Starts to record. Numbers continue those of an earlier record of this name that was not closed."
  @impl true
  def value(_instance, 0), do: nil

  def value(instance, size) do
    counter = if old = of(instance), do: old.counter, else: :atomics.new(1, signed: false)
    table = :ets.new(__MODULE__, [:ordered_set, :public])
    %__MODULE__{table: table, counter: counter, size: size, from: :atomics.get(counter, 1)}
  end

  # The table went with the process that owned it.
  @impl true
  def again(instance, size), do: value(instance, size)

  @spec of(atom) :: t | nil
  def of(instance), do: Published.get(instance, __MODULE__)

  @doc "The highest sequence number taken by an emitter."
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

  @doc "The recorded events, oldest first."
  @spec rows(t) :: [row]
  def rows(%{table: table, size: size}) do
    rows = :ets.tab2list(table)
    {highest, _, _, _} = List.last(rows, {0, 0, nil, nil})
    # An emitter that was held up may have added an older event.
    Enum.drop_while(rows, fn {sequence, _, _, _} -> sequence <= highest - size end)
  rescue
    ArgumentError -> []
  end

  # Usually removes one row. A delayed emitter leaves its row to the next one.
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
