defmodule Pipeline.Instance.Names do
  @moduledoc false
  # The names of all processes of all instances, in one Registry: `{instance, :manager}`, `{instance, {:plugin, id}}` and
  # so on. No name is built as an atom.

  use Supervisor

  @spec start_link(term) :: Supervisor.on_start()
  def start_link(_opts), do: Supervisor.start_link(__MODULE__, [])

  @impl Supervisor
  def init([]) do
    # The instances that had names are to end with them.
    Supervisor.init([{Registry, keys: :unique, name: __MODULE__}], strategy: :one_for_one, max_restarts: 0)
  end

  @spec via(atom, term) :: GenServer.name()
  def via(instance, role), do: {:via, Registry, {__MODULE__, {instance, role}}}

  @doc "A name with a value, which `lookup/2` returns."
  @spec via(atom, term, term) :: GenServer.name()
  def via(instance, role, value), do: {:via, Registry, {__MODULE__, {instance, role}, value}}

  @spec whereis(atom, term) :: pid | nil
  def whereis(instance, role) do
    with {pid, _value} <- lookup(instance, role), do: pid
  end

  @spec lookup(atom, term) :: {pid, term} | nil
  def lookup(instance, role) do
    # A name goes some time after its process has ended.
    case Registry.lookup(__MODULE__, {instance, role}) do
      [{pid, value}] -> if Process.alive?(pid), do: {pid, value}
      [] -> nil
    end
  end

  @doc "The instances of this VM."
  @spec instances() :: [term]
  def instances do
    Enum.sort(Registry.select(__MODULE__, [{{{:"$1", :instance}, :_, :_}, [], [:"$1"]}]))
  end

  # From Elixir 1.17 on.
  if function_exported?(Process, :set_label, 1) do
    @doc "Labels the calling process for tools, since they do not show names of this Registry."
    @spec label(atom, term) :: :ok
    def label(instance, role), do: Process.set_label({instance, role})
  else
    @spec label(atom, term) :: :ok
    def label(_instance, _role), do: :ok
  end
end
