defmodule Pipeline.Hook.Blocking do
  @moduledoc false
  # A native hook that waits runs on the library's runtime and answers by message. Its time includes that in which it
  # waits for a thread. The run is cancelled when its time is up, and when the caller dies, since then nobody holds it
  # any more.

  alias Pipeline.Hook.{NativeStep, Registration}
  alias Pipeline.Native

  @timeout 5_000

  @spec fun(Registration.t()) :: function
  def fun(%Registration{kind: kind} = entry) do
    timeout = entry.timeout || @timeout

    fn context, next ->
      case run(entry, timeout, context) do
        {:ok, value} when kind == :replace -> value
        {:ok, context} -> next.(context)
        {:answer, value} -> value
        {:declined, context} -> next.(context)
        fault -> NativeStep.fail!(entry, fault)
      end
    end
  end

  defp run(entry, timeout, context) do
    reference = make_ref()

    case Native.Blocking.start(entry.call, entry.kind, context, reference) do
      {:started, run} ->
        receive do
          {^reference, answer} -> finish(entry, run, context, answer)
        after
          timeout ->
            # A run that is cancelled sends nothing any more; one that was quicker has sent its answer, or is about to.
            if Native.Blocking.cancel(entry.call, run) do
              exit(:timeout)
            else
              receive do: ({^reference, answer} -> finish(entry, run, context, answer))
            end
        end

      {:failed, message} ->
        {:failed, message}
    end
  end

  # What an async hook changes, it says of fields; the context has stayed here.
  defp finish(entry, run, context, :finished), do: Native.Blocking.finish(entry.call, run, context)
  defp finish(_entry, _run, _context, outcome), do: outcome
end
