defmodule Pipeline.Plugin.Names do
  @moduledoc false
  # The names of all processes of all instances, in one Registry: `{instance, :manager}`,
  # `{instance, {:plugin, id}}` and so on. No name is built as an atom.

  @spec child_spec(term) :: Supervisor.child_spec()
  def child_spec(_opts), do: Registry.child_spec(keys: :unique, name: __MODULE__)

  @spec via(atom, term) :: GenServer.name()
  def via(instance, role), do: {:via, Registry, {__MODULE__, {instance, role}}}

  @spec whereis(atom, term) :: pid | nil
  def whereis(instance, role) do
    # A name goes some time after its process has ended.
    case Registry.lookup(__MODULE__, {instance, role}) do
      [{pid, _}] -> if Process.alive?(pid), do: pid
      [] -> nil
    end
  end
end
