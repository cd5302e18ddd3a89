defmodule Pipeline.Instance.Names do
  @moduledoc false
  # The names of all processes of all instances, in one Registry: `{instance, :manager}`,
  # `{instance, {:plugin, id}}` and so on. No name is built as an atom. Those of the plugins that an instance has started
  # are in a table of their own, which takes many at once (`Pipeline.Plugin.Processes`).

  use Supervisor

  alias Pipeline.Plugin.Processes

  @spec start_link(term) :: Supervisor.on_start()
  def start_link(_opts), do: Supervisor.start_link(__MODULE__, [])

  @impl Supervisor
  def init([]) do
    Processes.create_table()
    # The instances that had names are to end with them.
    Supervisor.init([{Registry, keys: :unique, name: __MODULE__}], strategy: :one_for_one, max_restarts: 0)
  end

  @spec via(atom, term) :: GenServer.name()
  def via(instance, role), do: {:via, Registry, {__MODULE__, {instance, role}}}

  @spec whereis(atom, term) :: pid | nil
  def whereis(instance, {:plugin, id} = role) do
    case Processes.find(instance, id) do
      {pid, _restarts} -> pid
      # One that the user supervises.
      nil -> registered(instance, role)
    end
  end

  def whereis(instance, role), do: registered(instance, role)

  defp registered(instance, role) do
    # A name goes some time after its process has ended.
    case Registry.lookup(__MODULE__, {instance, role}) do
      [{pid, _}] -> if Process.alive?(pid), do: pid
      [] -> nil
    end
  end
end
