defmodule Pipeline.HeapLimit do
  @moduledoc false
  # A limit to the heap of a process, in bytes, by which the VM kills the process when it collects garbage and needs
  # more. It ends with the reason `:killed`, and the VM tells nobody why.

  # Below this no process of ours can even start.
  @smallest 16 * 1024

  @spec smallest() :: pos_integer
  def smallest, do: @smallest

  @spec bytes?(term) :: boolean
  def bytes?(bytes), do: is_integer(bytes) and bytes >= @smallest

  @doc "The value of the flag `:max_heap_size`. The VM's own log of the kill could not say whose process it was."
  @spec flag(pos_integer) :: map
  def flag(bytes), do: %{size: div(bytes, :erlang.system_info(:wordsize)), kill: true, error_logger: false}
end
