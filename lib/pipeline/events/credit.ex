defmodule Pipeline.Events.Credit do
  @moduledoc false
  # How many events a subscriber may still be sent. Who emits takes one from a counter and never looks at the
  # subscriber, which could be busy in native code and not answer; a process that may wait looks at its mailbox once half
  # of the events are used up, and puts back what there is room for.
  #
  # The counter starts at the first half, so that the usual case is one atomic operation and one comparison. It is below
  # zero while the second half, the reserve, is used.

  @left 1
  @dropped 2
  @told 3
  @max 4

  # One that is not limited has as many as can be counted without overflow.
  @unlimited 0x1000_0000_0000_0000

  # Milliseconds between two looks at a subscriber that is behind.
  @first_pause 1
  @longest_pause 64

  @type t :: :atomics.atomics_ref()

  @spec new(pos_integer | :infinity) :: t
  def new(max) do
    gauge = :atomics.new(4, signed: true)
    limit(gauge, max)
    :atomics.put(gauge, @left, number(max) - reserve(number(max)))
    gauge
  end

  @doc "Changes the limit. It counts from the next look."
  @spec limit(t, pos_integer | :infinity) :: :ok
  def limit(gauge, max), do: :atomics.put(gauge, @max, number(max))

  @spec limit(t) :: pos_integer
  def limit(gauge), do: :atomics.get(gauge, @max)

  @doc "Takes leave to send one event; `:last_half` and `:look` say that the subscriber is to be looked at."
  @spec take(t) :: :ok | :last_half | :full | :full_look
  def take(gauge) do
    case :atomics.sub_get(gauge, @left, 1) do
      left when left >= 0 -> :ok
      -1 -> :last_half
      left -> if left >= -reserve(limit(gauge)), do: :ok, else: drop(gauge)
    end
  end

  @doc "Counts an event that is not sent."
  @spec drop(t) :: :full | :full_look
  def drop(gauge) do
    :atomics.add(gauge, @dropped, 1)
    # Whoever looks may have done so before this was counted.
    if :atomics.get(gauge, @left) >= 0, do: :full_look, else: :full
  end

  @spec dropped(t) :: non_neg_integer
  def dropped(gauge), do: :atomics.get(gauge, @dropped)

  @doc "Looks at a subscriber until it has half of its room again, and tells it what it has missed."
  @spec watch(t, pid) :: :ok
  def watch(gauge, pid), do: watch(gauge, pid, @first_pause, 0)

  defp watch(gauge, pid, pause, before) do
    # What is sent between this and the look is counted twice: rather too little room than too much.
    left = :atomics.get(gauge, @left)

    case Process.info(pid, :message_queue_len) do
      nil ->
        :ok

      {:message_queue_len, length} ->
        max = limit(gauge)

        if :atomics.add_get(gauge, @left, max - length - reserve(max) - left) >= 0 do
          tell(gauge, pid)
        else
          # One that is catching up could have room for more before long.
          pause = if length < before, do: @first_pause, else: pause
          Process.sleep(pause)
          watch(gauge, pid, min(2 * pause, @longest_pause), length)
        end
    end
  end

  defp tell(gauge, pid) do
    dropped = dropped(gauge)
    missed = dropped - :atomics.exchange(gauge, @told, dropped)
    if missed > 0, do: send(pid, {:pipeline_events_dropped, missed})
    :ok
  end

  defp reserve(max), do: max - div(max, 2)

  defp number(:infinity), do: @unlimited
  defp number(max), do: max
end
