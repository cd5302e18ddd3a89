defmodule Pipeline.Cluster.FirstSync do
  @moduledoc false
  # Until a node that starts has asked all nodes that it is connected with, it does not know which plugins guard its closed
  # points, and they stay closed. A node that does not answer is asked again.

  use Task, restart: :transient

  alias Pipeline.Cluster.{Sync, Table}
  alias Pipeline.Plugin.Manager.Server

  @spec start_link(atom) :: {:ok, pid}
  def start_link(instance), do: Task.start_link(__MODULE__, :run, [instance])

  @doc false
  @spec run(atom) :: :ok
  def run(instance) do
    %{options: %{timeout: timeout, interval: interval}} = Table.settings(instance)

    case Sync.run(instance, timeout) do
      :ok ->
        Server.synced(instance)

      # Each of these keeps them closed by itself.
      {:error, {:pending, _ids}} ->
        Server.synced(instance)

      {:error, _not_yet} ->
        receive do
        after
          interval -> run(instance)
        end
    end
  end
end
