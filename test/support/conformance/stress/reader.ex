defmodule Pipeline.Conformance.Stress.Reader do
  @moduledoc """
  Runs hook points and holds what each run gives against the states that the writer has published.

  Each result has to be that of one state, as a whole; the state has to be one that stood at some time during the run;
  and of runs that follow each other in one process none may see an older state than the one before, on whatever points.
  """

  alias Pipeline.Conformance.Stress.Writer
  alias Pipeline.Hook

  # Of so many rounds one waits, inside a run, until the writer has changed the chain that it is in.
  @waiting 512

  @type seen :: %{runs: non_neg_integer, placed: non_neg_integer, places: MapSet.t()}

  @doc "Runs the points at least so many times, and until the writer has been half-way round."
  @spec run(atom, map, Writer.progress(), pos_integer) :: {:ok, seen} | {:wrong, map}
  def run(instance, places, progress, runs) do
    round(
      %{instance: instance, places: places, progress: progress, quota: runs},
      %{runs: 0, placed: 0, places: MapSet.new()}
    )
  end

  defp round(plan, %{runs: runs} = seen) do
    if runs >= plan.quota and :atomics.get(plan.progress, 2) >= div(Writer.states(), 2) do
      {:ok, seen}
    else
      core = if rem(div(runs, 3), @waiting) == 0, do: waiting(plan.instance), else: &mark/1
      from = :atomics.get(plan.progress, 2)
      one = Hook.run(plan.instance, :one, %{trail: []}, core)
      two = Hook.run(plan.instance, :two, %{trail: []}, &mark/1)
      heard = Hook.run(plan.instance, :heard, %{}, nil)
      to = :atomics.get(plan.progress, 1)
      check([one: one, two: two, heard: heard], from, to, plan, seen)
    end
  end

  defp check(results, from, to, plan, seen) do
    # Lets the writer in, which has many processes to go through for each change.
    :erlang.yield()
    numbers = for {point, result} <- results, do: number(plan.places[point][result], from)

    cond do
      nil in numbers ->
        {:wrong, %{why: "a result of no state that ever was", results: results, from: from, to: to}}

      # The writer went round meanwhile: a place in the circle does not tell a state any more.
      to - from >= Writer.states() ->
        round(plan, %{seen | runs: seen.runs + 3})

      numbers == Enum.sort(numbers) and List.last(numbers) <= to ->
        places = MapSet.put(seen.places, rem(hd(numbers), Writer.states()))
        round(plan, %{seen | runs: seen.runs + 3, placed: seen.placed + 3, places: places})

      true ->
        {:wrong, %{why: "states out of order", results: results, from: from, to: to, numbers: numbers}}
    end
  end

  # The first number from `from` on that has this place.
  defp number(nil, _from), do: nil
  defp number(place, from), do: from + Integer.mod(place - from, Writer.states())

  defp mark(context), do: Map.update!(context, :trail, &(&1 ++ [:core]))

  # Not for the change to be done: one that takes hooks away waits for the runs that have them.
  defp waiting(instance) do
    before = Hook.chain(:one, instance: instance)
    &wait(&1, instance, before)
  end

  defp wait(context, instance, before) do
    if Hook.chain(:one, instance: instance) != before do
      mark(context)
    else
      :erlang.yield()
      wait(context, instance, before)
    end
  end
end
