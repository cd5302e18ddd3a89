defmodule Pipeline.Foreign.Outline do
  @moduledoc false
  # The reason of a failure, for those who are told of it: which error it was, without the terms that it failed on. Those
  # can be the whole context of a run, of any size, with whatever is private in it. So it costs the same for any context.
  #
  # What stays are atoms, numbers, and the message of an exception, which its author has written. `:...` stands for the rest.

  @left_out :...
  # Bytes of a message.
  @message 1_000
  @refusal 100
  # Errors within errors, tuples within tuples.
  @depth 4
  # Elements of a tuple.
  @elements 8

  @doc "An exception, or the term of an exit or a throw."
  @spec of(term) :: term
  def of(reason), do: outline(reason, @depth)

  @doc """
  A reason that a hook refuses with. It says so on purpose, so text stays too, and short lists, up to #{@refusal} bytes.
  """
  @spec refusal(term) :: term
  def refusal(reason), do: refusal(reason, @depth)

  defp refusal(text, _depth) when is_binary(text) and byte_size(text) <= @refusal, do: text

  defp refusal(tuple, depth) when is_tuple(tuple) and tuple_size(tuple) <= @elements and depth > 0,
    do: tuple |> Tuple.to_list() |> Enum.map(&refusal(&1, depth - 1)) |> List.to_tuple()

  # Such as the path of a field.
  defp refusal([_ | _] = list, depth) when depth > 0 do
    if short?(list, @elements), do: Enum.map(list, &refusal(&1, depth - 1)), else: @left_out
  end

  defp refusal(other, depth), do: outline(other, depth)

  defp short?([], _left), do: true
  defp short?([_ | rest], left) when left > 0, do: short?(rest, left - 1)
  defp short?(_long, _left), do: false

  defp outline(_term, 0), do: @left_out
  defp outline({:hook_error, reason}, depth), do: {:hook_error, refusal(reason, depth - 1)}

  defp outline(%{__struct__: module, __exception__: true} = exception, depth) when is_atom(module) do
    # An exception has the fields that its module gives it. A map that only says that it is one can have any number.
    if map_size(exception) <= 32,
      do: :maps.map(&field(module, &1, &2, depth - 1), exception),
      else: @left_out
  end

  defp outline(tuple, depth) when is_tuple(tuple) and tuple_size(tuple) <= @elements,
    do: tuple |> Tuple.to_list() |> Enum.map(&outline(&1, depth - 1)) |> List.to_tuple()

  defp outline(number, _depth) when is_number(number), do: small(number)
  defp outline(term, _depth) when is_atom(term) or term == [] or is_pid(term) or is_reference(term), do: term
  defp outline(_other, _depth), do: @left_out

  # A large integer can be as long as it likes.
  defp small(number), do: if(:erts_debug.flat_size(number) <= 4, do: number, else: @left_out)

  defp field(_module, field, value, _depth) when field in [:__struct__, :__exception__] or value == nil,
    do: value

  defp field(_module, :stacktrace, stacktrace, _depth) when is_list(stacktrace), do: []
  defp field(_module, :message, message, _depth) when is_binary(message), do: text(message)
  defp field(KeyError, :key, key, _depth) when is_binary(key), do: text(key)
  # Which code it was.
  defp field(UndefinedFunctionError, :reason, reason, _depth) when is_binary(reason), do: text(reason)
  defp field(_module, _field, value, depth), do: outline(value, depth)

  defp text(text) when byte_size(text) <= @message, do: text
  defp text(text), do: text |> binary_part(0, @message) |> :binary.copy()
end
