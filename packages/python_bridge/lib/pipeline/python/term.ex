defmodule Pipeline.Python.Term do
  @moduledoc false
  # Terms on their way to Python and back, in the external term format. Both ways run in the caller, so that a large term
  # costs nobody else.

  alias Pipeline.Python.{Bytes, Error, Object}

  # As in priv/python/pipeline_bridge/terms.py.
  @max_depth 200

  @doc """
  Encodes a request. Returns with it the worker in which its objects live, `nil` if there are none.
  """
  @spec encode(term, pos_integer) :: {:ok, binary, pid | nil} | {:error, Error.t()}
  def encode(term, max_bytes) do
    {worker, special?} = check(term, 0, {nil, false})
    term = if special?, do: strip(term), else: term
    binary = :erlang.term_to_binary(term, minor_version: 2)

    if byte_size(binary) > max_bytes,
      do: error(:argument, "the arguments take #{byte_size(binary)} bytes, and max_bytes is #{max_bytes}"),
      else: {:ok, binary, worker}
  catch
    {:no_counterpart, sentence} -> error(:argument, sentence)
  end

  # Returns the worker of the objects, and whether there are terms that `strip/1` changes.
  defp check(_term, depth, _found) when depth > @max_depth,
    do: refuse("an argument is nested more than #{@max_depth} levels deep")

  defp check(term, _depth, found) when is_binary(term) or is_number(term) or is_atom(term), do: found
  defp check([], _depth, found), do: found
  defp check(list, depth, found) when is_list(list), do: check_list(list, depth + 1, found)
  defp check(tuple, depth, found) when is_tuple(tuple), do: check_list(Tuple.to_list(tuple), depth + 1, found)
  defp check(%Bytes{data: data}, _depth, {worker, _}) when is_binary(data), do: {worker, true}

  defp check(%Object{worker: pid}, _depth, {worker, _}) when is_pid(pid) and worker in [nil, pid],
    do: {pid, true}

  defp check(%Object{}, _depth, _found),
    do:
      refuse(
        "the objects of a call live in different workers; make them in one call, or have one worker only"
      )

  defp check(%{__struct__: module}, _depth, _found) do
    refuse(
      "the struct #{inspect(module)} has no counterpart in Python; pass a plain map, such as " <>
        "Map.from_struct/1 makes"
    )
  end

  defp check(map, depth, found) when is_map(map) do
    :maps.fold(fn key, value, found -> check(value, depth + 1, check(key, depth + 1, found)) end, found, map)
  end

  defp check(term, _depth, _found), do: refuse("#{kind(term)} has no counterpart in Python")

  defp check_list([head | tail], depth, found), do: check_list(tail, depth, check(head, depth, found))
  defp check_list([], _depth, found), do: found

  defp check_list(_improper, _depth, _found),
    do: refuse("a list that does not end in [] has no counterpart in Python")

  defp kind(term) when is_function(term), do: "a function"
  defp kind(term) when is_bitstring(term), do: "a bitstring that is no binary"
  defp kind(term) when is_pid(term), do: "a pid"
  defp kind(term) when is_port(term), do: "a port"
  defp kind(_reference), do: "a reference"

  # Python knows an object by its number, and bytes as a binary with one bit more: no other bitstring gets there.
  defp strip(%Object{id: id}), do: %{__struct__: Object, id: id}
  defp strip(%Bytes{data: data}), do: <<data::binary, 1::1>>
  defp strip(list) when is_list(list), do: Enum.map(list, &strip/1)
  defp strip(tuple) when is_tuple(tuple), do: tuple |> Tuple.to_list() |> strip() |> List.to_tuple()
  defp strip(map) when is_map(map), do: Map.new(map, fn {key, value} -> {strip(key), strip(value)} end)
  defp strip(term), do: term

  @doc """
  Decodes what came from Python. Makes no atom, and returns plain data only: no struct, function, pid, port or reference.
  """
  @spec decode(binary) :: {:ok, term} | {:error, Error.t()}
  # Compressed, a few bytes could become gigabytes.
  def decode(<<131, 80, _rest::binary>>),
    do: error(:result, "the result is a compressed term, which is refused")

  def decode(binary) do
    {term, used} = :erlang.binary_to_term(binary, [:safe, :used])

    cond do
      used != byte_size(binary) ->
        error(:result, "bytes follow the term of the result")

      data?(term) ->
        {:ok, term}

      true ->
        error(
          :result,
          "the result has a struct, a function, a pid, a port or a reference in it, which is refused"
        )
    end
  rescue
    _ in [ArgumentError, SystemLimitError] ->
      error(
        :result,
        "the result is no term, or has an atom that does not exist here; return text in place of it"
      )
  end

  defp data?([head | tail]), do: data?(head) and data?(tail)
  defp data?(tuple) when is_tuple(tuple), do: tuple |> Tuple.to_list() |> data?()

  defp data?(%{__struct__: _}), do: false

  defp data?(map) when is_map(map),
    do: :maps.fold(fn key, value, data? -> data? and data?(key) and data?(value) end, true, map)

  defp data?(term), do: is_binary(term) or is_number(term) or is_atom(term) or term == []

  @spec refuse(String.t()) :: no_return
  defp refuse(sentence), do: throw({:no_counterpart, sentence})

  defp error(type, sentence), do: {:error, Error.new(type, sentence)}
end
