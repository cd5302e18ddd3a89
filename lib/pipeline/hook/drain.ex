defmodule Pipeline.Hook.Drain do
  @moduledoc false
  # Counts the runs on one version of a chain: those that began, and those that ended. A version that has been replaced
  # is drained once both counts are equal (docs/decisions/0057).
  #
  # The counts are words of an atomic array. Each scheduler has a cache line with three words: the runs that began there,
  # those of them that ended, and the value from which the first word counts. That value is below zero as long as the
  # first runs are to be measured. Closing a version takes a large number from each first word. A run that fetched the
  # chain before and counts itself after sees a number far below zero, takes its count back, and fetches the chain again
  # (`Pipeline.Hook.Dispatch`).
  #
  # A run that is killed never ends. When ends are missing for a while, the processes are searched for the runs: a run
  # keeps the reference of the array on its stack.

  import Bitwise

  @typedoc "The counts of one version."
  @type t :: :atomics.atomics_ref()

  # Runs on each scheduler that are measured after hooks have come to a point.
  @first 1024

  # A small integer, and more runs than any version has.
  @closed 1 <<< 58

  # Looks with nothing but a yield between them; most runs take microseconds.
  @yields 100

  # Milliseconds between two later looks, and until processes are searched.
  @shortest 1
  @longest 10
  @patience 20

  @doc """
  The counts of a version whose first runs are to be measured, or as many of them as are left of those of the version
  before.
  """
  @spec new(before :: t | nil) :: t
  def new(before) do
    drain = :atomics.new(length_of(), signed: true)

    for word <- words() do
      from = if before, do: min(value(before, word), 0), else: -@first
      :atomics.put(drain, word, from)
      :atomics.put(drain, word + 2, from)
    end

    drain
  end

  @doc """
  Counts the beginning of a run. Binds `word`, where its end is to be counted, and returns a number: above zero, that of
  the run; up to zero, it is one of the first; far below zero (`closed?/1`), the version is closed.

  In the way of every run, hence a macro.
  """
  defmacro begin(drain, word) do
    quote do
      unquote(word) = :erlang.bsl(:erlang.system_info(:scheduler_id), 3)
      :atomics.add_get(unquote(drain), unquote(word), 1)
    end
  end

  @doc "Counts the end of a run."
  defmacro ended(drain, word) do
    quote do: :atomics.add(unquote(drain), unquote(word) + 1, 1)
  end

  @doc "Whether a beginning was counted on a closed version. Then it is to be taken back (`take_back/2`)."
  defguard closed?(count) when count < -(@closed >>> 1)

  @doc "Takes back a beginning that was counted on a closed version."
  @spec take_back(t, pos_integer) :: :ok
  def take_back(drain, word), do: :atomics.sub(drain, word, 1)

  @doc "How many runs began."
  @spec begun(t) :: non_neg_integer
  def begun(drain), do: sum(&(value(drain, &1) - :atomics.get(drain, &1 + 2)))

  @doc "Lets no more runs begin. The version is published no longer: runs that come late fetch the chain again."
  @spec close(t) :: :ok
  def close(drain) do
    for word <- words(), not closed?(:atomics.get(drain, word)), do: :atomics.sub(drain, word, @closed)
    :ok
  end

  @doc "Whether a version is closed and all of its runs have ended."
  @spec over?(t) :: boolean
  def over?(drain) do
    Enum.all?(words(), &closed?(:atomics.get(drain, &1))) and missing(drain) == 0
  end

  @doc """
  Closes versions and waits until no run is on them, or the time (ms) is up.

  Returns the processes that are still in such runs. Runs of the processes of `:but` are left out. Those of `:outside`
  are in no run, whatever they have on their stacks.
  """
  @spec await([t], timeout :: non_neg_integer, but: [pid], outside: [pid]) :: :ok | {:still_running, [pid]}
  def await(drains, timeout, opts) do
    Enum.each(drains, &close/1)
    started = now()

    wait(drains, %{
      but: opts[:but] || [],
      outside: opts[:outside] || [],
      deadline: started + timeout,
      search_at: started + min(@patience, timeout),
      found: nil,
      yields: @yields,
      pause: @shortest
    })
  end

  defp wait(drains, waiting) do
    # Counts first: a run of `:but` that ends in between is then left out by neither.
    open = for drain <- drains, missing = missing(drain), missing > 0, do: {drain, missing}
    open = for {drain, missing} <- open, missing > own(drain, waiting.but), do: drain
    now = now()

    cond do
      open == [] -> :ok
      waiting.found != nil or now >= waiting.search_at -> look(open, now, waiting)
      true -> pause(open, now, waiting)
    end
  end

  # No run begins on a closed version, so that nobody is in one who was not found at first.
  defp look(open, now, waiting) do
    case in_runs(waiting.found || Process.list() -- [self() | waiting.but ++ waiting.outside], open) do
      [] -> :ok
      found when now >= waiting.deadline -> {:still_running, found}
      found -> pause(open, now, %{waiting | found: found})
    end
  end

  defp pause(open, _now, %{yields: yields} = waiting) when yields > 0 do
    :erlang.yield()
    wait(open, %{waiting | yields: yields - 1})
  end

  defp pause(open, now, %{pause: pause} = waiting) do
    Process.sleep(pause |> min(waiting.deadline - now) |> max(0))
    wait(open, %{waiting | pause: min(pause * 2, @longest)})
  end

  defp now, do: System.monotonic_time(:millisecond)

  # Ends are read first: a version that is not closed may seem to have more runs than it has, never fewer.
  defp missing(drain) do
    ended = sum(&:atomics.get(drain, &1 + 1))
    begun(drain) - ended
  end

  @doc "Marks the runs on closed versions that no process is in as ended: they were killed."
  @spec forget_killed([t]) :: :ok
  def forget_killed(drains) do
    Enum.each(drains, &close/1)
    missing = for drain <- drains, missing = missing(drain), missing > 0, do: {drain, missing}
    found = in_runs(Process.list() -- [self()], Enum.map(missing, &elem(&1, 0)))

    if found == [] do
      for {drain, missing} <- missing, do: :atomics.add(drain, hd(words()) + 1, missing)
    end

    :ok
  end

  defp in_runs(pids, drains) do
    marks = Enum.map(drains, &mark/1)
    Enum.filter(pids, &(:binary.match(stack(&1), marks) != :nomatch))
  end

  # The runs that the calling processes are in themselves.
  defp own(drain, pids) do
    mark = mark(drain)
    pids |> Enum.map(&length(:binary.matches(stack(&1), mark))) |> Enum.sum()
  end

  defp stack(pid) do
    case Process.info(pid, :backtrace) do
      {:backtrace, stack} -> stack
      nil -> ""
    end
  end

  # A slot of a stack that holds the reference, as the VM prints it. Within other terms it is followed by something else.
  defp mark(drain), do: " #{:erlang.ref_to_list(drain)}\n"

  # What the first word counts, closed or not.
  defp value(drain, word) do
    case :atomics.get(drain, word) do
      count when closed?(count) -> count + @closed
      count -> count
    end
  end

  defp sum(count), do: Enum.reduce(words(), 0, &(count.(&1) + &2))
  defp words, do: for(scheduler <- 1..:erlang.system_info(:schedulers), do: scheduler <<< 3)
  defp length_of, do: (:erlang.system_info(:schedulers) + 1) <<< 3
end
