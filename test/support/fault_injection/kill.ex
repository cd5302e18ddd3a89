defmodule Pipeline.FaultInjection.Kill do
  @moduledoc "Ends processes of an instance by force, and waits until the instance is whole again."

  alias Pipeline.Plugin.Error

  alias Pipeline.Plugin.Manager
  alias Pipeline.Instance.Names

  @type victim :: {:role, atom} | {:plugin, atom} | :events | :keeper

  @spec pid(victim, atom) :: pid | nil
  def pid(:events, _instance), do: Process.whereis(Pipeline.Events.Server)
  def pid({:role, role}, instance), do: Names.whereis(instance, role)
  def pid({:plugin, _id} = role, instance), do: Names.whereis(instance, role)

  # There is one while a plugin is upgraded.
  def pid(:keeper, instance) do
    with tasks when tasks != nil <- Names.whereis(instance, :hook_tasks) do
      tasks |> Task.Supervisor.children() |> List.first()
    end
  catch
    :exit, _ended -> nil
  end

  @doc "Kills, and returns once the VM has told of the end; the pid, if there was one."
  @spec kill(victim, atom) :: pid | nil
  def kill(victim, instance) do
    with pid when pid != nil <- pid(victim, instance) do
      monitor = Process.monitor(pid)
      Process.exit(pid, :kill)
      receive do: ({:DOWN, ^monitor, :process, ^pid, _reason} -> pid)
    end
  end

  @doc "Waits until nothing of an instance is being started or decided any more; `killed` are victims with their pids."
  @spec settle(atom, [{victim, pid}]) :: :ok
  def settle(instance, killed) do
    for {victim, pid} <- killed, do: replaced(victim, pid, instance)
    quiet(instance)
  end

  # Who starts it again may not know yet that it has ended.
  defp replaced(victim, old, instance) when victim == :events or elem(victim, 0) == :role do
    _ = if victim != :events, do: ask(fn -> Supervisor.which_children(Names.whereis(instance, :instance)) end)
    if pid(victim, instance) in [nil, old], do: replaced(victim, old, instance), else: :ok
  end

  # As long as the plugin is to run.
  defp replaced({:plugin, id} = victim, old, instance) do
    quiet(instance)
    to_run? = match?({:ok, %{state: :started}}, Manager.plugin_info(id, instance: instance))
    if to_run? and pid(victim, instance) in [nil, old], do: replaced(victim, old, instance), else: :ok
  end

  defp replaced(:keeper, _old, _instance), do: :ok

  # The instance answers once it has restarted what has ended, the manager once it has recovered and done what it was told,
  # and the parent of the plugins once they have their processes.
  defp quiet(instance) do
    ask(fn ->
      _ = instance |> Names.whereis(:instance) |> Supervisor.which_children()
      {:error, %Error{reason: {:not_loaded, :nobody}}} = Manager.unload_plugin(:nobody, instance: instance)
      _ = instance |> Names.whereis(:instance) |> Supervisor.which_children()
    end) || quiet(instance)

    if ask(fn -> Supervisor.which_children(Names.whereis(instance, :plugins)) end),
      do: :ok,
      else: quiet(instance)
  end

  # `nil` of one that is just ending.
  defp ask(fun) do
    fun.()
  catch
    :exit, _ended -> nil
  end
end
