defmodule Pipeline.Plugin.Manager.Parts do
  @moduledoc false
  # The parts that an instance with a plugin manager is made of.

  alias Pipeline.Events.Record
  alias Pipeline.Hook.{Budget, ChainStore, Sampling, Spec}
  alias Pipeline.Instance
  alias Pipeline.Instance.Names
  alias Pipeline.Plugin.{Distribution, Packages, Registry, Resources, Terminator}
  alias Pipeline.Plugin.Manager.{BootPending, Guards, Server}
  alias Pipeline.Plugin.Resources.Limits

  @doc "The parts for the options of `Pipeline.Plugin.Manager.start_link/1`, which are validated."
  @spec of(keyword) :: Instance.Supervisor.parts()
  def of(opts) do
    name = opts[:name]
    {first, last} = Distribution.children(name, opts[:cluster])
    configured = for {module, _config} <- opts[:plugins] || [], do: module

    guards =
      Guards.at_start(configured, opts[:hooks], Distribution.clustered?(opts[:cluster]), opts[:store] != nil)

    %{
      first: first,
      published: [
        {Distribution, opts[:cluster]},
        {Packages, opts[:packages]},
        {Registry, nil},
        {Budget, opts[:hook_budget]},
        {Sampling, opts[:telemetry]},
        {ChainStore, {opts[:hooks], check?(opts), guards}},
        {Limits, opts[:limits] || %{}},
        {BootPending, configured},
        {Record, opts[:record] || 0}
      ],
      children:
        [
          # Before the processes whose end must not end a hook that is running.
          {Task.Supervisor, name: Names.via(name, :hook_tasks)},
          {Pipeline.Plugin.Supervisor, instance: name},
          # Directly after it: stops the plugins in order when it is about to end.
          {Terminator, instance: name},
          # Before the manager, so that it sees all plugins start. Its own end restarts the manager and no plugin.
          {Resources.Monitor, Keyword.put(opts, :manager, Pipeline.Plugin.Manager)},
          # What the manager does besides, which ends with it.
          {Task.Supervisor, name: Names.via(name, :operations)},
          # The manager finds all that it needs where it left it, so its end stops no plugin. The end of the plugin
          # supervisor stops them all, and a new manager starts them again.
          {Server, opts},
          # Starts nothing: waits until the manager has loaded the configured plugins.
          %{id: :ready, start: {Server, :await_ready, [name]}}
        ] ++ last ++ Packages.implementation().children(name, opts[:packages], opts[:watch]),
      max_restarts: opts[:max_restarts]
    }
  end

  defp check?(opts), do: if(opts[:check] == nil, do: Spec.check?(opts[:hooks]), else: opts[:check])
end
