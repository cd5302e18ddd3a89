defmodule Pipeline.Python.Application do
  @moduledoc false
  # What all pools share.

  use Application

  @impl Application
  def start(_type, _args) do
    children = [
      {Registry, keys: :unique, name: Pipeline.Python.Names},
      Pipeline.Python.Reaper
    ]

    # One for one: pools stand in the trees of plugins, and register anew when they start.
    Supervisor.start_link(children, strategy: :one_for_one, name: Pipeline.Python.ApplicationSupervisor)
  end
end
