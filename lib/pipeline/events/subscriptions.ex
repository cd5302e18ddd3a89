defmodule Pipeline.Events.Subscriptions do
  @moduledoc false
  # The subscriptions of all instances, and the delivery of events to them.
  #
  # This supervisor owns the tables, so they outlive the server that writes them. Emitters read them:
  #
  #   * subscriptions: a row `{{instance, event}, target}` for one event, `{[instance], target}` for a pattern. The name of
  #     an instance is any term, such as a pair, so the two kinds of keys have different types
  #   * subscribers: a row `{pid, credit, subscription rows}` for a process

  use Supervisor

  alias Pipeline.Events.{Backlog, Credit, Pattern, Record, Replay, Server, Subscription}

  @table __MODULE__

  @typedoc "Where to send an event, and in which form."
  @type target :: {pid, Credit.t(), meta? :: boolean, nil | Pattern.t(), nil | Replay.t()}
  @type row :: {key :: term, target}

  @spec start_link(term) :: Supervisor.on_start()
  def start_link(_opts), do: Supervisor.start_link(__MODULE__, [], name: __MODULE__)

  @impl Supervisor
  def init([]) do
    :ets.new(@table, [:named_table, :duplicate_bag, :public, read_concurrency: true])
    Server.create_table()
    Backlog.create_table()
    # The server keeps all its state in the tables, so a restart loses nothing.
    Supervisor.init([Server], strategy: :one_for_one, max_restarts: 10, max_seconds: 5)
  end

  @spec row(Subscription.t(), pid, Credit.t(), nil | Replay.t()) :: row
  def row(%{instance: instance, event: event, pattern: pattern, meta?: meta?}, pid, credit, replay) do
    {if(pattern, do: [instance], else: {instance, event}), {pid, credit, meta?, pattern, replay}}
  end

  @spec insert(row) :: :ok
  def insert(row) do
    :ets.insert(@table, row)
    :ok
  end

  @spec delete(row) :: :ok
  def delete(row) do
    :ets.delete_object(@table, row)
    :ok
  end

  @doc "Whether an event has a subscriber, or the instance has any pattern, which may not match it."
  @spec any?(atom, term) :: boolean
  def any?(instance, event), do: :ets.member(@table, {instance, event}) or :ets.member(@table, [instance])

  @doc "Sends an event once to each of its subscribers."
  @spec dispatch(atom, term, term) :: :ok
  def dispatch(instance, event, payload) do
    # `Backlog` relies on this order: first the record, then the look for subscribers.
    stamp = if record = Record.of(instance), do: Record.add(record, event, payload)
    exact = :ets.lookup(@table, {instance, event})

    case :ets.lookup(@table, [instance]) do
      [] -> deliver(exact, event, payload, stamp)
      patterns -> exact |> with_matching(patterns, event) |> deliver(event, payload, stamp)
    end
  end

  defp with_matching(exact, patterns, event) do
    case {exact, Enum.filter(patterns, fn {_, {_, _, _, pattern, _}} -> Pattern.matches?(pattern, event) end)} do
      {exact, []} -> exact
      {[], [one]} -> [one]
      {exact, matching} -> Enum.uniq_by(exact ++ matching, fn {_, {pid, _, _, _, _}} -> pid end)
    end
  end

  defp deliver([], _event, _payload, _stamp), do: :ok

  defp deliver(rows, event, payload, stamp) do
    plain = {:pipeline_event, event, payload}
    for {_key, target} <- rows, do: deliver_to(target, plain, stamp)
    :ok
  end

  defp deliver_to({pid, credit, meta?, _pattern, replay}, plain, stamp) do
    message = if meta?, do: stamped(plain, stamp), else: plain

    case replay && Replay.offer(replay, stamp, message, Credit.limit(credit)) do
      direct when direct in [nil, :direct] -> send_to(pid, credit, message)
      :kept -> :ok
      :full -> look(pid, Credit.drop(credit))
    end
  end

  defp send_to(pid, credit, message) do
    case Credit.take(credit) do
      :ok ->
        send(pid, message)

      :last_half ->
        send(pid, message)
        Server.look(pid)

      full ->
        look(pid, full)
    end
  end

  defp look(pid, :full_look), do: Server.look(pid)
  defp look(_pid, :full), do: :ok

  @doc "The message with its time and, if it was recorded, its sequence number."
  @spec with_meta({:pipeline_event, term, term}, pos_integer | nil, integer) :: tuple
  def with_meta({:pipeline_event, event, payload}, sequence, time) do
    {:pipeline_event, event, payload, %{sequence: sequence, time: time}}
  end

  defp stamped(plain, nil), do: with_meta(plain, nil, System.system_time(:microsecond))
  defp stamped(plain, {_record, sequence, time}), do: with_meta(plain, sequence, time)
end
