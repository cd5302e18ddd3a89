defmodule Pipeline.Plugin.Manager.Recovery do
  @moduledoc false
  # What a manager does about the plugins that one before it has left behind, by how far the registry says they had come.

  require Logger

  alias Pipeline.Plugin.{Dependents, LoadError, Names, Registry}
  alias Pipeline.Plugin.Manager.Load

  @type outcome :: {:running, map, pid} | {:failed, map} | {:lost, map, reason :: term}

  @doc "Undoes what was half done, and sees to it that what was started runs."
  @spec run(atom) :: [outcome]
  def run(instance) do
    # The registry is open to all; what somebody else has put there is theirs.
    all = for %{state: _, module: _, config: _} = info <- Registry.list(Registry.of(instance)), do: info
    dependencies = Dependents.graph(Map.new(all, &{&1.id, &1}))
    {whole, half} = Enum.split_with(all, &(&1.state in [:started, :failed]))

    # A process that was started and not yet registered.
    known = for %{id: id} <- all, pid = Names.whereis(instance, {:supervisor, id}), do: pid
    Pipeline.Plugin.Supervisor.stop_others(instance, known)

    for info <- Enum.reverse(half), do: undo(info, dependencies, instance)
    for %{state: :failed} = info <- whole, do: Load.remove_hooks(%{info.id => info}, dependencies, instance)
    Enum.map(whole, &restart(&1, instance))
  end

  @doc "Finds a plugin that was started, or starts it again."
  @spec restart(map | Pipeline.Plugin.plugin_id(), atom) :: outcome
  def restart(%{state: :failed} = info, _instance), do: {:failed, info}

  def restart(%{state: :started, id: id, module: module} = info, instance) do
    case Pipeline.Plugin.Supervisor.ensure_plugin(module, id, info.config, instance) do
      {:ok, supervisor} ->
        {:running, info, supervisor}

      {:error, reason} ->
        error = %LoadError{plugin: id, module: module, step: :init, reason: reason}
        Logger.error("a plugin that was running is lost: " <> Exception.message(error))
        {:lost, info, reason}
    end
  end

  def restart(id, instance), do: instance |> Registry.of() |> Registry.get(id) |> restart(instance)

  # The manager ended while it was loading or unloading this plugin.
  defp undo(%{id: id} = info, dependencies, instance) do
    Logger.warning("plugin #{inspect(id)} was #{info.state} when its manager ended; it is taken out")
    Load.remove_hooks(%{id => info}, dependencies, instance)

    if supervisor = Names.whereis(instance, {:supervisor, id}) do
      Pipeline.Plugin.Supervisor.stop_plugin(supervisor, instance: instance)
    end

    Registry.unregister(Registry.of(instance), id)
  end
end
