defmodule Pipeline.Options do
  @moduledoc false

  # The distance below which Elixir's own "did you mean" stays silent.
  @threshold 0.77

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
  @spec validate!(keyword, [atom], String.t()) :: keyword
  def validate!(opts, known, of) do
    case check(opts, known, of) do
      :ok -> opts
      {:error, message} -> raise ArgumentError, message
    end
  end

  @doc "The same as a value."
  @spec check(term, [atom], String.t()) :: :ok | {:error, String.t()}
  def check(opts, known, of) do
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

  defp text(name) when is_binary(name), do: name
  defp text(name), do: inspect(name)
end
