defmodule Bench.Readers do
  @moduledoc """
  How many look-ups and runs come out of one, two, … processes at once: alone, beside a process that only spins, and
  beside a writer that republishes without pause. Two figures.

  The one that spins takes from the readers what any other process takes, on a machine with few cores above all; what
  the writer costs beyond that is the difference between the two.
  """

  alias Bench.{Counting, Effort, Points}
  alias Pipeline.Plugin.{Manager, Registry}

  # Milliseconds, and looks at the clock in between.
  @round 60
  @batch 200
  @rounds 15
  @hooks 8

  def points, do: registry() ++ chain()

  @doc "One, two, four, … as far as there are schedulers, and twice and four times that."
  @spec counts() :: [pos_integer]
  def counts do
    schedulers = System.schedulers_online()
    powers = 1 |> Stream.iterate(&(&1 * 2)) |> Enum.take_while(&(&1 < schedulers))
    powers ++ [schedulers, 2 * schedulers, 4 * schedulers]
  end

  defp registry do
    registry = Bench.Registry.registry(10_000)
    {:ok, server} = GenServer.start_link(Bench.Registry.Server, Bench.Registry.ids(10_000))
    capability = Bench.Registry.capability(:plugin_5000)
    find = fn -> [:plugin_5000] = Registry.find_by_capability(registry, capability) end
    ask = fn -> [:plugin_5000] = GenServer.call(server, {:find_by_capability, capability}) end
    comes = %{id: :comes, version: "1.0.0", capabilities: [{capability, true}], dependencies: []}
    other = %{comes | capabilities: [{:comes_capability, true}]}

    write = fn ->
      {:ok, _} = Registry.register(registry, other)
      {:ok, _} = Registry.unregister(registry, :comes)
    end

    points =
      measure("readers-registry", [
        {"registry, alone", find, nil},
        {"registry, beside one that spins", find, fn -> :ok end},
        {"registry, beside a writer", find, write},
        {"GenServer, alone", ask, nil}
      ])

    GenServer.stop(server)
    points
  end

  defp chain do
    ids = Counting.start(:read, [@hooks])
    [{:run, run} | _] = Counting.ways(:read, @hooks)

    Module.create(
      Bench.Comes,
      quote do
        use Pipeline.Plugin, id: :comes, version: "1.0.0"
        @moduledoc "Comes and goes."
        hook :after, unquote(Counting.point(:read, :elixir, @hooks)),
          do: def(pass(context, next), do: next.(context))
      end,
      Macro.Env.location(__ENV__)
    )

    write = fn ->
      {:ok, id} = Manager.load_plugin(Bench.Comes)
      :ok = Manager.unload_plugin(id)
    end

    points =
      measure("readers-chain", [
        {"Elixir hooks, alone", run, nil},
        {"Elixir hooks, beside one that spins", run, fn -> :ok end},
        {"Elixir hooks, beside a writer", run, write}
      ])

    Counting.stop(ids)
    points
  end

  defp measure(figure, sides) do
    for count <- counts(), point <- at(figure, count, sides), do: point
  end

  defp at(figure, count, sides) do
    for round <- 1..Effort.rounds(@rounds), {name, read, beside} <- Points.turned(sides, round) do
      {name, throughput(count, read, beside)}
    end
    |> Enum.sort_by(fn {name, _} -> Enum.find_index(sides, &(elem(&1, 0) == name)) end)
    |> Points.points(figure, count)
  end

  # For each second.
  defp throughput(count, read, beside) do
    stop = :atomics.new(1, [])
    other = if beside, do: Task.async(fn -> until_stopped(stop, beside) end)
    started = :erlang.monotonic_time(:microsecond)
    deadline = started + @round * 1_000
    tasks = for _ <- 1..count, do: Task.async(fn -> read_until(deadline, read, 0) end)
    read = tasks |> Task.await_many(:infinity) |> Enum.sum()
    took = :erlang.monotonic_time(:microsecond) - started
    :atomics.put(stop, 1, 1)
    if other, do: Task.await(other, :infinity)
    read / took * 1_000_000
  end

  defp read_until(deadline, read, done) do
    batch(@batch, read)

    if :erlang.monotonic_time(:microsecond) < deadline,
      do: read_until(deadline, read, done + @batch),
      else: done + @batch
  end

  defp batch(0, _read), do: :ok

  defp batch(left, read) do
    read.()
    batch(left - 1, read)
  end

  defp until_stopped(stop, work) do
    work.()
    if :atomics.get(stop, 1) == 0, do: until_stopped(stop, work), else: :ok
  end
end
