defmodule Pipeline.Options do
  @moduledoc false
  # Validates options, and suggests the name that the caller may have meant.

  # Elixir's own "did you mean" suggests nothing below this distance.
  @threshold 0.77

  # No longer name is a slip of a known one, and comparing takes quadratic time.
  @longest 60

  @doc """
  Returns ` Did you mean …?` with the nearest known name, or an empty string.

      iex> Pipeline.Options.did_you_mean(:retry, [:retries, :delay])
      " Did you mean :retries?"
      iex> Pipeline.Options.did_you_mean(<<255>>, [:retries])
      ""
  """
  @spec did_you_mean(term, [term]) :: String.t()
  def did_you_mean(name, known) do
    text = text(name)

    known
    |> Enum.map(&{distance(text, text(&1)), &1})
    |> Enum.max_by(&elem(&1, 0), fn -> {0.0, nil} end)
    |> case do
      {distance, nearest} when distance >= @threshold -> " Did you mean #{inspect(nearest)}?"
      _ -> ""
    end
  end

  @doc """
  Returns the options, and raises `ArgumentError` unless they are a keyword list of known keys.

      iex> Pipeline.Options.validate!([timeot: 5], [:instance, :timeout], "Some.call/2")
      ** (ArgumentError) unknown option :timeot of Some.call/2. Did you mean :timeout? Known: :instance, :timeout
  """
  @spec validate!(keyword, [atom], String.t()) :: keyword
  def validate!(opts, known, of) do
    case check(opts, known, of) do
      :ok -> opts
      {:error, message} -> raise ArgumentError, message
    end
  end

  @doc "Checks the same and returns the message of the error."
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

  # From OTP 27 on, `String.jaro_distance/2` raises for text that is not UTF-8.
  defp distance(text, known) do
    if byte_size(text) <= @longest and String.valid?(text) and String.valid?(known),
      do: String.jaro_distance(text, known),
      else: 0.0
  end

  defp text(name) when is_binary(name), do: name
  defp text(name), do: inspect(name)
end
