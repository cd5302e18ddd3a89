defmodule Pipeline.Plugin.Application do
  @moduledoc false
  # What all instances share, and the default instance. The environment is that of `Pipeline.Plugin.Manager.start_link/1`:
  #
  #     config :pipeline_plugin,
  #       hooks: MyApp.Hooks,
  #       plugins: [MyApp.Plugins.Greeter, {MyApp.Plugins.Telemetry, %{prefix: "my_app"}}],
  #       hook_budget: 500

  use Application

  alias Pipeline.Options
  alias Pipeline.Plugin.{ConfigFiles, Manager}

  # What else stands in the environment: settings of the whole application, of its build, of this package's own
  # mix.exs, and of OTP.
  @settings [
    :distribution,
    :included_applications,
    :native_artefacts,
    :native_checksums,
    :native_features,
    :packages_adapter,
    :propagate,
    :trust
  ]

  @impl Application
  def start(_type, _args) do
    options = options!(Application.get_all_env(:pipeline_plugin))

    children = [
      Pipeline.Instance.Names,
      Pipeline.Events.Subscriptions,
      Pipeline.Cluster.Scope,
      Pipeline.Package.Server,
      {Manager, options}
    ]

    _ = Pipeline.Telemetry.find()
    :ok = Pipeline.Plugin.RPC.Waiting.open()
    :ok = Pipeline.Hook.Selection.start()
    :ok = Pipeline.Plugin.LogFilter.install()

    # Names and subscriptions are what the instances stand on: an instance that outlived them would be unreachable. An
    # instance that has given up would be started again as often as this supervisor allows, so it allows no more.
    Supervisor.start_link(
      children,
      [strategy: :rest_for_one, name: Pipeline.Plugin.ApplicationSupervisor] ++
        Keyword.take(options, [:max_restarts])
    )
  end

  @impl Application
  def stop(_state) do
    _ = Pipeline.Plugin.LogFilter.remove()
    :ok
  end

  @doc "The keys that `config :pipeline_plugin` may have."
  @spec settings() :: [atom]
  def settings, do: options() ++ @settings

  # The name of the default instance is fixed.
  defp options, do: Manager.options() -- [:name]

  defp options!(env) do
    options = options()
    Options.validate!(env, settings(), "config :pipeline_plugin")
    :ok = ConfigFiles.warn(env[:plugins])
    Keyword.take(env, options)
  end
end
