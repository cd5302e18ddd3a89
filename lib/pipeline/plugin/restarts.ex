defmodule Pipeline.Plugin.Restarts do
  @moduledoc false
  # How often the process of a plugin has been started again, and whether it may be: what a supervisor of its own would
  # know. Atomics that the plugin's child specification and its registration hold, so that they outlive every process and
  # end with the plugin.
  #
  # The manager arms them once the plugin has started, and disarms them before it ends the process. The plugin supervisor,
  # the only one to do so, asks before each start.

  # As a supervisor of its own would have it.
  @limit 3
  @within 5_000

  # The first word says how far it has come, the second counts restarts, and the others tell when the last of them were.
  @standing 1
  @count 2
  @times 2

  @new 0
  @starting 1
  @armed 2
  @over 3

  @opaque t :: :atomics.atomics_ref()

  @spec new() :: t
  def new, do: :atomics.new(@times + @limit, signed: true)

  @doc "From here on the process is started again when it crashes. `:over` if it has crashed already."
  @spec arm(t) :: :ok | :over
  def arm(restarts) do
    if :atomics.compare_exchange(restarts, @standing, @starting, @armed) == @over, do: :over, else: :ok
  end

  @doc "From here on the process is not started again."
  @spec disarm(t) :: :ok
  def disarm(restarts), do: :atomics.put(restarts, @standing, @over)

  @spec over?(t) :: boolean
  def over?(restarts), do: :atomics.get(restarts, @standing) == @over

  @doc """
  What a start is: the first, or another after a crash, which is noted, or none.

  `:given_up`, once, when the process has crashed more than #{@limit} times in #{@within} milliseconds; `:no` when it
  crashed before it was armed, or was disarmed.
  """
  @spec begin(t) :: :first | :again | :given_up | :no
  def begin(restarts) do
    case :atomics.compare_exchange(restarts, @standing, @new, @starting) do
      :ok -> :first
      @starting -> ended_early(restarts)
      @armed -> count(restarts, System.monotonic_time(:millisecond))
      @over -> :no
    end
  end

  # The manager may be arming it.
  defp ended_early(restarts) do
    case :atomics.compare_exchange(restarts, @standing, @starting, @over) do
      @armed -> begin(restarts)
      _ -> :no
    end
  end

  defp count(restarts, now) do
    count = :atomics.get(restarts, @count)
    # Where the oldest of those that matter stands.
    place = @times + 1 + rem(count, @limit)

    cond do
      count < @limit or now - :atomics.get(restarts, place) > @within ->
        :atomics.put(restarts, place, now)
        :atomics.put(restarts, @count, count + 1)
        :again

      :atomics.compare_exchange(restarts, @standing, @armed, @over) == :ok ->
        :given_up

      true ->
        :no
    end
  end
end
