defmodule Pipeline.Hook.NativeAround do
  @moduledoc false
  # A native around: it is asked on the way in and on the way out, and `next` is called in between, here.

  alias Pipeline.Foreign
  alias Pipeline.Native.Around
  alias Pipeline.Hook.{NativeStep, Outcome, Registration}

  @spec fun(Registration.t()) :: function
  def fun(%Registration{} = entry) do
    fn context, next ->
      case Around.enter(entry.call, context) do
        {:inside, visit, context} -> inside(entry, visit, context, next)
        {:answer, value} -> value
        fault -> NativeStep.fail!(entry, fault)
      end
    end
  end

  defp inside(entry, visit, context, next) do
    ended = Outcome.of(next, context)

    case Around.leave(entry.call, visit, context, describe(ended)) do
      :pass ->
        # With its stacktrace a failure keeps the mark of whose it is.
        Outcome.yield(ended)

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
  defp describe({:error, reason, stacktrace}), do: {:error, Foreign.normalize(reason, stacktrace)}
  defp describe({kind, reason, _stacktrace}), do: {kind, reason}
end
