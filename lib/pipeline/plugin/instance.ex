defmodule Pipeline.Plugin.Instance do
  @moduledoc false
  # The processes of one instance.

  use Supervisor

  alias Pipeline.Plugin.{Anchor, Manager, Names}

  @spec start_link(keyword) :: Supervisor.on_start()
  def start_link(opts) do
    Supervisor.start_link(__MODULE__, opts, name: Names.via(opts[:name], :instance))
  end

  @impl Supervisor
  def init(opts) do
    name = opts[:name]

    children = [
      {Anchor, opts},
      {Pipeline.Plugin.Supervisor, instance: name},
      {Manager.Server, opts},
      {Task.Supervisor, name: Names.via(name, :hook_tasks)}
    ]

    # The manager finds everything that it needs where it left it, so its death ends no plugin. The death of the
    # plugin supervisor ends them all, and a new manager starts them again.
    Supervisor.init(children, strategy: :rest_for_one)
  end
end
