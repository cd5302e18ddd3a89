defmodule Pipeline.Plugin.ConfigSchema.Type do
  @moduledoc false
  # Checks and converts values, and describes types.

  alias Pipeline.Plugin.ConfigSchema.{Fields, Problem, Secret}

  @type t :: Pipeline.Plugin.ConfigSchema.type()

  @named %{
    any: "anything",
    atom: "an atom",
    boolean: "true or false",
    integer: "an integer",
    non_neg_integer: "a non-negative integer",
    pos_integer: "a positive integer",
    float: "a float",
    number: "a number",
    string: "a string",
    map: "a map",
    keyword_list: "a keyword list",
    module: "a module that can be loaded",
    pid: "a pid",
    timeout: "a non-negative integer or :infinity",
    mfa: "a tuple {module, function, args}",
    nil: "nil"
  }

  @doc "The types that are written as an atom."
  @spec named() :: [atom]
  def named, do: Map.keys(@named)

  @doc "The description of a value of a type: `an integer`."
  @spec describe(t) :: String.t()
  def describe(type) when is_atom(type), do: @named[type]
  def describe({:in, %Range{first: first, last: last, step: 1}}), do: "an integer from #{first} to #{last}"
  def describe({:in, choices}), do: "one of " <> Enum.map_join(choices, ", ", &inspect/1)
  def describe({:list, type}), do: "a list, each element #{describe(type)}"
  def describe({:tuple, types}), do: "a tuple of #{Enum.map_join(types, ", ", &describe/1)}"
  def describe({:map, :any, :any}), do: "a map"

  def describe({:map, key, value}),
    do: "a map, each key #{describe(key)}, each value #{describe(value)}"

  def describe({:struct, module}), do: "a struct %#{inspect(module)}{}"

  def describe({:fun, arity}),
    do: "a function of #{arity} #{if arity == 1, do: "argument", else: "arguments"}"

  def describe({:map, _fields}), do: "a map"
  def describe({:keyword_list, _fields}), do: "a keyword list"
  def describe({:or, types}), do: Enum.map_join(types, " or ", &describe/1)
  def describe({:custom, _fun}), do: "a value that passes its check"

  def describe({:custom, module, fun, args}),
    do: "a value that #{inspect(module)}.#{fun}/#{length(args) + 1} takes"

  @spec cast(t, term, [term]) :: {:ok, term} | {:error, [Problem.t()]}
  def cast({:list, type} = list, value, path) do
    if proper_list?(value) do
      value |> Enum.with_index() |> all(fn {element, index} -> cast(type, element, path ++ [index]) end)
    else
      wrong(list, value, path)
    end
  end

  def cast({:tuple, types}, value, path) when is_tuple(value) and tuple_size(value) == length(types) do
    elements = [types, Tuple.to_list(value)] |> Enum.zip() |> Enum.with_index()

    with {:ok, elements} <-
           all(elements, fn {{type, element}, index} -> cast(type, element, path ++ [index]) end) do
      {:ok, List.to_tuple(elements)}
    end
  end

  def cast({:map, key_type, value_type}, value, path) when is_map(value) and not is_struct(value) do
    with {:ok, pairs} <- all(value, fn {key, value} -> pair(key_type, value_type, key, value, path) end) do
      {:ok, Map.new(pairs)}
    end
  end

  def cast({:map, fields}, value, path), do: Fields.cast_map(fields, value, path)
  def cast({:keyword_list, fields}, value, path), do: Fields.cast_keyword(fields, value, path)

  def cast({:or, types} = either, value, path) do
    Enum.find_value(types, fn type -> with {:error, _} <- cast(type, value, path), do: nil end) ||
      wrong(either, value, path)
  end

  def cast({:in, choices} = type, value, path) do
    cond do
      value in choices -> {:ok, value}
      choice = is_binary(value) and is_list(choices) && named(choices, value) -> {:ok, choice}
      true -> wrong(type, value, path)
    end
  end

  def cast({:custom, fun}, value, path), do: check(fn -> fun.(value) end, value, path)
  def cast({:custom, m, f, args}, value, path), do: check(fn -> apply(m, f, [value | args]) end, value, path)

  def cast(type, value, path) do
    if is?(type, value), do: {:ok, value}, else: wrong(type, value, path)
  end

  defp pair(key_type, value_type, key, value, path) do
    case {cast(key_type, key, path ++ [key]), cast(value_type, value, path ++ [key])} do
      {{:ok, key}, {:ok, value}} -> {:ok, {key, value}}
      {key, value} -> {:error, problems(key) ++ problems(value)}
    end
  end

  # Compares text, so that a string from outside never becomes an atom. `nil` and `false` are not names.
  defp named(choices, text) do
    Enum.find(choices, &(is_atom(&1) and &1 not in [nil, false] and Atom.to_string(&1) == text))
  end

  defp is?(:any, _value), do: true
  defp is?(nil, value), do: value == nil
  defp is?(:atom, value), do: is_atom(value)
  defp is?(:boolean, value), do: is_boolean(value)
  defp is?(:integer, value), do: is_integer(value)
  defp is?(:non_neg_integer, value), do: is_integer(value) and value >= 0
  defp is?(:pos_integer, value), do: is_integer(value) and value > 0
  defp is?(:float, value), do: is_float(value)
  defp is?(:number, value), do: is_number(value)
  defp is?(:string, value), do: is_binary(value) and String.valid?(value)
  defp is?(:map, value), do: is_map(value)
  defp is?(:keyword_list, value), do: Keyword.keyword?(value)
  defp is?(:module, value), do: is_atom(value) and match?({:module, _}, Code.ensure_loaded(value))
  defp is?(:pid, value), do: is_pid(value)
  defp is?(:timeout, value), do: value == :infinity or is?(:non_neg_integer, value)

  defp is?(:mfa, value) do
    match?({m, f, args} when is_atom(m) and is_atom(f) and is_list(args), value) and
      proper_list?(elem(value, 2))
  end

  defp is?({:struct, module}, value), do: is_struct(value, module)
  defp is?({:fun, arity}, value), do: is_function(value, arity)
  defp is?(_other, _value), do: false

  defp check(call, value, path) do
    case call.() do
      {:ok, value} ->
        {:ok, value}

      {:error, message} when is_binary(message) ->
        {:error, [%{Problem.new(path, :check, message) | got: {:ok, value}}]}

      {:error, reason} ->
        {:error, [%{Problem.new(path, :check, "was refused: #{inspect(reason)}") | got: {:ok, value}}]}

      other ->
        {:error,
         [
           Problem.new(
             path,
             :schema,
             "its check returned neither {:ok, _} nor {:error, _}: #{inspect(other)}"
           )
         ]}
    end
  rescue
    error -> {:error, [Problem.new(path, :schema, "its check raised #{inspect(error.__struct__)}")]}
  catch
    kind, _reason -> {:error, [Problem.new(path, :schema, "its check ended with #{kind}")]}
  end

  # Reports every problem, not only the first.
  defp all(elements, cast) do
    results = Enum.map(elements, cast)

    case Enum.flat_map(results, &problems/1) do
      [] -> {:ok, Enum.map(results, &elem(&1, 1))}
      problems -> {:error, problems}
    end
  end

  defp problems({:ok, _}), do: []
  defp problems({:error, problems}), do: problems

  defp wrong(type, value, path) do
    problem = Problem.wrong(path, describe(type), value)
    {:error, [if(Secret.within?(type), do: %{problem | got: nil}, else: problem)]}
  end

  defp proper_list?(value), do: is_list(value) and not List.improper?(value)
end
