defmodule Pipeline.FaultInjection.Child do
  @moduledoc "What a plugin has below its supervisor: a process with a name, which takes its time to end."

  use GenServer

  alias Pipeline.Instance.Names

  @doc "Starts the child of a plugin."
  @spec start_link(atom) :: GenServer.on_start()
  def start_link(id) do
    GenServer.start_link(__MODULE__, [], name: Names.via(Pipeline.FaultInjection.instance(), {:child, id}))
  end

  @impl GenServer
  def init([]) do
    Process.flag(:trap_exit, true)
    {:ok, []}
  end

  @impl GenServer
  def terminate(_reason, []), do: for(_ <- 1..100, do: :erlang.yield())
end
