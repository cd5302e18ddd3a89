defmodule Pipeline.Events.Pattern do
  @moduledoc false
  # Matching of events against the pattern of a subscription.

  @type t :: {:prefix, list | tuple} | {:pattern, term} | {:tagged, atom, t}

  @spec check(term, term) :: {:ok, nil | t} | {:error, String.t()}
  def check(:_, match) when match in [:exact, :pattern], do: {:ok, {:pattern, :_}}
  def check(_event, :exact), do: {:ok, nil}
  def check(event, :pattern), do: {:ok, {:pattern, event}}

  def check(event, :prefix) do
    if (is_list(event) and not List.improper?(event)) or is_tuple(event) do
      {:ok, {:prefix, event}}
    else
      {:error, "match: :prefix takes a list or a tuple of the first elements, got: #{inspect(event)}"}
    end
  end

  def check(_event, other) do
    {:error, "match: takes :exact, :prefix or :pattern, got: #{inspect(other)}"}
  end

  @doc "The pattern for events `{tag, event}` whose second element matches."
  @spec tagged(nil | t, nil | atom) :: nil | t
  def tagged(pattern, tag) when pattern == nil or tag == nil, do: pattern
  def tagged(pattern, tag), do: {:tagged, tag, pattern}

  @spec matches?(t, term) :: boolean
  def matches?({:tagged, tag, pattern}, {tag, event}), do: matches?(pattern, event)
  def matches?({:tagged, _tag, _pattern}, _event), do: false
  def matches?({:pattern, pattern}, event), do: same?(pattern, event)

  def matches?({:prefix, prefix}, event) when is_list(prefix) do
    is_list(event) and starts_with?(event, prefix)
  end

  def matches?({:prefix, prefix}, event) when is_tuple(event) do
    tuple_size(prefix) <= tuple_size(event) and elements?(prefix, event, tuple_size(prefix))
  end

  def matches?({:prefix, _prefix}, _event), do: false

  # An event can be an improper list, which List.starts_with?/2 does not take.
  defp starts_with?(_event, []), do: true
  defp starts_with?([head | event], [head | prefix]), do: starts_with?(event, prefix)
  defp starts_with?(_event, _prefix), do: false

  defp elements?(_prefix, _event, 0), do: true

  defp elements?(prefix, event, n) do
    :erlang.element(n, prefix) === :erlang.element(n, event) and elements?(prefix, event, n - 1)
  end

  defp same?(:_, _event), do: true

  defp same?([pattern | patterns], [event | events]) do
    same?(pattern, event) and same?(patterns, events)
  end

  defp same?(pattern, event) when is_tuple(pattern) and tuple_size(pattern) == tuple_size(event) do
    same_elements?(pattern, event, tuple_size(pattern))
  end

  defp same?(pattern, event) when is_map(pattern) and is_map(event) do
    Enum.all?(Map.to_list(pattern), fn {key, value} ->
      case event do
        %{^key => found} -> same?(value, found)
        %{} -> false
      end
    end)
  end

  defp same?(same, same), do: true
  defp same?(_pattern, _event), do: false

  defp same_elements?(_pattern, _event, 0), do: true

  defp same_elements?(pattern, event, n) do
    same?(:erlang.element(n, pattern), :erlang.element(n, event)) and same_elements?(pattern, event, n - 1)
  end
end
