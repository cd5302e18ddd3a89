defmodule Bench.ByHand do
  @moduledoc "Functions that call each other, as one writes them who needs no plugins."

  @sizes [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_000]

  @spec sizes() :: [pos_integer]
  def sizes, do: @sizes

  @doc "A function that counts to `hooks` in as many calls."
  def way(hooks, context)

  for hooks <- @sizes do
    def way(unquote(hooks), context), do: fn -> unquote(:"run_#{hooks}")(context) end
  end

  for hooks <- @sizes do
    defp unquote(:"run_#{hooks}")(context), do: {:ok, unquote(:"step_#{hooks}_1")(context)}

    for n <- 1..hooks do
      next = if n < hooks, do: :"step_#{hooks}_#{n + 1}", else: :finish

      defp unquote(:"step_#{hooks}_#{n}")(%{count: count} = context) do
        unquote(next)(%{context | count: count + 1})
      end
    end
  end

  defp finish(context), do: context
end
