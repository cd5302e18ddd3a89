defmodule Pipeline.Events do
  @moduledoc """
  Events of an instance, delivered to processes.

      :ok = Pipeline.Events.subscribe(:pipeline_complete)
      :ok = Pipeline.Events.emit(:pipeline_complete, %{nodes: 5})
      receive do
        {:pipeline_event, :pipeline_complete, %{nodes: 5}} -> :seen
      end

  An event is any term. Who has subscribed to it gets the message `{:pipeline_event, event, payload}`; a subscription
  ends with its process. Emitting runs in the caller and waits for nobody. The events that one process emits arrive in
  the order in which it emits them.

  All functions but `dropped/1` take the option `:instance`, by default the application's own. Events of plugins go
  through `Pipeline.Plugin.Events`.

  ## Patterns

  `:_` stands for all events. The option `:match` tells how to take another one:

    * `:exact` - the event itself, the default, and the fastest: others cost the emitter as much as there are of them
    * `:prefix` - all lists or tuples that begin with these elements: `[:pipeline, :node]`, `{:order}`
    * `:pattern` - whatever it matches, with `:_` for any term; a map matches one that has at least its keys:
      `{:order, :_, %{state: :paid}}`

  A process gets an event once, however many of its subscriptions match.

  ## Slow subscribers

  A process is sent no more events while there are `:max_queue` messages in its mailbox, by default 10,000, whatever they
  are. Those in between are dropped for it and counted, see `dropped/1`; others do not notice. Once its mailbox is
  half empty, it gets `{:pipeline_events_dropped, n}`, and events again. Its mailbox is looked at every now and then, so the
  bound is exact but for what arrives at the same moment.

  ## Late subscribers

  An instance that was started with `events: [record: n]` keeps its last `n` events. `replay:` delivers what is recorded and
  matches before the first live event, in order, without a gap and nothing twice:

    * `:all`
    * a number - that many, the latest
    * `{:since, sequence}` - those after that number

  With `meta: true` the messages of a subscription are `{:pipeline_event, event, payload, meta}`, where `meta` has the
  `:sequence` of the event in the record, `nil` without one, and its `:time` in microseconds since 1970. Who keeps the last
  sequence can go on after a crash with what it has missed:

      :ok = Pipeline.Events.subscribe({:order, :_}, match: :pattern, meta: true, replay: {:since, last})

  Numbers grow by the events of all kinds. They begin anew with the instance.
  """

  alias Pipeline.Events.{Record, Server, Subscription, Subscriptions}
  alias Pipeline.Options

  @type event :: term
  @type payload :: term

  @typedoc "An event that was recorded. The time is in microseconds since 1970."
  @type recorded :: %{sequence: pos_integer, time: integer, event: event, payload: payload}

  @doc "Sends an event to all who have subscribed to it."
  @spec emit(event, payload, keyword) :: :ok
  def emit(event, payload, opts \\ []) do
    Subscriptions.dispatch(instance(opts, "Pipeline.Events.emit/3"), event, payload)
  end

  @doc false
  # Whether an event would be delivered or recorded.
  @spec heard?(event, atom) :: boolean
  def heard?(event, instance), do: Subscriptions.any?(instance, event) or Record.of(instance) != nil

  @doc """
  Subscribes the calling process to an event, or to those of a pattern. A second subscription to it changes nothing but
  `:max_queue`, which counts for all subscriptions of the process and is that of the last one that gave it.

  ## Options

    * `:instance`
    * `:match` - `:exact`, `:prefix` or `:pattern`, see above
    * `:max_queue` - a number of messages, or `:infinity`
    * `:replay` - `:all`, a number or `{:since, sequence}`, see above
    * `:meta` - `true` for messages with a sequence number and a time

  ## Errors

  Only with `:replay`, and nothing is subscribed then, or what was is as before:

    * `:not_recording` - the instance keeps no events, see `Pipeline.Plugin.Manager.start_link/1`
    * `:already_subscribed` - end that subscription first; which of its events have come cannot be told
    * `:too_old` - some of those since that number are no longer recorded; `replay: :all` takes what there is
    * `:ahead` - no event has had that number yet: it is of an earlier life of the instance
  """
  @spec subscribe(event, keyword) ::
          :ok | {:error, :not_recording | :already_subscribed | :too_old | :ahead}
  def subscribe(event, opts \\ []) do
    event |> Subscription.new!(opts, "Pipeline.Events.subscribe/2") |> Subscription.add()
  end

  @doc """
  Ends the calling process's subscription to an event, or to those of a pattern.

  Options: `:instance`, and `:match` as it was given to `subscribe/2`.
  """
  @spec unsubscribe(event, keyword) :: :ok
  def unsubscribe(event, opts \\ []) do
    event |> Subscription.of!(opts, "Pipeline.Events.unsubscribe/2") |> Subscription.remove()
  end

  @doc """
  How many events were dropped for a process since it first subscribed, because its mailbox was full.

  Counts end with the last of its subscriptions.
  """
  @spec dropped(pid) :: non_neg_integer
  def dropped(subscriber \\ self()) when is_pid(subscriber), do: Server.dropped(subscriber)

  @doc """
  The recorded events, oldest first; none if the instance does not record.

  Options: `:instance`, and `:since`, a sequence number after which to begin.
  """
  @spec recorded(keyword) :: [recorded]
  def recorded(opts \\ []) do
    Options.validate!(opts, [:instance, :since], "Pipeline.Events.recorded/1")
    record = Record.of(opts[:instance] || Pipeline.Plugin)

    for {sequence, time, event, payload} <- if(record, do: Record.rows(record), else: []),
        sequence > (opts[:since] || 0) do
      %{sequence: sequence, time: time, event: event, payload: payload}
    end
  end

  # Emitting is often done: the usual options take no check.
  defp instance([], _function), do: Pipeline.Plugin
  defp instance([instance: name], _function), do: name || Pipeline.Plugin

  defp instance(opts, function) do
    Options.validate!(opts, [:instance], function)[:instance] || Pipeline.Plugin
  end
end
