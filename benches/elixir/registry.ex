defmodule Bench.Registry do
  @moduledoc "Look-ups by capability, and registering many plugins."

  alias Bench.Pair
  alias Pipeline.Plugin.Registry

  defmodule Server do
    @moduledoc "The registry that one would write without a native one: a map in a process."

    use GenServer

    @impl GenServer
    def init(ids), do: {:ok, Map.new(ids, &{Bench.Registry.capability(&1), [&1]})}

    @impl GenServer
    def handle_call({:find_by_capability, capability}, _from, capabilities) do
      {:reply, Map.get(capabilities, capability, []), capabilities}
    end
  end

  def rows do
    large = registry(10_000)
    small = registry(10)
    {:ok, server} = GenServer.start_link(Server, ids(10_000))

    # Ten capabilities are asked for in turn, with one plugin each, spread over all there are.
    of_large = for n <- 1..10, do: capability(:"plugin_#{n * 1_000}")
    of_small = Enum.map(ids(10), &capability/1)
    all = 10_000 |> ids() |> Enum.map(&capability/1) |> Enum.shuffle()
    :ok = check(large, server, all)
    {many, few} = {infos(10_000), infos(1_000)}

    find = fn registry -> fn capability -> Registry.find_by_capability(registry, capability) end end
    ask = fn capability -> GenServer.call(server, {:find_by_capability, capability}) end

    [
      Pair.row(Pair.each(of_large, find.(large)), Pair.each(of_large, ask),
        what: "look-up by capability, 10,000 plugins",
        against: "the same through a GenServer",
        target: 0.1,
        per: 10
      ),
      Pair.row(Pair.each(of_large, find.(large)), Pair.each(of_small, find.(small)),
        what: "look-up by capability, 10,000 plugins",
        against: "itself at 10 plugins",
        target: 1.5,
        per: 10
      ),
      Pair.row(
        Pair.each(all, find.(large)),
        Pair.each(List.flatten(List.duplicate(of_small, 1_000)), find.(small)),
        what: "look-up by capability, all of 10,000 plugins in turn",
        against: "itself at 10 plugins",
        times: 1,
        per: 10_000
      ),
      Pair.row(Pair.repeat(fn -> register(many) end), Pair.repeat(fn -> register(few) end),
        what: "registering 10,000 plugins one at a time",
        against: "1,000 plugins",
        target: 20,
        rounds: 21,
        times: 1
      ),
      # Each with a capability that all the others provide as well.
      Pair.row(
        Pair.repeat(fn -> register(alike(many)) end),
        Pair.repeat(fn -> register(alike(few)) end),
        what: "registering 10,000 plugins of one capability one at a time",
        against: "1,000 plugins",
        target: 20,
        rounds: 21,
        times: 1
      )
    ]
  end

  def capability(id), do: :"#{id}_capability"

  def ids(count), do: for(n <- 1..count, do: :"plugin_#{n}")

  def registry(count), do: count |> infos() |> register()

  defp infos(count) do
    for id <- ids(count) do
      %{id: id, version: "1.0.0", capabilities: [{capability(id), true}], dependencies: []}
    end
  end

  defp alike(infos), do: Enum.map(infos, &%{&1 | capabilities: [shared: true]})

  # One at a time.
  defp register(infos) do
    for info <- infos, reduce: Registry.new() do
      registry ->
        {:ok, registry} = Registry.register(registry, info)
        registry
    end
  end

  defp check(registry, server, capabilities) do
    true =
      Enum.all?(capabilities, fn capability ->
        Registry.find_by_capability(registry, capability) ==
          GenServer.call(server, {:find_by_capability, capability})
      end)

    :ok
  end
end
