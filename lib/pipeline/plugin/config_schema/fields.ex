defmodule Pipeline.Plugin.ConfigSchema.Fields do
  @moduledoc false
  # Validates the fields of a map or a keyword list.

  alias Pipeline.Plugin.ConfigSchema.{Problem, Secret, Type}
  alias Pipeline.Options

  @type result(value) :: {:ok, value} | {:error, [Problem.t()]}

  @spec cast_map(keyword, term, [term]) :: result(map)
  def cast_map(schema, value, path) do
    with {:ok, fields} <- cast(schema, value, "a map", path), do: {:ok, Map.new(fields)}
  end

  @spec cast_keyword(keyword, term, [term]) :: result(keyword)
  def cast_keyword(schema, value, path), do: cast(schema, value, "a keyword list", path)

  @doc "The type of a field, with `keys:` merged into it."
  @spec type(keyword) :: Pipeline.Plugin.ConfigSchema.type()
  def type(options) do
    case {Keyword.fetch(options, :keys), Keyword.get(options, :type)} do
      {:error, nil} -> if Keyword.has_key?(options, :type), do: nil, else: :any
      {:error, type} -> type
      {{:ok, keys}, :keyword_list} -> {:keyword_list, keys}
      {{:ok, keys}, _map} -> {:map, keys}
    end
  end

  defp cast(schema, value, expected, path) do
    case pairs(value) do
      {:ok, pairs} -> pairs |> named(schema, path) |> cast_fields(schema, path)
      :error -> {:error, [Problem.wrong(path, expected, value) |> hide(Secret.within_fields?(schema))]}
    end
  end

  # A value of the wrong shape can hold the secret all the same.
  defp hide(problem, true), do: %{problem | got: nil}
  defp hide(problem, false), do: problem

  defp pairs(value) when is_map(value) and not is_struct(value), do: {:ok, Map.to_list(value)}
  defp pairs(value), do: if(Keyword.keyword?(value), do: {:ok, value}, else: :error)

  # The given values by declared field, and the problems with the keys.
  defp named(pairs, schema, path) do
    declared = Keyword.keys(schema)
    by_text = Map.new(declared, &{Atom.to_string(&1), &1})

    {given, problems} =
      Enum.reduce(pairs, {%{}, []}, fn {key, value}, {given, problems} ->
        field = if is_binary(key), do: by_text[key], else: if(key in declared, do: key)

        cond do
          field == nil ->
            {given, [unknown(key, declared, path) | problems]}

          is_map_key(given, field) ->
            {given, [Problem.new(path ++ [field], :duplicate, "is given twice") | problems]}

          true ->
            {Map.put(given, field, value), problems}
        end
      end)

    {given, Enum.reverse(problems)}
  end

  defp unknown(key, declared, path) do
    known = Enum.map_join(declared, ", ", &inspect/1)
    known = if known == "", do: " No field is known here", else: " Known: " <> known

    name = if is_binary(key), do: ":" <> key, else: key
    meant = if is_binary(name) or is_atom(name), do: Options.did_you_mean(name, declared), else: ""
    Problem.new(path ++ [key], :unknown, "unknown field." <> meant <> known)
  end

  defp cast_fields({given, problems}, schema, path) do
    results = for {field, options} <- schema, do: {field, cast_field(field, options, given, path)}
    problems = problems ++ for {_field, {:error, problems}} <- results, problem <- problems, do: problem

    case problems do
      [] -> {:ok, for({field, {:ok, value}} <- results, do: {field, value})}
      problems -> {:error, problems}
    end
  end

  defp cast_field(field, options, given, path) do
    path = path ++ [field]

    case {given, Keyword.fetch(options, :default)} do
      {%{^field => value}, _} -> cast_value(value, options, path)
      {_, {:ok, default}} -> cast_value(default, options, path)
      {_, :error} -> if options[:required], do: {:error, [required(path)]}, else: :none
    end
  end

  defp required(path), do: Problem.new(path, :required, "is required")

  defp cast_value(value, options, path) do
    case {Type.cast(type(options), value, path), options[:secret]} do
      {{:error, problems}, true} -> {:error, problems |> Enum.map(&Problem.hide(&1, path)) |> Enum.uniq()}
      {result, _} -> result
    end
  end
end
