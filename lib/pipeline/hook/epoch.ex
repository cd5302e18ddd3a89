defmodule Pipeline.Hook.Epoch do
  @moduledoc false
  # Begins an epoch of runs: `Pipeline.Hook.Run` is loaded anew, and what had begun before goes on in its old code, where
  # the VM finds it quickly, as it does to purge code. One process, since there is one old version.

  use GenServer

  alias Pipeline.Hook.Run

  @spec start_link(term) :: GenServer.on_start()
  def start_link(_opts), do: GenServer.start_link(__MODULE__, [], name: __MODULE__)

  @doc "The processes that may be in a run which began before this call. There are all that are and few that are not."
  @spec begin() :: [pid]
  def begin, do: GenServer.call(__MODULE__, :begin, :infinity)

  @impl GenServer
  def init([]), do: {:ok, []}

  @impl GenServer
  def handle_call(:begin, _from, state) do
    {:reply, if(renew(), do: in_old_code(), else: Process.list()), state}
  end

  @impl GenServer
  def handle_info(_message, state), do: {:noreply, state}

  # Not while somebody is still in the version before, which is then nobody's way to be found.
  defp renew do
    with true <- :code.soft_purge(Run),
         {Run, binary, file} <- :code.get_object_code(Run),
         {:module, Run} <- :code.load_binary(Run, file, binary) do
      true
    else
      _ -> false
    end
  end

  # Asks all processes at once and then takes in their answers.
  defp in_old_code do
    asked = Process.list() -- [self()]
    for pid <- asked, do: :erlang.check_process_code(pid, Run, async: {__MODULE__, pid})
    for pid <- asked, answer(pid), do: pid
  end

  defp answer(pid) do
    receive do
      {:check_process_code, {__MODULE__, ^pid}, result} -> result == true
    end
  end
end
