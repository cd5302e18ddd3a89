defmodule Pipeline.Native.Background do
  @moduledoc false
  # Waits for work that the library does on threads of its own (`native/pipeline_nif/src/background.rs`).

  @doc """
  Starts the work with a fresh reference and returns its reply.

  `progress` is called with the items done and the items in all, where the work reports them. Raises if the
  library panicked.
  """
  @spec await((reference -> :ok), (non_neg_integer, non_neg_integer -> term)) :: term
  def await(start, progress \\ fn _done, _all -> :ok end) do
    reference = make_ref()
    :ok = start.(reference)
    receive_reply(reference, progress)
  end

  defp receive_reply(reference, progress) do
    receive do
      {^reference, :progress, done, all} ->
        progress.(done, all)
        receive_reply(reference, progress)

      {^reference, :done, {:error, :panicked}} ->
        raise "the native library panicked; please report it with what it was given"

      {^reference, :done, reply} ->
        reply
    end
  end
end
