defmodule Pipeline.Plugin.Capabilities do
  @moduledoc false
  # Capabilities as the registry indexes them. Their number and size are bounded: a writer is busy with each value and
  # copies it out of the heap of the process, where terms can share parts of themselves.

  alias Pipeline.CopiedSize

  @most_values 20_000
  @most_bytes 4 * 1024 * 1024

  @type indexed :: [{name :: term, values :: [term]}]

  @doc """
  The values of each capability, and how many there are.

  A list is indexed by each of its elements and as a whole.
  """
  @spec index(list) :: {:ok, indexed, non_neg_integer} | :too_many
  def index(capabilities) do
    if CopiedSize.within?(capabilities, @most_bytes) do
      indexed = Enum.map(capabilities, &values/1)
      count = Enum.reduce(indexed, 0, fn {_name, values}, count -> count + 1 + length(values) end)
      if count <= @most_values, do: {:ok, indexed, count}, else: :too_many
    else
      :too_many
    end
  end

  @doc "The bounds, as a sentence tells them."
  @spec bounds() :: String.t()
  def bounds, do: "#{@most_values} values and #{div(@most_bytes, 1024 * 1024)} MiB are allowed"

  defp values({name, values}) when is_list(values),
    do: {name, if(List.improper?(values), do: [values], else: [values | values])}

  defp values({name, value}), do: {name, [value]}
  defp values(name), do: {name, []}
end
