defmodule Pipeline.Hook.Trace.Run do
  @moduledoc """
  A traced run of a hook point, see `Pipeline.Hook.trace/3`.

    * `:instance`, `:point`, `:pid` - the hook point and the process of the run
    * `:result` - what the run returned, with as much of the value as the option `:show` of the trace says, or
      `{:raised, kind, reason}`. Reasons are without the terms that the run failed on, as in the event `:hook_failed`
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

  alias Pipeline.Foreign

  @doc false
  # With as much of its result as a trace shows.
  @spec shown(t, :keys | [term] | (term -> term)) :: t
  def shown(%__MODULE__{result: result} = run, show), do: %{run | result: result(result, show)}

  defp result({:ok, value}, show), do: {:ok, value(value, show)}

  defp result({:error, %Pipeline.Hook.Error{} = error}, _show),
    do: {:error, Pipeline.Hook.Error.outline(error)}

  defp result({:error, reason}, _show), do: {:error, Foreign.refusal(reason)}
  defp result({:raised, kind, reason}, _show), do: {:raised, kind, Foreign.outline(reason)}
  defp result(:ok, _show), do: :ok

  defp value(%module{} = struct, :keys), do: {module, struct |> Map.from_struct() |> Map.keys()}
  defp value(map, :keys) when is_map(map), do: Map.keys(map)
  defp value(other, :keys), do: Foreign.outline(other)

  defp value(map, fields) when is_map(map) and is_list(fields), do: Map.take(map, fields)
  defp value(other, fields) when is_list(fields), do: Foreign.outline(other)

  # A run does not fail by it.
  defp value(value, fun) do
    fun.(value)
  rescue
    error -> {:show_failed, error.__struct__}
  catch
    kind, _reason -> {:show_failed, kind}
  end

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
