defmodule Pipeline.CopiedSize do
  @moduledoc false
  # How large a term is once it is copied to another process. A copy shares nothing: a pair of twice the same pair, 30
  # deep, takes a hundred words here and gigabytes there, where no limit of this process holds. So the process that has
  # a limit looks before it hands anything over. The look ends as soon as the limit is passed.
  #
  # Large binaries are not copied. They count all the same, by the bytes that are seen of them.

  @word :erlang.system_info(:wordsize)

  @doc "Whether a term takes no more than so many bytes."
  @spec within?(term, pos_integer | :infinity) :: boolean
  def within?(_term, :infinity), do: true

  def within?(term, bytes) do
    _left = left(term, div(bytes, @word))
    true
  catch
    {__MODULE__, :too_large} -> false
  end

  # The words that are left.
  defp left(_term, words) when words < 0, do: throw({__MODULE__, :too_large})
  defp left([head | tail], words), do: left(tail, left(head, words - 2))

  defp left(tuple, words) when is_tuple(tuple),
    do: elements(tuple, tuple_size(tuple), words - tuple_size(tuple) - 1)

  # A large map takes more than its keys and values, by what its tree adds.
  defp left(map, words) when is_map(map) do
    map |> :maps.iterator() |> :maps.next() |> pairs(words - 2 * map_size(map) - 5)
  end

  defp left(fun, words) when is_function(fun) do
    {:env, closed_over} = :erlang.fun_info(fun, :env)
    left(closed_over, words - 6)
  end

  defp left(bits, words) when is_bitstring(bits), do: checked(words - 6 - div(byte_size(bits), @word))
  defp left(other, words), do: checked(words - :erts_debug.flat_size(other))

  defp elements(_tuple, 0, words), do: checked(words)

  defp elements(tuple, index, words),
    do: elements(tuple, index - 1, left(:erlang.element(index, tuple), words))

  defp pairs({key, value, next}, words), do: next |> :maps.next() |> pairs(left(value, left(key, words)))
  defp pairs(:none, words), do: checked(words)

  defp checked(words) when words < 0, do: throw({__MODULE__, :too_large})
  defp checked(words), do: words
end
