defmodule Pipeline.Plugin.Dependents do
  @moduledoc false
  # The dependencies between loaded plugins, given as `%{id => manifest}`.

  alias Pipeline.Plugin

  @type plugins :: %{Plugin.plugin_id() => map}

  @doc "Returns the direct dependencies of each plugin, optional ones included."
  @spec graph(plugins) :: %{Plugin.plugin_id() => [Plugin.plugin_id()]}
  def graph(plugins) do
    for {id, %{dependencies: [_ | _]} = manifest} <- plugins, into: %{}, do: {id, needs(manifest, plugins)}
  end

  @doc "Returns what a plugin depends on directly, optional dependencies included."
  @spec needs(map, plugins) :: [Plugin.plugin_id()]
  def needs(%{id: id, dependencies: dependencies}, plugins) do
    Enum.flat_map(dependencies, fn {target, _opts} -> targets(target, id, plugins) end)
  end

  @doc "Returns the plugins that require this one directly."
  @spec direct(plugins, Plugin.plugin_id()) :: [Plugin.plugin_id()]
  def direct(plugins, id) do
    for {dependent, manifest} <- plugins,
        dependent != id,
        Enum.any?(manifest.dependencies, &needs?(&1, dependent, id, plugins)),
        do: dependent
  end

  @doc "Returns the plugins that are to be restarted with this one."
  @spec rest_for_one(plugins, Plugin.plugin_id()) :: [Plugin.plugin_id()]
  def rest_for_one(plugins, id) do
    for {dependent, %{dependencies: dependencies}} <- plugins,
        Enum.any?(dependencies, fn {target, opts} -> target == id and opts[:rest_for_one] == true end),
        do: dependent
  end

  @doc "Returns the plugins that require any of these, directly or not, dependents first."
  @spec all(plugins, [Plugin.plugin_id()]) :: [Plugin.plugin_id()]
  def all(plugins, ids) do
    going = MapSet.new(ids)
    doomed = plugins |> closure(going) |> MapSet.difference(going)
    {:ok, waves} = plugins |> Map.take(MapSet.to_list(doomed)) |> Map.values() |> Plugin.Loader.unload_order()
    List.flatten(waves)
  end

  # A plugin that requires a capability is affected only if its last provider is.
  defp closure(plugins, doomed) do
    left = Map.drop(plugins, MapSet.to_list(doomed))

    new =
      for {dependent, manifest} <- left,
          Enum.any?(manifest.dependencies, fn {target, opts} ->
            opts[:optional] != true and targets(target, dependent, plugins) != [] and
              targets(target, dependent, left) == []
          end),
          into: doomed,
          do: dependent

    if MapSet.equal?(new, doomed), do: doomed, else: closure(plugins, new)
  end

  defp needs?({target, opts}, dependent, id, plugins) do
    opts[:optional] != true and targets(target, dependent, plugins) == [id]
  end

  # A plugin does not meet its own dependency on a capability.
  defp targets({:capability, name}, dependent, plugins) do
    for {id, manifest} <- plugins,
        id != dependent,
        List.keymember?(manifest.capabilities, name, 0),
        do: id
  end

  defp targets(id, _dependent, plugins), do: if(is_map_key(plugins, id), do: [id], else: [])
end
