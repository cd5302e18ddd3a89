defmodule Pipeline.Native.Blocking do
  @moduledoc false
  # The NIFs of `native/pipeline_term/src/blocking/nifs.rs`: hooks that run on their library's runtime.

  alias Pipeline.Native.Hook

  @typedoc "The outcome of one hook on the runtime."
  @type outcome ::
          {:ok, term} | {:answer, term} | {:declined, term} | {:refused, term} | {:failed, String.t()}

  @doc """
  Starts a hook.

  A blocking hook sends `{reference, outcome}`, an async one `{reference, :finished}`, unless it is cancelled.
  It is also cancelled when nobody holds the run that this returns.
  """
  @spec start(Hook.t(), :before | :after | :replace, term, reference) ::
          {:started, run :: reference} | {:failed, String.t()}
  def start(%Hook{} = hook, phase, context, reference) do
    hook.library.start_hook(hook.reference, phase, context, reference)
  end

  @doc "Cancels a run, after which it sends nothing. Returns `false` if its message was sent already."
  @spec cancel(Hook.t(), reference) :: boolean
  def cancel(%Hook{} = hook, run), do: hook.library.cancel_hook(run)

  @doc "The outcome of an async hook that has finished, for the context that it was started with."
  @spec finish(Hook.t(), reference, term) :: outcome
  def finish(%Hook{} = hook, run, context), do: hook.library.finish_async(run, context)
end
