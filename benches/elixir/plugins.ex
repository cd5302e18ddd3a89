defmodule Bench.Plugins do
  @moduledoc "Look-ups and load orders by number of plugins, 10 to 100,000: two figures."

  alias Bench.{Pair, Points, Resolution}
  alias Pipeline.Plugin.{Loader, Registry}

  @sizes [10, 100, 1_000, 10_000, 100_000]

  def points, do: Enum.flat_map(@sizes, &look_up/1) ++ Enum.flat_map(@sizes, &order/1)

  defp look_up(size) do
    registry = Bench.Registry.registry(size)
    {:ok, server} = GenServer.start_link(Bench.Registry.Server, Bench.Registry.ids(size))
    wanted = for n <- 1..10, do: Bench.Registry.capability(:"plugin_#{n * div(size, 10)}")
    find = &Registry.find_by_capability(registry, &1)
    ask = &GenServer.call(server, {:find_by_capability, &1})
    true = Enum.map(wanted, find) == Enum.map(wanted, ask)

    points =
      Points.measure(
        "plugins-lookup",
        size,
        [
          {"registry, from Elixir", Pair.each(wanted, find)},
          {"GenServer with a map", Pair.each(wanted, ask)}
        ],
        per: 10
      )

    GenServer.stop(server)
    points
  end

  defp order(size) do
    graph = Resolution.graph(size)
    manifests = Enum.map(graph, &Resolution.manifest/1)
    digraph = Resolution.digraph(graph)

    points =
      Points.measure(
        "plugins-order",
        size,
        [
          {"Loader.load_order", Pair.repeat(fn -> {:ok, _} = Loader.load_order(manifests) end)},
          {":digraph_utils.topsort", Pair.repeat(fn -> :digraph_utils.topsort(digraph) end)}
        ],
        rounds: rounds(size)
      )

    :digraph.delete(digraph)
    points
  end

  # Seconds each.
  defp rounds(100_000), do: 3
  defp rounds(10_000), do: 9
  defp rounds(_size), do: 31
end
