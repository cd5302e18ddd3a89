defmodule Pipeline.HeapLimit do
  @moduledoc false
  # A limit to the heap of a process, in bytes, by which the VM kills the process when it collects garbage and needs
  # more. It ends with the reason `:killed`, and the VM tells nobody why.

  # What such a process hands to others is copied out of its heap, where the limit does not hold. It can look before
  # (`Pipeline.CopiedSize`): it has noted its limit, so that a look costs processes without one next to nothing.

  alias Pipeline.CopiedSize

  @key :"$pipeline_max_heap"

  # Below this no process of ours can even start.
  @smallest 16 * 1024

  @spec smallest() :: pos_integer
  def smallest, do: @smallest

  @spec bytes?(term) :: boolean
  def bytes?(bytes), do: is_integer(bytes) and bytes >= @smallest

  @doc "Notes the limit of the calling process, if it has one."
  @spec note() :: :ok
  def note do
    with {:max_heap_size, %{size: words, kill: true}} when words > 0 <- Process.info(self(), :max_heap_size),
         do: Process.put(@key, words * :erlang.system_info(:wordsize))

    :ok
  end

  @doc "Whether a copy of a term is within the limit that the calling process has noted."
  @spec fits?(term) :: boolean
  def fits?(term), do: CopiedSize.within?(term, Process.get(@key, :infinity))

  @doc "The value of the flag `:max_heap_size`. The VM's own log of the kill could not say whose process it was."
  @spec flag(pos_integer) :: map
  def flag(bytes), do: %{size: div(bytes, :erlang.system_info(:wordsize)), kill: true, error_logger: false}
end
