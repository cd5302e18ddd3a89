defmodule Pipeline.Events.Replay do
  @moduledoc false
  # Delivers recorded events to a subscriber, in its own process, before the live ones.

  alias Pipeline.Events.{Backlog, Record}

  # A subscription with a replay has a backlog and an atomic with the highest sequence number that can be in
  # the backlog or among the replayed events. One atomic read tells an emitter to send a later event directly.
  @enforce_keys [:record, :backlog, :cut]
  defstruct [:record, :backlog, :cut]

  @type t :: %__MODULE__{
          record: :atomics.atomics_ref(),
          backlog: Backlog.id(),
          cut: :atomics.atomics_ref()
        }
  @type wanted :: :all | non_neg_integer | {:since, non_neg_integer}

  @all 0x1000_0000_0000_0000

  # The longest backlog of a subscriber without a limit.
  @longest_backlog 100_000

  @spec check(term) :: {:ok, nil | wanted} | {:error, String.t()}
  def check(nil), do: {:ok, nil}
  def check(:all), do: {:ok, :all}
  def check(n) when is_integer(n) and n >= 0, do: {:ok, n}
  def check({:since, n}) when is_integer(n) and n >= 0, do: {:ok, {:since, n}}
  def check(since: n) when is_integer(n) and n >= 0, do: {:ok, {:since, n}}

  def check(other) do
    {:error, "replay: takes :all, a number of events or {:since, sequence}, got: #{inspect(other)}"}
  end

  @spec new(Record.t()) :: t
  def new(%Record{counter: counter}) do
    replay = %__MODULE__{record: counter, backlog: make_ref(), cut: :atomics.new(1, signed: true)}
    :atomics.put(replay.cut, 1, @all)
    replay
  end

  @doc "Opens the backlog. Call it before an emitter can find the subscription."
  @spec open(t) :: :ok
  def open(%{backlog: backlog}), do: Backlog.open(backlog)

  @doc "Whether the emitter must send an event to the subscriber itself, see `Backlog.offer/4`."
  @spec offer(t, Record.stamp() | nil, term, pos_integer) :: :kept | :full | :direct
  def offer(%{record: record, cut: cut, backlog: backlog}, {record, sequence, _time}, message, limit) do
    if sequence > :atomics.get(cut, 1) do
      :direct
    else
      Backlog.offer(backlog, sequence, message, min(limit, @longest_backlog))
    end
  end

  # The instance was restarted, and counts its events anew.
  def offer(_replay, _stamp, _message, _limit), do: :direct

  @doc "Delivers the wanted events. Emitters send later ones directly."
  @spec run(t, Record.t(), wanted, (Record.row() -> [message :: term])) :: :ok | {:error, :too_old | :ahead}
  def run(%{backlog: backlog, cut: cut}, record, wanted, filter) do
    # Emitters that take a number from now on find the subscription. Among events up to `last`, if one is in
    # the record, so are its emitter's earlier ones. Events that arrive while the record is read come through
    # the backlog.
    last = Record.last(record)
    all = Record.rows(record)

    with :ok <- check_since(wanted, all, record) do
      rows = for {sequence, _, _, _} = row <- all, sequence <= last, do: row
      past = rows |> Enum.map(&elem(&1, 0)) |> Backlog.past(last)
      for message <- select(wanted, rows, filter), do: send(self(), message)
      :ok = Backlog.drain(backlog, past, fn -> Record.last(record) end, &send(self(), &1))
      :atomics.put(cut, 1, last)
    end
  end

  @spec delete(t) :: :ok
  def delete(%{backlog: backlog}), do: Backlog.delete(backlog)

  defp check_since({:since, sequence}, rows, %{size: size, from: from} = record) do
    highest = rows |> List.last({0}) |> elem(0)

    cond do
      sequence > Record.last(record) -> {:error, :ahead}
      sequence < from -> {:error, :too_old}
      sequence < highest - size -> {:error, :too_old}
      true -> :ok
    end
  end

  defp check_since(_wanted, _rows, _record), do: :ok

  defp select({:since, sequence}, rows, filter) do
    for {n, _time, _event, _payload} = row <- rows, n > sequence, message <- filter.(row), do: message
  end

  defp select(:all, rows, filter), do: Enum.flat_map(rows, filter)
  defp select(n, rows, filter), do: rows |> Enum.flat_map(filter) |> Enum.take(-n)
end
