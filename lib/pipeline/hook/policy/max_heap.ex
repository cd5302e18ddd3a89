defmodule Pipeline.Hook.Policy.MaxHeap do
  @moduledoc false
  # `max_heap:`. The VM kills the task of the hook (`Pipeline.Hook.Policy.Timeout`) when its heap grows beyond
  # so many bytes. The hook hands on no context, value or failure that would be larger than that in the
  # caller.

  @behaviour Pipeline.Hook.Policy

  alias Pipeline.{CopiedSize, HeapLimit}
  alias Pipeline.Hook.Outcome

  @impl true
  def wrap(fun, bytes, _hook) do
    fn context, next ->
      Process.flag(:max_heap_size, HeapLimit.flag(bytes))

      next = fn context ->
        unless CopiedSize.within?(context, bytes), do: exit(:max_heap)
        next.(context)
      end

      outcome = Outcome.of(&fun.(&1, next), context)
      if CopiedSize.within?(outcome, bytes), do: Outcome.yield(outcome), else: exit(:max_heap)
    end
  end
end
