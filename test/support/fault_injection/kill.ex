defmodule Pipeline.FaultInjection.Kill do
  @moduledoc "Ends processes of an instance by force, and waits until the instance is whole again."

  alias Pipeline.Plugin.Error

  alias Pipeline.Plugin.Manager
  alias Pipeline.Instance.Names

  @type victim :: {:role, atom} | {:plugin, atom} | {:tree, atom} | {:child, atom} | :events | :keeper

  @spec pid(victim, atom) :: pid | nil
  def pid(:events, _instance), do: Process.whereis(Pipeline.Events.Server)
  def pid({:role, role}, instance), do: Names.whereis(instance, role)

  def pid({kind, _id} = role, instance) when kind in [:plugin, :tree, :child],
    do: Names.whereis(instance, role)

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
  defp replaced({_kind, id} = victim, old, instance) do
    quiet(instance)
    to_run? = match?({:ok, %{state: :started}}, Manager.plugin_info(id, instance: instance))
    if to_run? and pid(victim, instance) in [nil, old], do: replaced(victim, old, instance), else: :ok
  end

  defp replaced(:keeper, _old, _instance), do: :ok

  # The instance answers once it has restarted what has ended, and the manager has recovered and done what it was told,
  # and each plugin's supervisor once the plugin has its process.
  defp quiet(instance) do
    ask(fn ->
      _ = instance |> Names.whereis(:instance) |> Supervisor.which_children()
      {:error, %Error{reason: {:not_loaded, :nobody}}} = Manager.unload_plugin(:nobody, instance: instance)
      true = idle?(instance)
      _ = instance |> Names.whereis(:instance) |> Supervisor.which_children()
    end) || quiet(instance)

    if ask(fn ->
         for {_, tree, _, _} <- Supervisor.which_children(Names.whereis(instance, :plugins)),
             do: Supervisor.which_children(tree)
       end),
       do: :ok,
       else: quiet(instance)
  end

  # Once the manager has nothing under way.
  defp idle?(instance) do
    case :sys.get_state(Names.whereis(instance, :manager)).operations do
      %{running: running, waiting: []} when running == %{} ->
        true

      _ ->
        for pid <- Task.Supervisor.children(Names.via(instance, :operations)) do
          monitor = Process.monitor(pid)
          receive do: ({:DOWN, ^monitor, :process, ^pid, _reason} -> :ok)
        end

        idle?(instance)
    end
  end

  # `nil` of one that is just ending.
  defp ask(fun) do
    fun.()
  catch
    :exit, _ended -> nil
  end
end
