defmodule Pipeline.Hook.Trace.Duration do
  @moduledoc false
  # Formats a time for people.

  @spec text(non_neg_integer) :: String.t()
  def text(nanoseconds) when nanoseconds < 1_000, do: "#{nanoseconds} ns"
  def text(nanoseconds) when nanoseconds < 1_000_000, do: scaled(nanoseconds, 1_000, "µs")
  def text(nanoseconds) when nanoseconds < 1_000_000_000, do: scaled(nanoseconds, 1_000_000, "ms")
  def text(nanoseconds), do: scaled(nanoseconds, 1_000_000_000, "s")

  defp scaled(nanoseconds, unit, name) do
    :erlang.float_to_binary(nanoseconds / unit, decimals: 1) <> " " <> name
  end
end
