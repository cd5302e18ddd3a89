defmodule Pipeline.Plugin.Overrides do
  @moduledoc false
  # An operator's word on hooks: what it says wins over what the plugin declares, in each version of the plugin.

  alias Pipeline.Foreign
  alias Pipeline.Hook.Definition
  alias Pipeline.Options

  @typedoc "By hook point."
  @type t :: %{atom => Definition.override()}

  @doc "Checks what a loader says of the hooks of a plugin."
  @spec check(module, term) :: {:ok, t} | {:error, String.t()}
  def check(_module, given) when given in [nil, %{}, []], do: {:ok, %{}}

  def check(module, given) when is_map(given) or is_list(given) do
    Enum.reduce_while(given, {:ok, %{}}, fn
      {point, options}, {:ok, checked} ->
        case merge(module, checked, point, options) do
          {:ok, checked} -> {:cont, {:ok, checked}}
          error -> {:halt, error}
        end

      other, _checked ->
        {:halt, {:error, "hooks: takes options by hook point, got: #{inspect(other)}"}}
    end)
  end

  def check(_module, other), do: {:error, "hooks: takes options by hook point, got: #{inspect(other)}"}

  @doc """
  What an operator has said of the hooks of a plugin, with something more on one point. `nil` is the plugin's own word again.
  """
  @spec merge(module, t, atom, keyword | map) :: {:ok, t} | {:error, String.t()}
  def merge(module, overrides, point, options) do
    with :ok <- Definition.check_override(options, point),
         {:ok, definitions} <- definitions(module, point),
         override =
           overrides
           |> Map.get(point, %{})
           |> Map.merge(Map.new(options))
           |> Map.reject(fn {_key, value} -> value == nil end),
         :ok <- applies(definitions, override) do
      {:ok, if(override == %{}, do: Map.delete(overrides, point), else: Map.put(overrides, point, override))}
    end
  end

  defp definitions(module, point) do
    case Enum.filter(declared(module), &(&1.point == point)) do
      [] ->
        points = module |> declared() |> Enum.map(& &1.point) |> Enum.uniq()

        {:error,
         "the plugin has no hook on #{inspect(point)}." <>
           Options.did_you_mean(point, points) <>
           " It has some on: #{Enum.map_join(points, ", ", &inspect/1)}"}

      definitions ->
        {:ok, definitions}
    end
  end

  defp applies(definitions, override) do
    Enum.find_value(definitions, :ok, fn definition ->
      with {:ok, _definition} <- Definition.override(definition, override), do: nil
    end)
  end

  @doc "What an operator has said, for a log line: `:step (enabled: false), :other (priority: 90)`."
  @spec describe(t) :: String.t()
  def describe(overrides) do
    Enum.map_join(overrides, ", ", fn {point, options} ->
      said = Enum.map_join(options, ", ", fn {key, value} -> "#{key}: #{Foreign.term(value)}" end)
      "#{inspect(point)} (#{said})"
    end)
  end

  @doc "The hooks that a plugin declares."
  @spec declared(module) :: [Definition.t()]
  def declared(module), do: if(function_exported?(module, :__hooks__, 0), do: module.__hooks__(), else: [])
end
