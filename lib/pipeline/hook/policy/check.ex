defmodule Pipeline.Hook.Policy.Check do
  @moduledoc false
  # The schemas of a point, `context:` and `result:` (`Pipeline.Hook.Spec`). A hook fails that hands on what does not fit:
  # a context by `next`, a result by `next` of an after hook or by its return.
  #
  # It is around the hook itself, so that the failure is that hook's, and is there only where an instance checks.

  @behaviour Pipeline.Hook.Policy

  alias Pipeline.Plugin.ConfigSchema

  @typedoc "Of a map its fields, and of other values their type."
  @type schema :: {:fields, ConfigSchema.t()} | {:type, ConfigSchema.type()}

  @type schemas :: %{context: schema | nil, result: schema | nil}

  @doc "The schema that a declaration gives; none for a list of keys, which is for readers."
  @spec schema(term) :: {:ok, schema | nil} | {:error, String.t()}
  def schema(nil), do: {:ok, nil}
  def schema([]), do: {:ok, nil}

  def schema(given) do
    cond do
      is_list(given) and Enum.all?(given, &is_atom/1) -> {:ok, nil}
      Keyword.keyword?(given) -> with :ok <- checked(given), do: {:ok, {:fields, given}}
      true -> with :ok <- checked(value: [type: given]), do: {:ok, {:type, given}}
    end
  end

  defp checked(schema) do
    with {:error, {:invalid_schema, problems}} <- ConfigSchema.check(schema),
         do: {:error, Enum.map_join(problems, "; ", &to_string/1)}
  end

  @impl true
  def wrap(fun, schemas, %{kind: kind}) do
    handed_on = if kind == :after, do: {:result, schemas.result}, else: {:context, schemas.context}
    returned = {:result, schemas.result}

    fn context, next ->
      next = next && fn handed -> handed |> fits!(handed_on) |> next.() end
      context |> fun.(next) |> fits!(returned)
    end
  end

  @doc "The value, if it fits; exits with `{:invalid_context | :invalid_result, sentences}` otherwise."
  @spec fits!(value, {:context | :result, schema | nil}) :: value when value: term
  def fits!(value, {what, schema}) do
    case problems(value, schema) do
      [] -> value
      problems -> exit({if(what == :context, do: :invalid_context, else: :invalid_result), problems})
    end
  end

  @doc "What is wrong with a value, a sentence each, with the path of the field."
  @spec problems(term, schema | nil) :: [String.t()]
  def problems(_value, nil), do: []

  # Further fields are nobody's business.
  def problems(value, {:fields, fields}) when is_map(value) and not is_struct(value),
    do: value |> Map.take(Keyword.keys(fields)) |> ConfigSchema.validate(fields) |> sentences()

  def problems(value, {:fields, _fields}), do: problems(value, {:type, :map})

  def problems(value, {:type, type}),
    do: %{value: value} |> ConfigSchema.validate(value: [type: type]) |> sentences()

  defp sentences({:ok, _value}), do: []
  defp sentences({:error, {:invalid_config, problems}}), do: Enum.map(problems, &to_string/1)
end
