defmodule Pipeline.Plugin.Names do
  @moduledoc false
  # The names of all processes of all instances, in one Registry: `{instance, :manager}`,
  # `{instance, {:plugin, id}}` and so on. No name is built as an atom.

  @spec child_spec(term) :: Supervisor.child_spec()
  def child_spec(_opts), do: Registry.child_spec(keys: :unique, name: __MODULE__)

  @spec via(atom, term) :: GenServer.name()
  def via(instance, role), do: {:via, Registry, {__MODULE__, {instance, role}}}

  @doc "With something that `lookup/2` returns with the process."
  @spec via(atom, term, value :: term) :: GenServer.name()
  def via(instance, role, value), do: {:via, Registry, {__MODULE__, {instance, role}, value}}

  @spec whereis(atom, term) :: pid | nil
  def whereis(instance, role) do
    with {pid, _value} <- lookup(instance, role), do: pid
  end

  @spec lookup(atom, term) :: {pid, value :: term} | nil
  def lookup(instance, role) do
    case Registry.lookup(__MODULE__, {instance, role}) do
      [entry] -> entry
      [] -> nil
    end
  end

  @doc "The roles that a process has in an instance."
  @spec roles(atom, pid) :: [term]
  def roles(instance, pid) do
    for {^instance, role} <- Registry.keys(__MODULE__, pid), do: role
  end
end
