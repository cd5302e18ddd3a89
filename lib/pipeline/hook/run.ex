defmodule Pipeline.Hook.Run do
  @moduledoc false
  # The frame in which every run of an instance's point stands from the moment it looks its chain up until it ends. By it
  # `Pipeline.Hook.InFlight` finds the runs that began on a chain; nothing is counted here.

  alias Pipeline.Hook.{Chain, Listeners, Table}

  @spec run(atom, atom, term, Chain.step() | nil) :: {:ok, term} | {:error, term} | :ok
  def run(instance, point, context, core) do
    case Table.chain(instance, point) do
      %Chain{mode: :chain, mark: mark} = chain -> ended(Chain.run(chain, context, core), mark)
      %Chain{mark: mark} = chain -> ended(Listeners.run(chain, context, core), mark)
      nil when core == nil -> {:ok, context}
      nil -> Chain.run_alone(core, context)
    end
  end

  # Keeps the mark on the stack until here.
  defp ended(result, _mark), do: result
end
