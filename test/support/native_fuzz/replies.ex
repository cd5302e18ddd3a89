defmodule Pipeline.NativeFuzz.Replies do
  @moduledoc """
  Sees to it that each call which is answered by message gets its answer, once.

  Those that name whom to answer name the caller, who waits, or this process, which counts. An answer is
  `{reference, :done, result}`, or of a hook `{reference, outcome}`.
  """

  import Pipeline.NativeFuzz, only: [stop: 1]

  alias Pipeline.NativeFuzz.Arguments

  @spec start() :: map
  def start do
    expected = :atomics.new(1, [])
    came = :atomics.new(1, [])
    %{pid: spawn(fn -> count(came) end), expected: expected, came: came}
  end

  defp count(came) do
    receive do
      {_, :done, _} -> :atomics.add(came, 1, 1)
      {_, :progress, _, _} -> :ok
      {:sync, from} -> send(from, :synced)
      other -> stop("a message that nobody waits for: #{inspect(other)}")
    end

    count(came)
  end

  @doc "Puts the counting process in the place of the caller, in some calls."
  @spec redirect([term], map, atom) :: [term]
  def redirect([pid | rest], replies, name) when name in [:solve, :discover] and pid == self() do
    [Enum.random([pid, replies.pid]) | rest]
  end

  def redirect(arguments, _, _), do: arguments

  @doc "Waits for what has to come of a call that returned this."
  @spec await(map, module, atom, [term], term) :: :ok
  def await(replies, _module, name, [pid, reference | _], :ok) when name in [:solve, :discover] do
    cond do
      pid == self() -> done(reference)
      pid == replies.pid -> :atomics.add(replies.expected, 1, 1)
      true -> :ok
    end
  end

  def await(_replies, module, :start_hook, [_, _, _, reference], {:started, run}) do
    if :rand.uniform(3) == 1 and module.cancel_hook(run) do
      :ok
    else
      finished = receive do: ({^reference, outcome} -> outcome)

      if finished == :finished do
        _ = :erlang.phash2(module.finish_async(run, Arguments.context()))
        :ok
      else
        :ok
      end
    end
  end

  def await(_, _, _, _, _), do: :ok

  defp done(reference) do
    receive do
      {^reference, :progress, _, _} -> done(reference)
      {^reference, :done, {:error, :panicked}} -> stop("the work behind it panicked")
      {^reference, :done, _} -> :ok
    end
  end

  @doc "Waits until all that has to come has."
  @spec settle(map) :: :ok
  def settle(replies) do
    send(replies.pid, {:sync, self()})
    receive do: (:synced -> :ok)

    if :atomics.get(replies.came, 1) < :atomics.get(replies.expected, 1), do: settle(replies), else: :ok
  end

  @doc "Answers that came and that had to."
  @spec counted(map) :: {non_neg_integer, non_neg_integer}
  def counted(replies), do: {:atomics.get(replies.came, 1), :atomics.get(replies.expected, 1)}
end
