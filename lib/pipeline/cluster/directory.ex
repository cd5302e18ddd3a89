defmodule Pipeline.Cluster.Directory do
  @moduledoc false
  # Tells other nodes which plugins run here: it joins a group for each plugin.

  use GenServer

  alias Pipeline.Cluster.Scope
  alias Pipeline.Plugin.{Events, Registry}
  alias Pipeline.Instance.Names

  @spec start_link(atom) :: GenServer.on_start()
  def start_link(instance) do
    GenServer.start_link(__MODULE__, instance, name: Names.via(instance, :cluster_directory))
  end

  @doc "The other nodes on which a plugin is known to run."
  @spec nodes(atom, Pipeline.Plugin.plugin_id()) :: [node]
  def nodes(instance, id), do: for(pid <- Scope.others({instance, {:plugin, id}}), do: node(pid))

  @impl GenServer
  def init(instance) do
    scope = Scope.watch()
    :ok = Events.subscribe(self(), :plugin_state, instance: instance, max_queue: :infinity)
    :ok = Events.subscribe(self(), :plugin_unloaded, instance: instance)
    state = %{instance: instance, scope: scope, listed: MapSet.new()}
    running = for %{id: id} <- Registry.list(Registry.owned(instance)), do: id
    {:ok, Enum.reduce(running, state, &look/2)}
  end

  # The event may be about a plugin of another node. The registry of this node decides.
  @impl GenServer
  def handle_info({:pipeline_event, {:plugin, _type}, %{id: id}}, state), do: {:noreply, look(id, state)}

  def handle_info({:DOWN, scope, :process, _pid, _reason}, %{scope: scope} = state) do
    {:stop, {:shutdown, :scope_ended}, state}
  end

  def handle_info(_message, state), do: {:noreply, state}

  defp look(id, %{instance: instance, listed: listed} = state) do
    case {runs?(instance, id), id in listed} do
      {true, false} ->
        Scope.join({instance, {:plugin, id}})
        %{state | listed: MapSet.put(listed, id)}

      {false, true} ->
        Scope.leave({instance, {:plugin, id}})
        %{state | listed: MapSet.delete(listed, id)}

      _ ->
        state
    end
  end

  defp runs?(instance, id), do: match?(%{state: :started}, Registry.info(Registry.owned(instance), id))
end
