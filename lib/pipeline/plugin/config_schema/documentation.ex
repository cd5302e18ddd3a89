defmodule Pipeline.Plugin.ConfigSchema.Documentation do
  @moduledoc false
  # Renders a schema as a Markdown list.

  alias Pipeline.Plugin.ConfigSchema.{Fields, Secret, Type}

  @spec of(keyword) :: String.t()
  def of(schema), do: schema |> lines("") |> Enum.join("\n")

  defp lines(schema, indent) do
    for {field, options} <- schema, options[:doc] != false, line <- field(field, options, indent), do: line
  end

  defp field(field, options, indent) do
    type = Fields.type(options)
    nested = nested(type)
    facts = [Type.describe(type), required(options), default(options)] |> Enum.reject(&is_nil/1)
    first = "#{indent}* `#{inspect(field)}` - #{Enum.join(facts, ", ")}"
    own = text(options[:doc], indent <> "  ")

    case nested && lines(nested, indent <> "  ") do
      none when none in [nil, []] -> [first <> "." <> own]
      lines -> [first <> "." <> own <> " Its fields:" | lines]
    end
  end

  defp nested({:map, fields}), do: fields
  defp nested({:keyword_list, fields}), do: fields
  defp nested({:list, type}), do: nested(type)
  defp nested(_type), do: nil

  defp required(options), do: if(options[:required], do: "required")

  defp default(options) do
    case {Keyword.fetch(options, :default), options[:secret] || Secret.within?(Fields.type(options))} do
      {:error, _} -> nil
      {{:ok, _default}, true} -> "with a default"
      {{:ok, default}, _} -> "by default `#{inspect(default)}`"
    end
  end

  defp text(nil, _indent), do: ""
  defp text(doc, indent), do: " " <> (doc |> String.trim() |> String.replace("\n", "\n" <> indent))
end
