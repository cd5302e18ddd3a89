defmodule Pipeline.Hook.Blocking do
  @moduledoc false
  # A native hook that waits runs on the runtime of its library and answers by message. Its time includes the
  # wait for a thread. The run is cancelled when its time is up, and when the caller dies, since then nobody
  # holds it any more.

  alias Pipeline.Hook.{NativeFailure, Policy, Registration}
  alias Pipeline.Native

  @timeout 5_000

  @spec fun(Registration.t()) :: Policy.fun()
  def fun(%Registration{kind: kind} = hook) do
    timeout = Map.get(hook.policies, :timeout, @timeout)

    fn context, next ->
      case run(hook, timeout, context) do
        {:ok, value} when kind == :replace -> value
        {:ok, context} -> next.(context)
        {:answer, value} -> value
        {:declined, context} -> next.(context)
        failure -> NativeFailure.raise!(hook, failure)
      end
    end
  end

  defp run(hook, timeout, context) do
    reference = make_ref()

    case Native.Blocking.start(hook.call, hook.kind, context, reference) do
      {:started, run} ->
        receive do
          {^reference, answer} -> finish(hook, run, context, answer)
        after
          timeout ->
            # A run that is cancelled sends nothing. One that was quicker has sent its answer, or is about to.
            if Native.Blocking.cancel(hook.call, run) do
              exit(:timeout)
            else
              receive do: ({^reference, answer} -> finish(hook, run, context, answer))
            end
        end

      {:failed, message} ->
        {:failed, message}
    end
  end

  # An async hook returns the fields that change. The context has stayed here.
  defp finish(hook, run, context, :finished), do: Native.Blocking.finish(hook.call, run, context)
  defp finish(_hook, _run, _context, outcome), do: outcome
end
