defmodule Bench.Loading do
  @moduledoc "Loading many plugins."

  alias Bench.Pair
  alias Pipeline.Plugin.Manager

  @count 1_000
  @points 50

  defmodule Plain do
    @moduledoc "A process that does nothing."

    use GenServer

    def start_link(config), do: GenServer.start_link(__MODULE__, config)

    @impl GenServer
    def init(config), do: {:ok, config}
  end

  def rows do
    plain = compile("Plain", fn _n -> nil end)

    hooked =
      compile("Hooked", fn n ->
        quote do
          hook :before, unquote(:"loading_#{rem(n, @points)}"), fun: :step do
            def step(context, next), do: next.(context)
          end
        end
      end)

    own =
      compile("Own", fn _n ->
        quote do
          @impl Pipeline.Plugin
          def init(config), do: {:ok, Map.put(config, :started?, false)}
          @impl Pipeline.Plugin
          def start(state), do: {:ok, %{state | started?: true}}
        end
      end)

    for {modules, what} <- [
          {plain, "loading 1,000 plugins"},
          {own, "loading 1,000 plugins with an init/1 and a start/1 each"},
          {hooked, "loading 1,000 plugins with a hook each"}
        ] do
      Pair.row(fn 1 -> load(modules) end, fn 1 -> start() end,
        what: what,
        against: "starting 1,000 GenServers, DynamicSupervisor",
        target: 3,
        rounds: 11,
        times: 1
      )
    end
  end

  defp load(modules) do
    literals = literals()
    {:ok, supervisor} = Manager.start_link(name: __MODULE__)
    took = Pair.time(fn -> {:ok, _} = Manager.load_plugins(modules, instance: __MODULE__) end)
    Supervisor.stop(supervisor, :normal, :infinity)
    settle(literals, System.monotonic_time(:millisecond) + 5_000)
    took
  end

  # The VM looks through all processes for each persistent term that has gone, which would be charged to what is measured
  # next.
  defp settle(literals, deadline) do
    if literals() > literals and System.monotonic_time(:millisecond) < deadline do
      Process.sleep(5)
      settle(literals, deadline)
    end
  end

  # Blocks that the VM has handed out for them.
  defp literals do
    Enum.sum(
      for {:instance, _, figures} <- :erlang.system_info({:allocator, :literal_alloc}),
          {:mbcs, parts} <- figures,
          {:blocks, kinds} <- parts,
          {_kind, counts} <- kinds,
          count when elem(count, 0) == :count <- counts,
          do: elem(count, 1)
    )
  end

  defp start do
    {:ok, supervisor} = DynamicSupervisor.start_link(strategy: :one_for_one)

    took =
      Pair.time(fn ->
        for n <- 1..@count, do: {:ok, _} = DynamicSupervisor.start_child(supervisor, {Plain, %{n: n}})
      end)

    DynamicSupervisor.stop(supervisor, :normal, :infinity)
    took
  end

  defp compile(kind, body) do
    1..@count
    |> Task.async_stream(
      fn n ->
        module = :"Elixir.Bench.Loading.#{kind}#{n}"

        Module.create(
          module,
          quote do
            use Pipeline.Plugin, id: unquote(:"loading_#{kind}_#{n}"), version: "1.0.0"
            @moduledoc "Is loaded."
            capability unquote(:"loading_capability_#{n}"), true
            unquote(body.(n))
          end,
          Macro.Env.location(__ENV__)
        )

        module
      end,
      timeout: :infinity
    )
    |> Enum.map(fn {:ok, module} -> module end)
  end
end
