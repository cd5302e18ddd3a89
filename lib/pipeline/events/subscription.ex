defmodule Pipeline.Events.Subscription do
  @moduledoc false
  # A subscription that a process is about to make or end, with checked options.

  alias Pipeline.Events.{Pattern, Record, Replay, Server, Subscriptions}
  alias Pipeline.Instance
  alias Pipeline.Options

  @enforce_keys [:instance, :event]
  defstruct [:instance, :event, :pattern, :max_queue, :replay, meta?: false]

  @type t :: %__MODULE__{
          instance: atom,
          event: term,
          pattern: nil | Pattern.t(),
          max_queue: nil | pos_integer | :infinity,
          replay: nil | Replay.wanted(),
          meta?: boolean
        }

  @type error :: :too_many_subscriptions | :not_recording | :already_subscribed | :too_old | :ahead

  @doc "Raises `ArgumentError` for wrong options. With a `tag`, the event is the second element of `{tag, event}`."
  @spec new!(term, keyword, String.t(), nil | :plugin) :: t
  def new!(event, opts, function, tag \\ nil) do
    Options.validate!(opts, [:instance, :match, :max_queue, :replay, :meta], function)

    %__MODULE__{
      of!(event, Keyword.take(opts, [:instance, :match]), function, tag)
      | max_queue: max_queue!(opts[:max_queue]),
        replay: take!(Replay.check(opts[:replay])),
        meta?: meta!(opts[:meta])
    }
  end

  @doc "Describes a subscription that is about to end."
  @spec of!(term, keyword, String.t(), nil | :plugin) :: t
  def of!(event, opts, function, tag \\ nil) do
    Options.validate!(opts, [:instance, :match], function)

    %__MODULE__{
      instance: opts[:instance] || Instance.default(),
      event: if(tag, do: {tag, event}, else: event),
      pattern: event |> Pattern.check(opts[:match] || :exact) |> take!() |> Pattern.tagged(tag)
    }
  end

  @doc "Subscribes the calling process."
  @spec add(t) :: :ok | {:error, error}
  def add(%{replay: nil} = subscription) do
    # Without a replay, subscribing twice is no error.
    with :too_many <- Server.subscribe(subscription, nil),
         do: {:error, :too_many_subscriptions},
         else: (_ -> :ok)
  end

  def add(%{instance: instance} = subscription) do
    if record = Record.of(instance), do: replay(subscription, record), else: {:error, :not_recording}
  end

  defp replay(subscription, record) do
    replay = Replay.new(record)

    case Server.subscribe(subscription, replay) do
      :ok ->
        with {:error, reason} <- Replay.run(replay, record, subscription.replay, filter(subscription)) do
          remove(subscription)
          {:error, reason}
        end

      :already ->
        {:error, :already_subscribed}

      :too_many ->
        {:error, :too_many_subscriptions}
    end
  end

  @doc "Ends the subscription of the calling process."
  @spec remove(t) :: :ok
  def remove(subscription), do: Server.unsubscribe(subscription)

  # The message for a recorded event, in a list; an empty list if the subscription does not match it.
  defp filter(%{pattern: pattern, event: wanted, meta?: meta?}) do
    fn {sequence, time, event, payload} ->
      if if(pattern, do: Pattern.matches?(pattern, event), else: event === wanted) do
        plain = {:pipeline_event, event, payload}
        [if(meta?, do: Subscriptions.with_meta(plain, sequence, time), else: plain)]
      else
        []
      end
    end
  end

  defp take!({:ok, value}), do: value
  defp take!({:error, message}), do: raise(ArgumentError, message)

  defp max_queue!(max) when max in [nil, :infinity] or (is_integer(max) and max > 0), do: max

  defp max_queue!(max) do
    raise ArgumentError, "max_queue: takes a positive number of messages or :infinity, got: #{inspect(max)}"
  end

  defp meta!(meta) when meta in [nil, false], do: false
  defp meta!(true), do: true
  defp meta!(other), do: raise(ArgumentError, "meta: takes true or false, got: #{inspect(other)}")
end
