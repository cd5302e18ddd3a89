defmodule Pipeline.Hook.Policy.Circuit.Settings do
  @moduledoc false
  # The option `circuit:` of a hook.

  alias Pipeline.Options

  @defaults %{failures: 5, window: 10_000, cool_down: 5_000, trials: 1}
  # What the core counts at most, and a week.
  @limits %{failures: 1_024, window: 604_800_000, cool_down: 604_800_000, trials: 1_024}

  @type t :: %{
          failures: pos_integer,
          window: milliseconds :: pos_integer,
          cool_down: milliseconds :: pos_integer,
          trials: pos_integer
        }

  @doc "The settings, `nil` without a circuit."
  @spec check(term) :: {:ok, t | nil} | {:error, String.t()}
  def check(nil), do: {:ok, nil}

  def check(opts) do
    if Keyword.keyword?(opts) do
      with :ok <- Options.check(opts, Map.keys(@defaults), "circuit:"),
           :ok <- Enum.find_value(opts, :ok, &wrong/1) do
        {:ok, Map.merge(@defaults, Map.new(opts))}
      end
    else
      {:error,
       "circuit: takes a list of options, such as [failures: 5, cool_down: 5_000], got: #{inspect(opts)}"}
    end
  end

  defp wrong({key, value}) do
    limit = Map.fetch!(@limits, key)

    unless is_integer(value) and value in 1..limit do
      {:error, "circuit: takes #{unit(key)} from 1 to #{limit} for #{inspect(key)}, got: #{inspect(value)}"}
    end
  end

  defp unit(key) when key in [:window, :cool_down], do: "a number of milliseconds"
  defp unit(_key), do: "a number"
end
