defmodule Bench.Draining do
  @moduledoc "Unloading a plugin with a hook, by the number of processes in the VM."

  alias Bench.Pair
  alias Pipeline.Plugin.Manager

  defmodule Hooked do
    @moduledoc "Has a hook."

    use Pipeline.Plugin, id: :bench_draining, version: "1.0.0"

    hook :before, :bench_draining, fun: :step
    def step(context, next), do: next.(context)
  end

  def rows do
    {:ok, instance} = Manager.start_link(name: __MODULE__)

    row =
      Pair.row(fn 1 -> unload(10_000) end, fn 1 -> unload(200) end,
        what: "unloading a plugin, 10,000 idle processes in the VM",
        against: "200 idle processes",
        target: 1.1,
        rounds: 31,
        times: 1
      )

    Supervisor.stop(instance)
    [row]
  end

  defp unload(processes) do
    idle = for _ <- 1..processes, do: spawn_monitor(fn -> receive(do: (:stop -> :ok)) end)
    {:ok, id} = Manager.load_plugin(Hooked, %{}, instance: __MODULE__)
    {:ok, _} = Pipeline.Hook.run(__MODULE__, :bench_draining, %{}, nil)
    took = Pair.time(fn -> :ok = Manager.unload_plugin(id, instance: __MODULE__) end)
    for {pid, _monitor} <- idle, do: send(pid, :stop)
    for {pid, monitor} <- idle, do: receive(do: ({:DOWN, ^monitor, :process, ^pid, _} -> :ok))
    took
  end
end
