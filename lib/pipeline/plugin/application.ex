defmodule Pipeline.Plugin.Application do
  @moduledoc false
  # What all instances share, and the default instance:
  #
  #     config :pipeline_plugin,
  #       hooks: MyApp.Hooks,
  #       plugins: [MyApp.Plugins.Greeter, {MyApp.Plugins.Telemetry, %{prefix: "my_app"}}],
  #       hook_budget: 500

  use Application

  @impl Application
  def start(_type, _args) do
    default =
      Application.get_all_env(:pipeline_plugin)
      |> Keyword.take([
        :hooks,
        :plugins,
        :store,
        :packages,
        :events,
        :hook_budget,
        :limits,
        :restart,
        :sample_interval,
        :cluster
      ])

    children = [
      Pipeline.Instance.Names,
      Pipeline.Events.Subscriptions,
      Pipeline.Hook.Epoch,
      Pipeline.Cluster.Scope,
      Pipeline.Package.Server,
      {Pipeline.Plugin.Manager, default}
    ]

    # Names and subscriptions are what the instances stand on: an instance that outlived them would be unreachable.
    Supervisor.start_link(children, strategy: :rest_for_one, name: Pipeline.Plugin.ApplicationSupervisor)
  end
end
