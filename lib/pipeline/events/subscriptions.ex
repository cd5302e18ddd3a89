defmodule Pipeline.Events.Subscriptions do
  @moduledoc false
  # Who has subscribed to which events of which instance, and the delivery to them.
  #
  # The tables belong to this supervisor, so that they outlive the server that writes to them. Who emits reads them:
  #
  #   * subscriptions, a row each: `{{instance, event}, target}` to one event, `{instance, target}` to those
  #     of a pattern
  #   * subscribers, `{pid, gauge, rows in the other table}`

  use Supervisor

  alias Pipeline.Events.{Backlog, Credit, Pattern, Record, Replay, Server, Subscription}

  @table __MODULE__

  @typedoc "Where to send an event and in which form."
  @type target :: {pid, Credit.t(), meta? :: boolean, nil | Pattern.t(), nil | Replay.t()}
  @type row :: {key :: term, target}

  @spec start_link(term) :: Supervisor.on_start()
  def start_link(_opts), do: Supervisor.start_link(__MODULE__, [], name: __MODULE__)

  @impl Supervisor
  def init([]) do
    :ets.new(@table, [:named_table, :duplicate_bag, :public, read_concurrency: true])
    Server.create_table()
    Backlog.create_table()
    # The server finds everything in the tables: how often it has to be started again loses nothing.
    Supervisor.init([Server], strategy: :one_for_one, max_restarts: 10, max_seconds: 5)
  end

  @spec row(Subscription.t(), pid, Credit.t(), nil | Replay.t()) :: row
  def row(%{instance: instance, event: event, pattern: pattern, meta?: meta?}, pid, gauge, replay) do
    {if(pattern, do: instance, else: {instance, event}), {pid, gauge, meta?, pattern, replay}}
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

  @doc "Whether somebody has subscribed to an event, or to those of a pattern, which may not match it."
  @spec any?(atom, term) :: boolean
  def any?(instance, event), do: :ets.member(@table, {instance, event}) or :ets.member(@table, instance)

  @doc "Sends an event to all who have subscribed to it, once each."
  @spec dispatch(atom, term, term) :: :ok
  def dispatch(instance, event, payload) do
    # Before it looks for subscribers, as `Backlog` needs it.
    stamp = if record = Record.of(instance), do: Record.add(record, event, payload)
    exact = :ets.lookup(@table, {instance, event})

    case :ets.lookup(@table, instance) do
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

  defp deliver_to({pid, gauge, meta?, _pattern, replay}, plain, stamp) do
    message = if meta?, do: stamped(plain, stamp), else: plain

    case replay && Replay.offer(replay, stamp, message, Credit.limit(gauge)) do
      direct when direct in [nil, :direct] -> send_to(pid, gauge, message)
      :kept -> :ok
      :full -> look(pid, Credit.drop(gauge))
    end
  end

  defp send_to(pid, gauge, message) do
    case Credit.take(gauge) do
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

  @doc "A message with its number in the record, if it has one, and its time."
  @spec with_meta({:pipeline_event, term, term}, pos_integer | nil, integer) :: tuple
  def with_meta({:pipeline_event, event, payload}, sequence, time) do
    {:pipeline_event, event, payload, %{sequence: sequence, time: time}}
  end

  defp stamped(plain, nil), do: with_meta(plain, nil, System.system_time(:microsecond))
  defp stamped(plain, {_record, sequence, time}), do: with_meta(plain, sequence, time)
end
