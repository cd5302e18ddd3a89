defmodule Pipeline.Plugin.Suggestion do
  @moduledoc false

  # The distance below which Elixir's own "did you mean" stays silent.
  @threshold 0.77

  # Bytes of a text that are compared: the comparison takes quadratic time.
  @longest 64

  @doc "The sentence ` Did you mean …?` with the nearest of the known names, or an empty string."
  @spec did_you_mean(term, [term]) :: String.t()
  def did_you_mean(name, known) do
    text = text(name)

    known
    |> Enum.map(&{String.jaro_distance(text, text(&1)), &1})
    |> Enum.max_by(&elem(&1, 0), fn -> {0.0, nil} end)
    |> case do
      {distance, nearest} when distance >= @threshold -> " Did you mean #{inspect(nearest)}?"
      _ -> ""
    end
  end

  @doc "Raises `ArgumentError` for the first option that is not known."
  @spec validate_options!(keyword, [atom], String.t()) :: keyword
  def validate_options!(opts, known, of) do
    case check_options(opts, known, of) do
      :ok -> opts
      {:error, message} -> raise ArgumentError, message
    end
  end

  @doc "The same as a value."
  @spec check_options(term, [atom], String.t()) :: :ok | {:error, String.t()}
  def check_options(opts, known, of) do
    if Keyword.keyword?(opts) do
      case Enum.find(Keyword.keys(opts), &(&1 not in known)) do
        nil -> :ok
        key -> {:error, unknown_option(key, known, of)}
      end
    else
      {:error, "options of #{of} are a keyword list, got: #{inspect(opts)}"}
    end
  end

  defp unknown_option(key, known, of) do
    "unknown option #{inspect(key)} of #{of}." <>
      did_you_mean(key, known) <> " Known: #{Enum.map_join(known, ", ", &inspect/1)}"
  end

  # `String.jaro_distance/2` raises if a text is not valid UTF-8, which a cut within a character makes it too.
  defp text(name) when is_binary(name) do
    case :unicode.characters_to_binary(binary_part(name, 0, min(byte_size(name), @longest))) do
      {_error_or_incomplete, valid, _rest} -> valid
      text -> text
    end
  end

  defp text(name), do: inspect(name)
end
