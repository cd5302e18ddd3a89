defmodule Pipeline.Instance.Supervisor do
  @moduledoc false
  # The processes of one instance.

  use Supervisor

  alias Pipeline.Instance.{Names, PublishedState}
  alias Pipeline.Cluster
  alias Pipeline.Plugin.{Manager, Resources}

  @spec start_link(keyword) :: Supervisor.on_start()
  def start_link(opts) do
    Supervisor.start_link(__MODULE__, opts, name: Names.via(opts[:name], :instance))
  end

  @impl Supervisor
  def init(opts) do
    name = opts[:name]

    # By which an anchor that is started again knows what is its own from what a killed instance of the name has left.
    opts = Keyword.put(opts, :incarnation, make_ref())

    cluster = opts[:cluster]
    unless cluster, do: Cluster.Table.forget(name)

    children = [
      # With nothing but a table, which the processes at the end work with.
      cluster && {Cluster.Table, {name, cluster}},
      {PublishedState, opts},
      # Before those whose end must not end a hook that is running.
      {Task.Supervisor, name: Names.via(name, :hook_tasks)},
      {Pipeline.Plugin.Supervisor, instance: name},
      # Before the manager, so that it sees all plugins start; its own end restarts the manager and no plugin.
      {Resources.Monitor, opts},
      {Manager.Server, opts},
      # Starts nothing: it waits until the manager has loaded the configured plugins.
      %{id: :ready, start: {Manager.Server, :await_ready, [name]}},
      cluster && {Cluster.Supervisor, name}
    ]

    # The manager finds everything that it needs where it left it, so its death ends no plugin. The death of the
    # plugin supervisor ends them all, and a new manager starts them again.
    # Both come back as they were, so that they may crash more often than what has lost its state.
    limit = [max_restarts: opts[:max_restarts], max_seconds: 5]
    Supervisor.init(Enum.filter(children, & &1), [strategy: :rest_for_one] ++ limit)
  end
end
