defmodule Bench.WarmUp do
  @moduledoc """
  Brings a chain to the state in which it stays.

  A point measures its first 1,024 runs on each scheduler, hook by hook, for `Pipeline.Hook.stats/2`, and then one in
  some 500. What a chain costs is what it costs after those.
  """

  @runs 1_100

  @doc "Calls a function on every scheduler, often enough."
  @spec run((() -> term)) :: :ok
  def run(fun) do
    schedulers = System.schedulers_online()
    done = :atomics.new(schedulers, [])

    1..schedulers
    |> Enum.map(fn _ -> Task.async(fn -> until_done(done, schedulers, fun) end) end)
    |> Task.await_many(:infinity)

    :ok
  end

  # The VM moves processes between schedulers as it likes, so what counts is where a run was.
  defp until_done(done, schedulers, fun) do
    fun.()
    :atomics.add(done, min(:erlang.system_info(:scheduler_id), schedulers), 1)

    if Enum.any?(1..schedulers, &(:atomics.get(done, &1) < @runs)),
      do: until_done(done, schedulers, fun),
      else: :ok
  end
end
