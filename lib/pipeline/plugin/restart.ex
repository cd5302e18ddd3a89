defmodule Pipeline.Plugin.Restart do
  @moduledoc false
  # How often a plugin that crashes is restarted, and when one that has failed is tried again.

  alias Pipeline.Options

  @default %{max: 3, within: 5_000, backoff: %{min: 200, max: 30_000}}

  @typedoc "Milliseconds, but for `max`, a number of restarts."
  @type t :: %{
          max: non_neg_integer,
          within: pos_integer,
          backoff: %{min: pos_integer, max: pos_integer}
        }

  @typedoc "What a plugin or its loader says of it."
  @type given :: %{
          optional(:max) => non_neg_integer,
          optional(:within) => pos_integer,
          optional(:backoff) => %{optional(:min) => pos_integer, optional(:max) => pos_integer}
        }

  @spec default() :: t
  def default, do: @default

  @spec check(term) :: {:ok, given} | {:error, String.t()}
  def check(opts) do
    with :ok <- Options.check(opts, [:max, :within, :backoff], "restart:"),
         :ok <- Options.check(Keyword.get(opts, :backoff, []), [:min, :max], "backoff:"),
         backoff = Map.new(Keyword.get(opts, :backoff, [])),
         :ok <- check_number(opts[:max], 0, "max: is a number of restarts from 0"),
         :ok <- check_number(opts[:within], 1, "within: is a number of milliseconds"),
         :ok <- check_number(backoff[:min], 1, "the min: of backoff: is a number of milliseconds"),
         :ok <- check_number(backoff[:max], 1, "the max: of backoff: is a number of milliseconds"),
         :ok <- check_order(backoff) do
      {:ok, opts |> Map.new() |> Map.merge(if(backoff == %{}, do: %{}, else: %{backoff: backoff}))}
    end
  end

  @spec check!(term) :: given
  def check!(opts) do
    case check(opts) do
      {:ok, given} -> given
      {:error, message} -> raise ArgumentError, message
    end
  end

  defp check_number(nil, _least, _sentence), do: :ok
  defp check_number(number, least, _sentence) when is_integer(number) and number >= least, do: :ok
  defp check_number(other, _least, sentence), do: {:error, "#{sentence}, got: #{inspect(other)}"}

  defp check_order(%{min: min, max: max}) when min > max,
    do: {:error, "the min: of backoff: is at most its max:, got: #{min} and #{max}"}

  defp check_order(_backoff), do: :ok

  @doc "What a plugin declares."
  @spec declared(module) :: given
  def declared(module),
    do: if(function_exported?(module, :__restart__, 0), do: module.__restart__(), else: %{})

  @doc "The later of two wins."
  @spec merge(t | given, given) :: map
  def merge(one, other) do
    Map.merge(one, other, fn
      :backoff, one, other -> Map.merge(one, other)
      _key, _one, other -> other
    end)
  end

  @doc "The limits of a supervisor, which counts in whole seconds."
  @spec supervisor_options(t) :: keyword
  def supervisor_options(%{max: max, within: within}),
    do: [max_restarts: max, max_seconds: div(within + 999, 1_000)]

  @doc "The pause before the next try, given the one before it, if there was one."
  @spec pause(t, pos_integer | nil) :: pos_integer
  def pause(%{backoff: %{min: min}}, nil), do: min
  def pause(%{backoff: %{min: min, max: max}}, before), do: min(before * 2, max(min, max))
end
