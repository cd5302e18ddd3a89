defmodule Pipeline.LeakCycles do
  @moduledoc """
  Loads, uses, changes and unloads plugins over and over, in this VM, and measures it after each batch of cycles.
  """

  alias Pipeline.{Hook, LeakCheck, Measured}
  alias Pipeline.LeakCycles.{BadHook, BadInit, BadStart, First, FirstAgain, Lost, Native}
  alias Pipeline.Plugin.{Events, Error, Manager, Registry, RPC}

  @batches 4
  @warm_up 30
  @instance [instance: :leak_cycles]

  # More changes than a registry remembers.
  @changes 5_000

  @doc "Runs a warm-up and then `cycles` cycles in batches; writes what is measured after each into a folder."
  @spec main([String.t()]) :: no_return
  def main([cycles, report]) do
    Logger.configure(level: :none)
    {:ok, _} = Application.ensure_all_started(:pipeline_plugin)
    {:ok, _} = Manager.start_link(name: :leak_cycles)
    Measured.load_code()

    # Queues, tables, histories and allocators have their size after that.
    for _ <- 1..@changes, do: change(Registry.owned(:leak_cycles))
    batch(@warm_up)
    measure(report, 0)
    batch(@warm_up)
    measure(report, 0)

    for number <- 1..@batches do
      batch(div(String.to_integer(cycles), @batches))
      measure(report, number)
    end

    System.halt(0)
  end

  defp change(registry) do
    {:ok, _} = Registry.register(registry, %{id: :changing})
    {:ok, _} = Registry.unregister(registry, :changing)
  end

  defp batch(cycles), do: alone(fn -> Enum.each(1..cycles//1, &cycle/1) end)

  @doc "What was measured: first before all cycles, then after each batch."
  @spec report(Path.t()) :: [LeakCheck.t()]
  def report(report), do: for(number <- 0..@batches, do: read(report, number))

  # Into a file, since what a process held of it would be measured with the next.
  defp measure(report, number) do
    alone(fn ->
      measured = if number == 0, do: LeakCheck.measure(), else: LeakCheck.measure(like: read(report, 0))
      measured = Map.put(measured, :reloaded, reloaded())
      File.write!(file(report, number), :erlang.term_to_binary(measured))
    end)
  end

  # Modules of the library that were loaded more than once.
  defp reloaded do
    {:ok, modules} = :application.get_key(:pipeline_plugin, :modules)
    Enum.filter(modules, &:erlang.check_old_code/1)
  end

  defp read(report, number), do: report |> file(number) |> File.read!() |> :erlang.binary_to_term()
  defp file(report, number), do: Path.join(report, "#{number}")

  # In a process of its own, with which all that it needed goes.
  defp alone(fun) do
    {pid, monitor} = spawn_monitor(fn -> fun.() end)

    receive do
      {:DOWN, ^monitor, _, ^pid, :normal} -> :ok
      {:DOWN, ^monitor, _, ^pid, reason} -> raise Exception.format_exit(reason)
    end
  end

  defp cycle(number) do
    {:ok, :first} = Manager.load_plugin(First, %{size: number}, @instance)
    {:ok, :native} = Manager.load_plugin(Native, %{}, @instance)
    :ok = Events.subscribe(:first, :tick, @instance)
    :ok = Events.subscribe(self(), :plugin_upgraded, @instance)
    :ok = Events.emit(:tick, number, @instance)
    {:ok, :pong} = RPC.call(:first, :ping, 5000, @instance)
    run(number)

    {:ok, trace} = Hook.trace(:step, @instance)
    run(number)
    receive do: ({:pipeline_trace, _, _} -> :ok)
    :ok = Hook.untrace(trace)

    for bad <- [BadHook, BadInit, BadStart, Lost] do
      {:error, %Error{}} = Manager.load_plugin(bad, %{}, @instance)
    end

    {:error, %Error{}} = Manager.load_plugin(First, %{size: 0}, @instance)
    :ok = Manager.update_config(:first, %{size: number + 1}, @instance)
    {:error, _} = Manager.update_config(:first, %{size: "none"}, @instance)

    {:ok, "1.1.0"} = Manager.upgrade_plugin(:first, FirstAgain, @instance)
    receive do: ({:pipeline_event, {:plugin, :plugin_upgraded}, _} -> :ok)
    :ok = Events.unsubscribe(self(), :plugin_upgraded, @instance)
    run(number)

    :ok = Manager.disable_plugin(:native, @instance)
    run(number)
    {:ok, :started} = Manager.enable_plugin(:native, @instance)
    run(number)
    _ = Hook.stats(:step, @instance)
    _ = Manager.health(@instance)
    :ok = Manager.unload_plugin(:first, [cascade: true] ++ @instance)
    [] = Manager.list_plugins(@instance)
  end

  defp run(number) do
    context = %{n: rem(number, 7), text: "call 555", fail: rem(number, 3) == 0}
    {:ok, _} = Hook.run(:leak_cycles, :step, context, &Function.identity/1)
  end
end
