defmodule Pipeline.Plugin.ConfigSchema.Secret do
  @moduledoc false
  # The fields with `secret: true`, also those within other fields: in a nested map, in the elements of a list.

  alias Pipeline.Plugin.ConfigSchema.{Fields, Type}
  alias Pipeline.Secrets

  @doc "The secrets of a configuration that fits the schema, `nil` if it has none."
  @spec of(map, keyword) :: Secrets.t() | nil
  def of(config, schema) do
    {shown, secret} = fields(config, schema, [])
    Secrets.new(shown, secret)
  end

  @doc "Whether a value of a type can hold a secret field."
  @spec within?(Type.t()) :: boolean
  def within?({kind, fields}) when kind in [:map, :keyword_list], do: within_fields?(fields)
  def within?({:list, type}), do: within?(type)
  def within?({:map, key, value}), do: within?(key) or within?(value)
  def within?({kind, types}) when kind in [:tuple, :or] and is_list(types), do: Enum.any?(types, &within?/1)
  def within?(_type), do: false

  @doc "Whether one of these fields is secret, or holds one that is."
  @spec within_fields?(keyword) :: boolean
  def within_fields?(schema) do
    Enum.any?(schema, fn {_field, options} -> options[:secret] == true or within?(Fields.type(options)) end)
  end

  # Each returns the value as it is shown, and the secret values so far.
  defp fields(pairs, schema, secret) do
    {pairs, secret} =
      Enum.map_reduce(pairs, secret, fn {field, value}, secret ->
        {value, secret} = field(value, Keyword.get(schema, field, []), secret)
        {{field, value}, secret}
      end)

    {Map.new(pairs), secret}
  end

  defp field(value, options, secret) do
    if options[:secret],
      do: {Secrets.filtered(), [value | secret]},
      else: value(value, Fields.type(options), secret)
  end

  defp value(value, {:map, fields}, secret) when is_map(value), do: fields(value, fields, secret)

  defp value(value, {:keyword_list, fields}, secret) when is_list(value) do
    Enum.map_reduce(value, secret, fn {field, value}, secret ->
      {value, secret} = field(value, Keyword.get(fields, field, []), secret)
      {{field, value}, secret}
    end)
  end

  defp value(value, {:list, type}, secret) when is_list(value),
    do: Enum.map_reduce(value, secret, &value(&1, type, &2))

  defp value(value, {:tuple, types}, secret) when is_tuple(value) do
    {elements, secret} =
      value
      |> Tuple.to_list()
      |> Enum.zip(types)
      |> Enum.map_reduce(secret, fn {element, type}, secret -> value(element, type, secret) end)

    {List.to_tuple(elements), secret}
  end

  defp value(value, {:map, key_type, value_type}, secret) when is_map(value) do
    {pairs, secret} =
      Enum.map_reduce(value, secret, fn {key, value}, secret ->
        {key, secret} = value(key, key_type, secret)
        {value, secret} = value(value, value_type, secret)
        {{key, value}, secret}
      end)

    {Map.new(pairs), secret}
  end

  # The type that the value has.
  defp value(value, {:or, types}, secret) do
    case Enum.find(types, &match?({:ok, _}, Type.cast(&1, value, []))) do
      nil -> {value, secret}
      type -> value(value, type, secret)
    end
  end

  defp value(value, _type, secret), do: {value, secret}
end
