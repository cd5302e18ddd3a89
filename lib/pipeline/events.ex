defmodule Pipeline.Events do
  @moduledoc """
  Delivers the events of an instance to the processes that subscribed to them.

      iex> Pipeline.Events.subscribe(:pipeline_complete)
      :ok
      iex> Pipeline.Events.emit(:pipeline_complete, %{nodes: 5})
      :ok
      iex> receive do
      ...>   {:pipeline_event, :pipeline_complete, %{nodes: 5}} -> :seen
      ...> end
      :seen
      iex> Pipeline.Events.unsubscribe(:pipeline_complete)
      :ok

  An event is any term. Each subscriber gets the message `{:pipeline_event, event, payload}`. A subscription
  ends with its process. Emitting runs in the calling process and never waits for a subscriber. Events from
  one process arrive in the order in which it emitted them.

  Every function except `dropped/1` takes the option `:instance`, by default the instance that the application
  starts. Plugins use `Pipeline.Plugin.Events`.

  ## Patterns

  `:_` subscribes to all events. The option `:match` says how to read any other event:

    * `:exact` - this event only. This is the default, and the fastest: the other two are tested for each
      event
    * `:prefix` - lists or tuples that begin with these elements: `[:pipeline, :node]`, `{:order}`
    * `:pattern` - events of this shape, where `:_` stands for any term and a map matches every map that has
      at least its keys: `{:order, :_, %{state: :paid}}`

  A process gets an event once, even when several of its subscriptions match.

  ## Slow subscribers

  A process gets no more events while its mailbox holds `:max_queue` messages of any kind, by default 10,000.
  Until then, events for it are dropped and counted (`dropped/1`); other subscribers are not affected. When
  its mailbox is half empty, the process gets `{:pipeline_events_dropped, n}`, and then events again. The
  mailbox is checked from time to time, so the bound can be exceeded by the messages that arrive between two
  checks.

  ## Late subscribers

  An instance started with `events: [record: n]` keeps its last `n` events. The option `:replay` delivers
  recorded events that match before the first live event, in order, without gaps or duplicates:

    * `:all` - every recorded event
    * a number - that many of the latest
    * `{:since, sequence}` - the events after that sequence number

  With `meta: true`, messages are `{:pipeline_event, event, payload, meta}`. `meta` holds the event's
  `:sequence` in the record (`nil` without a record) and its `:time` in microseconds since 1970. A subscriber
  that saves the last sequence can continue after a crash:

      :ok = Pipeline.Events.subscribe({:order, :_}, match: :pattern, meta: true, replay: {:since, last})

  Sequence numbers count the events of all kinds. They start again with the instance.
  """

  alias Pipeline.Events.{Record, Server, Subscription, Subscriptions}
  alias Pipeline.Instance
  alias Pipeline.Options

  @type event :: term
  @type payload :: term

  @typedoc "A recorded event. The time is in microseconds since 1970."
  @type recorded :: %{sequence: pos_integer, time: integer, event: event, payload: payload}

  @doc "Sends an event to all its subscribers. Option: `:instance`."
  @spec emit(event, payload, keyword) :: :ok
  def emit(event, payload, opts \\ []) do
    Subscriptions.dispatch(instance(opts, "Pipeline.Events.emit/3"), event, payload)
  end

  @doc false
  # Whether an event would be delivered to a subscriber or recorded.
  @spec heard?(event, atom) :: boolean
  def heard?(event, instance), do: Subscriptions.any?(instance, event) or Record.of(instance) != nil

  @doc """
  Subscribes the calling process to an event or a pattern.

  Subscribing to the same event again changes only `:max_queue`. This limit belongs to the process: the last
  value given applies to all its subscriptions.

  ## Options

    * `:instance`
    * `:match` - `:exact` (default), `:prefix` or `:pattern`, see "Patterns" above
    * `:max_queue` - a number of messages (default 10,000), or `:infinity`
    * `:replay` - `:all`, a number or `{:since, sequence}`, see "Late subscribers" above
    * `:meta` - `true` for messages with a sequence number and a time

  ## Errors

  They leave the subscriptions of the process as they were:

    * `:too_many_subscriptions` - the process has 1,000 subscriptions, in all instances together; use a pattern

  The others occur only with `:replay`:

    * `:not_recording` - the instance records no events, see `Pipeline.Plugin.Manager.start_link/1`
    * `:already_subscribed` - unsubscribe first: which events the old subscription delivered is not known
    * `:too_old` - some events after that number are no longer recorded; `replay: :all` delivers the rest
    * `:ahead` - no event has that number yet: it comes from an earlier run of the instance
  """
  @spec subscribe(event, keyword) ::
          :ok
          | {:error, :too_many_subscriptions | :not_recording | :already_subscribed | :too_old | :ahead}
  def subscribe(event, opts \\ []) do
    event |> Subscription.new!(opts, "Pipeline.Events.subscribe/2") |> Subscription.add()
  end

  @doc """
  Ends the calling process's subscription to an event or a pattern.

  Options: `:instance`, and `:match` as given to `subscribe/2`.
  """
  @spec unsubscribe(event, keyword) :: :ok
  def unsubscribe(event, opts \\ []) do
    event |> Subscription.of!(opts, "Pipeline.Events.unsubscribe/2") |> Subscription.remove()
  end

  @doc """
  Returns how many events were dropped for a process because its mailbox was full.

  The count starts with the first subscription of the process and ends with its last.
  """
  @spec dropped(pid) :: non_neg_integer
  def dropped(subscriber \\ self()) when is_pid(subscriber), do: Server.dropped(subscriber)

  @doc """
  Returns the recorded events, oldest first. The list is empty if the instance does not record.

  Options: `:instance`, and `:since`, a sequence number: only later events are returned.
  """
  @spec recorded(keyword) :: [recorded]
  def recorded(opts \\ []) do
    Options.validate!(opts, [:instance, :since], "Pipeline.Events.recorded/1")
    record = Record.of(opts[:instance] || Instance.default())

    for {sequence, time, event, payload} <- if(record, do: Record.rows(record), else: []),
        sequence > (opts[:since] || 0) do
      %{sequence: sequence, time: time, event: event, payload: payload}
    end
  end

  # Emitting is frequent, so the usual options skip the check.
  defp instance([], _function), do: Instance.default()
  defp instance([instance: name], _function), do: name || Instance.default()

  defp instance(opts, function) do
    Options.validate!(opts, [:instance], function)[:instance] || Instance.default()
  end
end
