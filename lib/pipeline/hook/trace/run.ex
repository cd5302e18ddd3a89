defmodule Pipeline.Hook.Trace.Run do
  @moduledoc """
  A traced run of a hook point, see `Pipeline.Hook.trace/3`.

    * `:instance`, `:point`, `:pid` - the hook point and the process of the run
    * `:result` - the value that the run returned, or `{:raised, kind, reason}`
    * `:nanoseconds` - how long it took, tracing included
    * `:calls` - the calls of hooks and of the base operation (`Pipeline.Hook.Trace.Call`), in the order in
      which they began. A hook that an outer hook called again is listed again

  `to_string/1` formats it as a table.
  """

  @type t :: %__MODULE__{
          instance: atom,
          point: Pipeline.Hook.hook_name(),
          pid: pid,
          result: {:ok, term} | {:error, term} | :ok | {:raised, :error | :exit | :throw, term},
          nanoseconds: non_neg_integer,
          calls: [Pipeline.Hook.Trace.Call.t()]
        }

  defstruct [:instance, :point, :pid, :result, :nanoseconds, calls: []]

  defimpl String.Chars do
    alias Pipeline.Foreign
    alias Pipeline.Hook.Trace.Duration

    def to_string(run) do
      head = "#{inspect(run.point)} in #{Duration.text(run.nanoseconds)}: #{result(run.result)}"
      Enum.join([head | Enum.map(run.calls, &"  #{&1}")], "\n")
    end

    defp result({:error, %Pipeline.Hook.Error{} = error}), do: "error, " <> Exception.message(error)
    defp result({:raised, kind, reason}), do: Foreign.banner(kind, reason)
    defp result(result), do: Foreign.term(result, 6)
  end
end
