defmodule Pipeline.Plugin.RPC.OnError do
  @moduledoc false
  # What becomes of a plugin whose `handle_rpc/2` fails: `on_rpc_error:`. With `:reply` the caller gets an error and the
  # plugin goes on with the state from before; with `:crash` its process ends and starts again.
  #
  # Failures are counted in the process dictionary, where `Pipeline.Plugin.Resources` finds the number without asking the
  # process, and logged at most once a minute.

  alias Pipeline.Foreign
  alias Pipeline.Plugin
  alias Pipeline.Plugin.Log

  @type choice :: :reply | :crash

  @choices [:reply, :crash]
  @count :"$pipeline_rpc_errors"
  @log :"$pipeline_rpc_error_log"
  # Milliseconds.
  @pause 60_000

  @doc "Checks the option `:on_rpc_error`."
  @spec check(term) :: {:ok, choice} | {:error, String.t()}
  def check(nil), do: {:ok, :reply}
  def check(choice) when choice in @choices, do: {:ok, choice}
  def check(other), do: {:error, "on_rpc_error: is :reply or :crash, got: #{inspect(other)}"}

  @doc "What a plugin declares."
  @spec declared(module) :: choice
  def declared(module),
    do: if(function_exported?(module, :__on_rpc_error__, 0), do: module.__on_rpc_error__(), else: :reply)

  @doc "The error for the caller of a request on which `handle_rpc/2` failed."
  @spec reason(module, Plugin.plugin_id(), :error | :exit | :throw, term, Exception.stacktrace()) :: tuple
  def reason(module, id, :error, error, [{module, :handle_rpc, arguments, _} | _] = stacktrace)
      when error == :function_clause or is_struct(error, FunctionClauseError) do
    # Of the plugin's function itself, which knows no such request.
    if arguments == 2 or length(List.wrap(arguments)) == 2,
      do: {:unknown_request, id},
      else: {:rpc_failed, id, Foreign.normalize(error, stacktrace)}
  end

  def reason(_module, id, :error, error, stacktrace),
    do: {:rpc_failed, id, Foreign.normalize(error, stacktrace)}

  def reason(_module, id, :exit, reason, _stacktrace), do: {:rpc_failed, id, reason}
  def reason(_module, id, :throw, thrown, _stacktrace), do: {:rpc_failed, id, {:nocatch, thrown}}

  @doc "Counts and logs a failure, in the process of the plugin."
  @spec note(Plugin.plugin_id(), term, reason :: tuple) :: :ok
  def note(id, instance, reason) do
    count = Process.get(@count, 0) + 1
    Process.put(@count, count)
    {due, told} = Process.get(@log, {now(), 0})

    if now() >= due do
      times = if count - told == 1, do: "", else: " (#{count - told} times since the last such line)"

      Log.warning(
        id,
        instance,
        "could not answer a request#{times}: #{sentence(reason)}; further failures are told once a minute"
      )

      Process.put(@log, {now() + @pause, count})
    end

    :ok
  end

  # An exception appears by its name: its message can show the request.
  defp sentence({:unknown_request, _id}), do: "its handle_rpc/2 knows no such request"

  defp sentence({:rpc_failed, _id, %name{} = error}) when is_exception(error),
    do: "it raised #{inspect(name)}"

  defp sentence({:rpc_failed, _id, {:nocatch, _thrown}}), do: "it threw"
  defp sentence({:rpc_failed, _id, {:bad_return, _function, _value}}), do: "it returned what it may not"
  defp sentence({:rpc_failed, _id, _reason}), do: "it exited"

  @doc "How many requests failed in a process, `nil` if it has ended."
  @spec count(pid) :: non_neg_integer | nil
  def count(pid) do
    with {:dictionary, dictionary} <- Process.info(pid, :dictionary),
         do: elem(List.keyfind(dictionary, @count, 0, {@count, 0}), 1)
  end

  defp now, do: System.monotonic_time(:millisecond)
end
