defmodule Pipeline.Instance.PublishedState do
  @moduledoc false
  # Holds what an instance publishes for readers in any process, its registry, its chains and its record of events, from
  # the start of the instance to its end. A restart finds the first two in place.

  use GenServer

  alias Pipeline.Events.Record
  alias Pipeline.Hook.{Budget, ChainStore}
  alias Pipeline.Plugin.Manager.BootPending
  alias Pipeline.Instance.Names
  alias Pipeline.Plugin.Registry
  alias Pipeline.Plugin.Resources.Limits

  @spec start_link(keyword) :: GenServer.on_start()
  def start_link(opts) do
    GenServer.start_link(__MODULE__, opts, name: Names.via(opts[:name], :anchor))
  end

  @doc "Whether the plugins of the instance's configuration have had their turn, whatever became of them since."
  @spec configured?(atom) :: boolean
  def configured?(instance), do: GenServer.call(Names.via(instance, :anchor), :configured?)

  @spec configured(atom) :: :ok
  def configured(instance), do: GenServer.call(Names.via(instance, :anchor), :configured)

  @impl GenServer
  def init(opts) do
    # So that a shutdown reaches terminate/2.
    Process.flag(:trap_exit, true)
    instance = opts[:name]
    again? = ChainStore.incarnation(instance) == opts[:incarnation]

    unless again? do
      if ChainStore.exists?(instance), do: ChainStore.delete(instance)
      :persistent_term.put({Registry, instance}, Registry.new())
      Budget.put(instance, opts[:hook_budget])
      ChainStore.create(instance, opts[:hooks], opts[:incarnation])
      Limits.keep(instance, opts[:limits] || %{})
      BootPending.expect(instance, for({module, _config} <- opts[:plugins] || [], do: module))
    end

    Record.open(instance, opts[:record] || 0)
    {:ok, %{instance: instance, configured?: again?}}
  end

  @impl GenServer
  def handle_call(:configured?, _from, state), do: {:reply, state.configured?, state}
  def handle_call(:configured, _from, state), do: {:reply, :ok, %{state | configured?: true}}

  @impl GenServer
  def handle_info(_message, state), do: {:noreply, state}

  @impl GenServer
  def terminate(reason, %{instance: instance})
      when reason in [:normal, :shutdown] or elem(reason, 0) == :shutdown do
    ChainStore.delete(instance)
    Budget.delete(instance)
    :persistent_term.erase({Registry, instance})
    Record.close(instance)
    Limits.forget(instance)
    BootPending.forget(instance)
  end

  def terminate(_crash, _state), do: :ok
end
