defmodule Bench.Resolution do
  @moduledoc "Load order and choice of versions, from Elixir."

  alias Bench.{CoreProcess, Pair}
  alias Pipeline.Plugin.Loader

  @plugins 10_000
  @dependencies 5

  def rows do
    graph = graph(@plugins)
    manifests = Enum.map(graph, &manifest/1)
    digraph = digraph(graph)
    :ok = check(manifests, digraph)

    core = CoreProcess.start(graph)

    rows = [
      Pair.row(
        once(fn -> {:ok, _} = Loader.load_order(manifests) end),
        once(fn -> :digraph_utils.topsort(digraph) end),
        what: "load order, 10,000 plugins, 50,000 dependencies",
        against: ":digraph_utils.topsort",
        target: 0.05,
        rounds: 21,
        times: 1
      ),
      Pair.row(fn 1 -> CoreProcess.load_order(core) end, once(fn -> :digraph_utils.topsort(digraph) end),
        what: "the same, core alone",
        against: ":digraph_utils.topsort",
        target: 0.05,
        rounds: 21,
        times: 1
      ),
      Pair.row(
        once(fn -> {:ok, _} = Loader.load_order(manifests) end),
        once(fn ->
          digraph = digraph(graph)
          :digraph_utils.topsort(digraph)
          :digraph.delete(digraph)
        end),
        what: "load order, 10,000 plugins, 50,000 dependencies",
        against: "digraph built and topsort",
        rounds: 9,
        times: 1
      )
    ]

    CoreProcess.stop(core)
    :digraph.delete(digraph)
    rows ++ choice()
  end

  @doc "Plugins with the numbers of those that they depend on, the same ones at every run."
  @spec graph(pos_integer) :: [{non_neg_integer, [non_neg_integer]}]
  def graph(plugins) do
    :rand.seed(:exsss, {1, 2, 3})
    for plugin <- 0..(plugins - 1), do: {plugin, plugin |> needed() |> Enum.sort()}
  end

  defp choice do
    [small, middle, large] =
      for plugins <- [100, 1_000, 10_000] do
        manifests = releases(plugins)
        roots = for n <- 0..(div(plugins, 10) - 1), do: :"plugin_#{plugins - 1 - n * 10}"
        {manifests, roots}
      end

    solve = fn {manifests, roots} -> fn -> {:ok, _} = Loader.solve(manifests, roots) end end

    [
      Pair.row(once(solve.(middle)), once(solve.(small)),
        what: "versions chosen, Loader.solve, 1,000 plugins × 10",
        against: "itself at 100 plugins",
        target: 20,
        rounds: 21,
        times: 1
      ),
      Pair.row(once(solve.(large)), once(solve.(middle)),
        what: "versions chosen, Loader.solve, 10,000 plugins × 10",
        against: "itself at 1,000 plugins",
        target: 20,
        rounds: 5,
        times: 1
      )
    ]
  end

  defp once(fun), do: Pair.repeat(fun)

  # Distinct, of those with lower numbers: a graph without cycles.
  defp needed(plugin), do: needed(plugin, min(plugin, @dependencies), [])
  defp needed(_plugin, 0, chosen), do: chosen

  defp needed(plugin, left, chosen) do
    on = :rand.uniform(plugin) - 1
    if on in chosen, do: needed(plugin, left, chosen), else: needed(plugin, left - 1, [on | chosen])
  end

  @doc "The manifest of a plugin of the graph."
  def manifest({plugin, needed}) do
    %{
      id: :"plugin_#{plugin}",
      version: "1.0.0",
      capabilities: [],
      dependencies: for(on <- needed, do: {:"plugin_#{on}", version: "~> 1.0"})
    }
  end

  defp releases(plugins) do
    for plugin <- 0..(plugins - 1), minor <- 0..9 do
      dependencies =
        for on <- needed(plugin, min(plugin, 3), []) do
          {:"plugin_#{on}", version: "~> 1.#{:rand.uniform(10) - 1}"}
        end

      %{id: :"plugin_#{plugin}", version: "1.#{minor}.0", capabilities: [], dependencies: dependencies}
    end
  end

  @doc "The graph as Erlang's, whose edges lead to dependents."
  def digraph(graph) do
    digraph = :digraph.new()
    for {plugin, _} <- graph, do: :digraph.add_vertex(digraph, plugin)
    for {plugin, needed} <- graph, on <- needed, do: :digraph.add_edge(digraph, on, plugin)
    digraph
  end

  # Both know an order, and ours is one.
  defp check(manifests, digraph) do
    true = is_list(:digraph_utils.topsort(digraph))
    {:ok, waves} = Loader.load_order(manifests)
    wave = for {ids, number} <- Enum.with_index(waves), id <- ids, into: %{}, do: {id, number}
    @plugins = map_size(wave)

    true =
      Enum.all?(manifests, fn %{id: id, dependencies: dependencies} ->
        Enum.all?(dependencies, fn {on, _} -> wave[on] < wave[id] end)
      end)

    :ok
  end
end
