defmodule Pipeline.Cluster.Outbox do
  @moduledoc false
  # Sends events to the other nodes, from the process that emits, which never waits: what a node does not take at once is
  # dropped and counted.

  alias Pipeline.Cluster.{Scope, Table}

  @doc "Sends an event to the other nodes, if it is one that travels."
  @spec forward(atom, type :: term, payload :: term, nodes :: :all | nil) :: :ok
  def forward(instance, type, payload, nodes) do
    case Table.settings(instance) do
      nil ->
        :ok

      %{options: options} = settings ->
        if nodes || travels?(options.events, type), do: send_all(instance, settings, type, payload)
    end

    :ok
  end

  @doc "Whether events of a type travel."
  @spec forwards?(atom, type :: term) :: boolean
  def forwards?(instance, type) do
    case Table.settings(instance) do
      nil -> false
      %{options: options} -> travels?(options.events, type)
    end
  end

  defp travels?(types, _type) when types == %{}, do: false
  defp travels?(:all, _type), do: true
  defp travels?(types, type), do: is_map_key(types, type)

  defp send_all(instance, settings, type, payload) do
    for inbox <- Scope.others({instance, :inboxes}) do
      with {:error, _reason} <- Scope.send_now(inbox, {:pipeline_cluster_event, {:plugin, type}, payload}) do
        :counters.add(settings.dropped, 1, 1)
      end
    end
  end
end
