defmodule Pipeline.Cluster.Supervisor do
  @moduledoc false
  # The processes of an instance that speak with other nodes. They begin when the manager has loaded the configured
  # plugins, and find what they know in `Pipeline.Cluster.Table`.

  use Supervisor

  alias Pipeline.Cluster.{Directory, FirstSync, Inbox, Member, Watch}
  alias Pipeline.Instance.Names

  @spec start_link(atom) :: Supervisor.on_start()
  def start_link(instance), do: Supervisor.start_link(__MODULE__, instance)

  @impl Supervisor
  def init(instance) do
    children = [
      {Task.Supervisor, name: Names.via(instance, :cluster_changes)},
      {Inbox, instance},
      {Directory, instance},
      {Member, instance},
      {Watch, instance},
      {FirstSync, instance}
    ]

    # They lose nothing when they are started again, and all are when the scope is.
    Supervisor.init(children, strategy: :one_for_one, max_restarts: 20, max_seconds: 5)
  end
end
