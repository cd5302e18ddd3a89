defmodule Pipeline.Plugin.ConfigSchema.Definition do
  @moduledoc false
  # Validates a schema itself.

  alias Pipeline.Plugin.ConfigSchema.{Fields, Problem, Type}
  alias Pipeline.Options

  @options [:type, :required, :default, :keys, :secret, :doc]

  @spec problems(term, [term]) :: [Problem.t()]
  def problems(schema, path) do
    if Keyword.keyword?(schema) do
      twice = Enum.uniq(Keyword.keys(schema) -- Enum.uniq(Keyword.keys(schema)))
      fields = Enum.flat_map(schema, fn {field, options} -> field(options, path ++ [field]) end)
      for(field <- twice, do: problem(path ++ [field], "is declared twice")) ++ fields
    else
      [problem(path, "a schema is a keyword list of fields, got: #{inspect(schema, limit: 5)}")]
    end
  end

  defp field(options, path) do
    case Options.check(options, @options, "a field") do
      {:error, message} -> [problem(path, message)]
      :ok -> of_options(options, path)
    end
  end

  defp of_options(options, path) do
    keys? = Keyword.has_key?(options, :keys)

    problems =
      Enum.concat([
        boolean(options, :required, path),
        boolean(options, :secret, path),
        unless_ok(
          options[:doc] in [nil, false] or is_binary(options[:doc]),
          path,
          "doc: takes a string or false"
        ),
        unless_ok(
          not (options[:required] == true and Keyword.has_key?(options, :default)),
          path,
          "has a default, so it is not required: leave out required: or default:"
        ),
        if keys? and options[:type] not in [nil, :map, :keyword_list] do
          [problem(path, "keys: is for the types :map and :keyword_list, not for #{inspect(options[:type])}")]
        else
          options |> Fields.type() |> type(path)
        end
      ])

    # A default can only be checked against a correct type.
    if problems == [], do: default(options, path), else: problems
  end

  defp boolean(options, option, path) do
    value = Keyword.get(options, option, false)
    unless_ok(is_boolean(value), path, "#{option}: takes true or false, got: #{inspect(value)}")
  end

  defp default(options, path) do
    with {:ok, default} <- Keyword.fetch(options, :default),
         {:error, problems} <- Type.cast(Fields.type(options), default, path) do
      for problem <- problems do
        problem = if options[:secret], do: Problem.hide(problem, path), else: problem
        %{problem | reason: :schema, message: "its default does not fit: " <> problem.message}
      end
    else
      _ -> []
    end
  end

  defp type(type, path) when is_atom(type) do
    unless_ok(
      type in Type.named(),
      path,
      "unknown type #{inspect(type)}." <> Options.did_you_mean(type, Type.named())
    )
  end

  defp type({:in, %Range{}}, _path), do: []

  defp type({:in, [_ | _] = choices}, path),
    do: unless_ok(not List.improper?(choices), path, "in: takes a list")

  defp type({:list, type}, path), do: type(type, path)
  defp type({:map, key, value}, path), do: type(key, path) ++ type(value, path)
  defp type({:map, fields}, path), do: problems(fields, path)
  defp type({:keyword_list, fields}, path), do: problems(fields, path)

  defp type({of, [_ | _] = types} = type, path) when of in [:tuple, :or] do
    if List.improper?(types), do: [unknown(type, path)], else: Enum.flat_map(types, &type(&1, path))
  end

  defp type({:tuple, []}, _path), do: []
  defp type({:struct, module}, _path) when is_atom(module), do: []
  defp type({:fun, arity}, _path) when arity in 0..255, do: []
  defp type({:custom, fun}, _path) when is_function(fun, 1), do: []

  defp type({:custom, module, fun, args} = type, path)
       when is_atom(module) and is_atom(fun) and is_list(args) do
    cond do
      List.improper?(args) ->
        [unknown(type, path)]

      match?({:module, _}, Code.ensure_loaded(module)) and function_exported?(module, fun, length(args) + 1) ->
        []

      true ->
        [problem(path, "its check #{inspect(module)}.#{fun}/#{length(args) + 1} is not defined")]
    end
  end

  defp type(other, path), do: [unknown(other, path)]

  defp unknown(type, path), do: problem(path, "unknown type #{inspect(type, limit: 5)}")

  defp unless_ok(true, _path, _message), do: []
  defp unless_ok(false, path, message), do: [problem(path, message)]

  defp problem(path, message), do: Problem.new(path, :schema, message)
end
