defmodule Pipeline.FaultInjection.Users do
  @moduledoc """
  Processes that use an instance without pause: run its hooks, each run on one chain with all hooks of each plugin or none,
  and call its plugins, each answer of one version.
  """

  alias Pipeline.FaultInjection.{Guards, Plugins}
  alias Pipeline.Hook
  alias Pipeline.Plugin.RPC

  @in_a_row 20

  @doc "Starts them. One that sees what must not be ends, with that as the reason."
  @spec start(atom, Guards.t()) :: [{pid, monitor :: reference}]
  def start(instance, guards) do
    for fun <- [&run/1, &Guards.run(guards, &1), &call/1] do
      spawn_monitor(fn ->
        repeat(fun, instance, 0)
      end)
    end
  end

  @doc "Ends them, and returns how often each did what it does; raises for one that has failed."
  @spec stop([{pid, reference}]) :: [pos_integer]
  def stop(users) do
    for {pid, monitor} <- users do
      send(pid, :stop)

      receive do
        {:DOWN, ^monitor, :process, ^pid, {:shutdown, times}} -> times
        {:DOWN, ^monitor, :process, ^pid, reason} -> raise "a user has seen: #{inspect(reason, limit: 200)}"
      end
    end
  end

  @doc "Raises if one has failed."
  @spec check!([{pid, reference}]) :: :ok
  def check!(users) do
    for {pid, monitor} <- users do
      receive do
        {:DOWN, ^monitor, :process, ^pid, reason} -> raise "a user has seen: #{inspect(reason, limit: 200)}"
      after
        0 -> :ok
      end
    end

    :ok
  end

  defp repeat(fun, instance, times) do
    receive do
      :stop -> exit({:shutdown, times})
    after
      # What is tested is to have the processors too.
      if(rem(times, @in_a_row) == 0, do: 1, else: 0) ->
        fun.(instance)
        repeat(fun, instance, times + 1)
    end
  end

  defp run(instance) do
    {:ok, seen} = Hook.run(instance, :step, [], nil)
    entered = for {:enter, id, version} <- seen, do: {id, version}
    left = for {:leave, id, version} <- seen, do: {id, version}
    unless Enum.sort(entered) == Enum.sort(left), do: exit({:mixed_chain, seen})
    unless Enum.uniq_by(entered, &elem(&1, 0)) == entered, do: exit({:twice, seen})
    {:ok, %{}} = Hook.run(instance, :other, Map.new(Plugins.ids(), &{&1, 0}), nil)
  end

  defp call(instance) do
    for id <- Plugins.ids() do
      case RPC.call(id, :tell, 60_000, instance: instance) do
        {:ok, {^id, version, %{by: version, config: %{n: _}}}} -> :ok
        {:error, {state, ^id}} when state in [:not_loaded, :held, :stopped, :failed, :draining] -> :ok
        {:error, {:crashed, ^id, _reason}} -> :ok
        other -> exit({:answer, id, other})
      end
    end
  end
end
