defmodule Pipeline.Hook.NativeAround do
  @moduledoc false
  # A native around: it is asked on the way in and on the way out, and `next` is called in between, here.

  alias Pipeline.Core
  alias Pipeline.Hook.{Entry, NativeStep}

  @spec fun(Entry.t()) :: function
  def fun(%Entry{} = entry) do
    fn context, next ->
      case Core.enter_around(entry.call, context) do
        {:inside, visit, context} -> inside(entry, visit, context, next)
        {:answer, value} -> value
        fault -> NativeStep.fail!(entry, fault)
      end
    end
  end

  defp inside(entry, visit, context, next) do
    ended = outcome(next, context)

    case Core.leave_around(entry.call, visit, context, describe(ended)) do
      :pass ->
        yield(ended)

      {:value, value} ->
        value

      {:again, context, pause} ->
        wait(pause)
        inside(entry, visit, context, next)

      fault ->
        NativeStep.fail!(entry, fault)
    end
  end

  # The process waits, no scheduler does.
  defp wait(0), do: :ok
  defp wait(milliseconds), do: Process.sleep(milliseconds)

  defp describe({:ok, value}), do: {:ok, value}
  defp describe({:throw, {:hook_error, reason}, _stacktrace}), do: {:refused, reason}
  defp describe({:error, reason, stacktrace}), do: {:error, Exception.normalize(:error, reason, stacktrace)}
  defp describe({kind, reason, _stacktrace}), do: {kind, reason}

  defp outcome(next, context) do
    {:ok, next.(context)}
  catch
    kind, reason -> {kind, reason, __STACKTRACE__}
  end

  # With its stacktrace a failure keeps the mark of whose it is.
  defp yield({:ok, value}), do: value
  defp yield({kind, reason, stacktrace}), do: :erlang.raise(kind, reason, stacktrace)
end
