defmodule Pipeline.Hook.InFlight do
  @moduledoc false
  # Which processes are still in a run that began on a chain which is published no longer. Runs count themselves nowhere,
  # which would cost each of them. Instead stacks are looked at when somebody asks: a run has a frame of
  # `Pipeline.Hook.Dispatch` on its, with the mark of its chain.

  alias Pipeline.Hook.{Candidates, Chain}

  # Milliseconds between two looks.
  @shortest 1
  @longest 50

  @doc """
  Waits until no process is in a run on one of these chains, or the time (ms) is up.

  The chains are published no longer. The processes of `:but` are left out.
  """
  @spec await([Chain.mark()], timeout :: non_neg_integer, but: [pid]) :: :ok | {:still_running, [pid]}
  def await([], _timeout, _opts), do: :ok

  def await(marks, timeout, opts) do
    deadline = System.monotonic_time(:millisecond) + timeout
    wait(Candidates.find() -- (opts[:but] || []), Enum.map(marks, &text/1), deadline, @shortest)
  end

  defp wait(candidates, texts, deadline, pause) do
    case Enum.filter(candidates, &running?(&1, texts)) do
      [] ->
        :ok

      running ->
        left = deadline - System.monotonic_time(:millisecond)

        if left <= 0 do
          {:still_running, running}
        else
          # Nothing tells when a run ends.
          Process.sleep(min(pause, left))
          wait(running, texts, deadline, min(pause * 2, @longest))
        end
    end
  end

  # As the VM prints it.
  defp text({name, number}), do: "{'#{name}',#{number}}"

  defp running?(pid, texts) do
    case Process.info(pid, :backtrace) do
      {:backtrace, stack} -> :binary.match(stack, texts) != :nomatch
      nil -> false
    end
  end
end
