defmodule Pipeline.Hook.NativeAround do
  @moduledoc false
  # A native around hook: the library is called on the way in and on the way out, and `next` is called here in
  # between.

  alias Pipeline.Foreign
  alias Pipeline.Hook.{NativeFailure, Outcome, Policy, Registration}
  alias Pipeline.Native.Around

  @spec fun(Registration.t()) :: Policy.fun()
  def fun(%Registration{} = hook) do
    fn context, next ->
      case Around.enter(hook.call, context) do
        {:inside, visit, context} -> inside(hook, visit, context, next)
        {:answer, value} -> value
        failure -> NativeFailure.raise!(hook, failure)
      end
    end
  end

  defp inside(hook, visit, context, next) do
    ended = Outcome.of(next, context)

    case Around.leave(hook.call, visit, context, describe(ended)) do
      # The stacktrace keeps the mark of the failure's owner.
      :pass ->
        Outcome.yield(ended)

      {:value, value} ->
        value

      {:again, context, pause} ->
        # The process waits, not its scheduler.
        if pause > 0, do: Process.sleep(pause)
        inside(hook, visit, context, next)

      failure ->
        NativeFailure.raise!(hook, failure)
    end
  end

  defp describe({:ok, value}), do: {:ok, value}
  defp describe({:throw, {:hook_error, reason}, _stacktrace}), do: {:refused, reason}
  defp describe({:error, reason, stacktrace}), do: {:error, Foreign.normalize(reason, stacktrace)}
  defp describe({kind, reason, _stacktrace}), do: {kind, reason}
end
