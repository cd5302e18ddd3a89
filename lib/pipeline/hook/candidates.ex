defmodule Pipeline.Hook.Candidates do
  @moduledoc false
  # The processes that may be in a run: what is left once those are put aside whose stack, short enough to be seen whole in
  # a stack trace, has no frame of `Pipeline.Hook.Dispatch`. Of most systems nothing is left, and to look takes a third of
  # what an epoch takes.
  #
  # To read the stacks of those that are left costs as much as there is on them. Where that may be much, an epoch begins,
  # in which the VM itself finds who is in older code. Not always: OTP 25 keeps, for debuggers, 3 KiB of each version of the
  # module that it has ever loaded.

  alias Pipeline.Hook.{Dispatch, Epoch}

  # Words of heap, which take a few milliseconds to print.
  @most 100_000

  # Frames. No more of a stack are counted on to be seen, whatever the VM was told to show.
  @deepest 64

  # A frame that belongs to no function is left out of a stack trace.
  @nameless 2

  @doc "The processes that may be in a run which began before this call. There are all that are and few that are not."
  @spec find() :: [pid]
  def find do
    shown = length(shown(@deepest)) - @nameless

    {found, words} =
      for pid <- Process.list(), pid != self(), reduce: {[], 0} do
        {found, words} ->
          case Process.info(pid, [:current_stacktrace, :total_heap_size]) do
            [current_stacktrace: stack, total_heap_size: size] ->
              if length(stack) < shown and not List.keymember?(stack, Dispatch, 0),
                do: {found, words},
                else: {[pid | found], words + size}

            nil ->
              {found, words}
          end
      end

    if words > @most, do: Epoch.begin(found), else: found
  end

  # A stack trace of a stack that has so many frames. Two functions: of equal frames that follow each other one is shown.
  defp shown(frames) when frames <= 0 do
    {:current_stacktrace, stack} = Process.info(self(), :current_stacktrace)
    stack
  end

  defp shown(frames) do
    stack = shown_again(frames - 1)
    Enum.take(stack, @deepest)
  end

  defp shown_again(frames) do
    stack = shown(frames - 1)
    Enum.take(stack, @deepest)
  end
end
