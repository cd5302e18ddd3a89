defmodule Pipeline.Plugin.Config.Reference do
  @moduledoc false
  # `{:config, path}` in the configuration of a native hook stands for a value of the plugin's configuration.

  @typedoc "A key, or the keys on the way to a value."
  @type path :: term | [term]

  @doc "Whether a term contains references."
  @spec any?(term) :: boolean
  def any?({:config, _path}), do: true

  def any?(map) when is_map(map) and not is_struct(map),
    do: Enum.any?(map, fn {_key, value} -> any?(value) end)

  def any?([head | tail]), do: any?(head) or any?(tail)
  def any?(_other), do: false

  @doc "Puts the values in place of the references. The error is a sentence."
  @spec resolve(term, config :: map) :: {:ok, term} | {:error, String.t()}
  def resolve(term, config) do
    {:ok, put(term, config)}
  catch
    {__MODULE__, path} ->
      {:error,
       "it refers to #{inspect(path)} in the plugin's configuration, where there is no such value; give it one"}
  end

  defp put({:config, path}, config), do: fetch!(config, List.wrap(path), path)

  defp put(map, config) when is_map(map) and not is_struct(map),
    do: Map.new(map, fn {key, value} -> {key, put(value, config)} end)

  defp put([head | tail], config), do: [put(head, config) | put(tail, config)]
  defp put(other, _config), do: other

  defp fetch!(value, [], _path), do: value

  defp fetch!(map, [key | keys], path) when is_map_key(map, key),
    do: map |> Map.fetch!(key) |> fetch!(keys, path)

  defp fetch!(_other, _keys, path), do: throw({__MODULE__, path})
end
