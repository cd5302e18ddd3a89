defmodule Pipeline.Plugin.Anchor do
  @moduledoc false
  # Holds what an instance publishes for readers in any process, its registry and its chains, from the start of the
  # instance to its end. A restart finds both in place.

  use GenServer

  alias Pipeline.Hook.Table
  alias Pipeline.Plugin.{Names, Registry}

  @spec start_link(keyword) :: GenServer.on_start()
  def start_link(opts) do
    GenServer.start_link(__MODULE__, opts, name: Names.via(opts[:name], :anchor))
  end

  @impl GenServer
  def init(opts) do
    # So that a shutdown reaches terminate/2.
    Process.flag(:trap_exit, true)
    instance = opts[:name]

    unless Table.published?(instance) do
      :persistent_term.put({Registry, instance}, Registry.new())
      Table.publish(instance, Table.declared(instance, opts[:hooks]))
    end

    {:ok, instance}
  end

  @impl GenServer
  def handle_info(_message, instance), do: {:noreply, instance}

  @impl GenServer
  def terminate(reason, instance) when reason in [:normal, :shutdown] or elem(reason, 0) == :shutdown do
    Table.delete(instance)
    :persistent_term.erase({Registry, instance})
  end

  def terminate(_crash, _instance), do: :ok
end
