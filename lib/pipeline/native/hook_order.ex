defmodule Pipeline.Native.HookOrder do
  @moduledoc false
  # The NIFs of `native/pipeline_nif/src/hook_order.rs`.

  alias Pipeline.Native

  # Sorting so few takes microseconds, and many points are put in order at once.
  @few 64

  # The core holds a priority in 64 bits.
  @highest_priority 0x7FFFFFFFFFFFFFFF
  @default_priority 50

  @spec default_priority() :: integer
  def default_priority, do: @default_priority

  @spec priority?(term) :: boolean
  def priority?(priority), do: is_integer(priority) and abs(priority) <= @highest_priority

  @doc "The positions of hooks in the order of their chain."
  @spec arrange([tuple], [{term, [term]}]) :: {:ok, [non_neg_integer]} | {:error, String.t()}
  def arrange(hooks, dependencies) do
    if dependencies == [] and length(hooks) <= @few and Enum.all?(hooks, &unconstrained?/1),
      do: Native.hook_order_of_few(hooks, []),
      else: Native.hook_order(hooks, dependencies)
  end

  defp unconstrained?({_plugin, _kind, _priority, _registration, before, later}),
    do: before == [] and later == []
end
