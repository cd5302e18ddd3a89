defmodule Pipeline.Hook.Epoch do
  @moduledoc false
  # Begins an epoch of runs: `Pipeline.Hook.Dispatch` is loaded anew, and what had begun before goes on in its old code, where
  # the VM finds it quickly, as it does to purge code. One process, since there is one old version.

  use GenServer

  alias Pipeline.Hook.Dispatch

  # Milliseconds.
  @patience 1_000

  @spec start_link(term) :: GenServer.on_start()
  def start_link(_opts), do: GenServer.start_link(__MODULE__, [], name: __MODULE__)

  @doc "Those of some processes that may be in a run which began before this call. There are all that are and few that are not."
  @spec begin([pid]) :: [pid]
  def begin(pids), do: GenServer.call(__MODULE__, {:begin, pids}, :infinity)

  @impl GenServer
  def init([]), do: {:ok, []}

  @impl GenServer
  def handle_call({:begin, pids}, _from, state) do
    {:reply, if(renew(), do: in_old_code(pids), else: pids), state}
  end

  @impl GenServer
  def handle_info(_message, state), do: {:noreply, state}

  # Not while somebody is still in the version before, which is then nobody's way to be found.
  defp renew do
    with true <- :code.soft_purge(Dispatch),
         {Dispatch, binary, file} <- :code.get_object_code(Dispatch),
         {:module, Dispatch} <- :code.load_binary(Dispatch, file, binary) do
      true
    else
      _ -> false
    end
  end

  # Asks all at once and then takes in their answers. One that does not answer, since it is in native code, may
  # be in a run.
  defp in_old_code(pids) do
    request = make_ref()
    asked = MapSet.new(pids -- [self()])
    for pid <- asked, do: :erlang.check_process_code(pid, Dispatch, async: {request, pid})
    deadline = System.monotonic_time(:millisecond) + @patience
    answers(request, asked, [], deadline)
  end

  defp answers(request, asked, found, deadline) do
    if MapSet.size(asked) == 0 do
      found
    else
      receive do
        {:check_process_code, {^request, pid}, true} ->
          answers(request, MapSet.delete(asked, pid), [pid | found], deadline)

        {:check_process_code, {^request, pid}, _false_or_aborted} ->
          answers(request, MapSet.delete(asked, pid), found, deadline)
      after
        max(deadline - System.monotonic_time(:millisecond), 0) -> found ++ MapSet.to_list(asked)
      end
    end
  end
end
