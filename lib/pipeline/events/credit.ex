defmodule Pipeline.Events.Credit do
  @moduledoc false
  # Credit-based flow control: how many more events a subscriber may be sent. An emitter takes one credit for
  # each event and never asks the subscriber, which may be busy in native code. When half of the credit is
  # used, a watcher process reads the length of the subscriber's mailbox and refills the credit.
  #
  # The counter starts at one half of the limit, so that the usual case is one atomic operation and one
  # comparison. Below zero it counts the second half, the reserve.

  @left 1
  @dropped 2
  @told 3
  @max 4

  # The credit of an unlimited subscriber: as much as can be counted without overflow.
  @unlimited 0x1000_0000_0000_0000

  # Milliseconds between two checks of a slow subscriber.
  @first_pause 1
  @longest_pause 64

  @type t :: :atomics.atomics_ref()

  @spec new(pos_integer | :infinity) :: t
  def new(max) do
    credit = :atomics.new(4, signed: true)
    limit(credit, max)
    :atomics.put(credit, @left, number(max) - reserve(number(max)))
    credit
  end

  @doc "Changes the limit. The new one applies from the next check."
  @spec limit(t, pos_integer | :infinity) :: :ok
  def limit(credit, max), do: :atomics.put(credit, @max, number(max))

  @spec limit(t) :: pos_integer
  def limit(credit), do: :atomics.get(credit, @max)

  @doc "Takes the credit for one event. After `:last_half` and `:full_look` the caller requests a check."
  @spec take(t) :: :ok | :last_half | :full | :full_look
  def take(credit) do
    case :atomics.sub_get(credit, @left, 1) do
      left when left >= 0 -> :ok
      -1 -> :last_half
      left -> if left >= -reserve(limit(credit)), do: :ok, else: drop(credit)
    end
  end

  @doc "Counts a dropped event."
  @spec drop(t) :: :full | :full_look
  def drop(credit) do
    :atomics.add(credit, @dropped, 1)
    # The watcher may have finished before this event was counted.
    if :atomics.get(credit, @left) >= 0, do: :full_look, else: :full
  end

  @spec dropped(t) :: non_neg_integer
  def dropped(credit), do: :atomics.get(credit, @dropped)

  @doc "Checks a subscriber until half of its credit is free, then tells it how many events were dropped."
  @spec watch(t, pid) :: :ok
  def watch(credit, pid), do: watch(credit, pid, @first_pause, 0)

  defp watch(credit, pid, pause, before) do
    # Events sent between this read and the next count twice, so the credit is rather too small than too
    # large.
    left = :atomics.get(credit, @left)

    case Process.info(pid, :message_queue_len) do
      nil ->
        :ok

      {:message_queue_len, length} ->
        max = limit(credit)

        if :atomics.add_get(credit, @left, max - length - reserve(max) - left) >= 0 do
          tell(credit, pid)
        else
          # A subscriber that is catching up is checked again soon.
          pause = if length < before, do: @first_pause, else: pause
          Process.sleep(pause)
          watch(credit, pid, min(2 * pause, @longest_pause), length)
        end
    end
  end

  defp tell(credit, pid) do
    dropped = dropped(credit)
    missed = dropped - :atomics.exchange(credit, @told, dropped)
    if missed > 0, do: send(pid, {:pipeline_events_dropped, missed})
    :ok
  end

  defp reserve(max), do: max - div(max, 2)

  defp number(:infinity), do: @unlimited
  defp number(max), do: max
end
