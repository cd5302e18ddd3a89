defmodule Pipeline.Hook.StressTest do
  # Dispatches from many processes while plugins are loaded, unloaded and replaced without pause. With
  # PIPELINE_STRESS=10000000 it is 10 million of them.
  use Pipeline.InstanceCase, async: false

  alias Pipeline.Conformance.Stress.{Points, Reader, Writer}

  @dispatches String.to_integer(System.get_env("PIPELINE_STRESS", "200000"))

  @moduletag hooks: Points, timeout: :infinity

  test "every run sees one chain that existed as a whole, and each process no older one after it", %{
    instance: instance
  } do
    places = for point <- [:one, :two, :heard], into: %{}, do: {point, Writer.places(point)}
    # No two states are alike, so a result tells its state.
    for {_, of_point} <- places, do: assert(map_size(of_point) == Writer.states())

    modules = Writer.compile()
    on_exit(fn -> for {_, module} <- modules, do: remove(module) end)
    :ok = Writer.begin(modules, instance)
    progress = :atomics.new(2, signed: false)

    processes = 2 * System.schedulers_online() + 1
    quota = div(@dispatches, processes) + 1
    writer = Task.async(fn -> Writer.run(modules, instance, progress) end)

    told =
      1..processes
      |> Enum.map(fn _ -> Task.async(fn -> Reader.run(instance, places, progress, quota) end) end)
      |> Task.await_many(:infinity)

    send(writer.pid, :stop)
    assert Task.await(writer, :infinity) == :ok
    assert for({:wrong, what} <- told, do: what) == []

    seen = for {:ok, seen} <- told, do: seen
    runs = seen |> Enum.map(& &1.runs) |> Enum.sum()
    states = Enum.reduce(seen, MapSet.new(), &MapSet.union(&1.places, &2))
    assert runs >= @dispatches
    assert Enum.sum(Enum.map(seen, & &1.placed)) > 0
    # Readers did see the chains change, those that come with a plugin and those without it.
    assert MapSet.size(states) > div(Writer.states(), 4)

    if System.get_env("PIPELINE_STRESS") do
      IO.puts("""
      #{runs} dispatches in #{processes} processes during #{:atomics.get(progress, 2)} changes,
      #{Enum.sum(Enum.map(seen, & &1.placed))} of them held against the order of states, #{MapSet.size(states)} of #{Writer.states()} states seen
      """)
    end
  end
end
