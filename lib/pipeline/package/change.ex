defmodule Pipeline.Package.Change do
  @moduledoc false
  # From one version of a unit to another: what is loaded, what goes, and what it takes to go back. It is a value, so that
  # whoever comes after a manager that was killed can go back by it.

  alias Pipeline.Package.{Modules, Unit, Units}
  alias Pipeline.Plugin

  @enforce_keys [:module, :id, :old, :new, :load, :gone, :back]
  defstruct [:module, :id, :old, :new, :load, :gone, :back]

  @type t :: %__MODULE__{
          # The plugin to be.
          module: module,
          id: Plugin.plugin_id(),
          # `nil` where the plugin was loaded as a module of the host.
          old: Unit.t() | nil,
          new: Unit.t(),
          # Modules that are loaded or replaced, and those of them that the version before does not have.
          load: [module],
          # Modules that the new version does not have.
          gone: [module],
          # The code before of what is replaced.
          back: %{module => Unit.code()}
        }

  @doc "The change for these plugins, or why it cannot be made."
  @spec new(Unit.t() | nil, Unit.t(), current :: module, [{term, Plugin.plugin_id()}]) ::
          {:ok, t} | {:error, term}
  def new(old, new, current, upgraded) do
    with :ok <- check_users(old, upgraded),
         {:ok, module, id} <- plugin(new, current),
         {:ok, back} <- own(old, current),
         {:ok, load} <- to_load(new, back, old) do
      others = for {key, unit} <- Units.all(), old == nil or key != old.key, do: unit
      shared = for unit <- others, name <- Map.keys(unit.modules), into: MapSet.new(), do: name
      kept = Map.keys(new.modules)
      gone = for {name, _} <- back, name not in kept, name not in shared, do: name
      # What the host has is not the package's.
      own = for name <- kept, name in load or is_map_key(back, name) or name in shared, do: name
      new = %{new | modules: Map.take(new.modules, own)}
      {:ok, %__MODULE__{module: module, id: id, old: old, new: new, load: load, gone: gone, back: back}}
    end
  end

  # Code belongs to the VM: nobody else's changes.
  defp check_users(nil, _upgraded), do: :ok

  defp check_users(old, upgraded) do
    users = Units.users(old)
    if users -- upgraded == [], do: :ok, else: {:error, {:used_by, users}}
  end

  # One of several is meant by the id of the plugin that is upgraded.
  defp plugin(%Unit{plugins: plugins} = unit, current) do
    id = current.__plugin__().id
    ids = for module <- plugins, do: {module, Unit.plugin_id(unit, module)}

    case {List.keyfind(ids, id, 1), ids} do
      {{module, id}, _} -> {:ok, module, id}
      {nil, [{module, other}]} -> {:ok, module, other}
      {nil, []} -> {:error, {:no_plugin, unit.key}}
      {nil, _several} -> {:error, {:several_plugins, plugins}}
    end
  end

  # The code of the version before, which may be replaced.
  defp own(nil, current) do
    with {^current, binary, file} <- :code.get_object_code(current),
         true <- :code.module_md5(binary) == current.module_info(:md5) do
      {:ok, %{current => %{md5: current.module_info(:md5), file: file, binary: binary}}}
    else
      _ -> {:error, {:no_way_back, current}}
    end
  end

  defp own(old, _current), do: {:ok, old.modules}

  # What is not as it is loaded. Another package's module, or one of the host, is not replaced.
  defp to_load(new, back, old) do
    foreign = %{new | modules: Map.drop(new.modules, Map.keys(back))}
    changed = for {name, %{md5: md5}} <- new.modules, %{md5: other} <- [back[name]], other != md5, do: name

    with {:ok, missing} <- Modules.missing(foreign),
         :ok <- check_shared(changed, old),
         do: {:ok, changed ++ missing}
  end

  defp check_shared(changed, old) do
    clashes =
      for name <- changed,
          {key, unit} <- Units.all(),
          old == nil or key != old.key,
          is_map_key(unit.modules, name),
          do: {name, "the package #{unit.label}"}

    if clashes == [], do: :ok, else: {:error, {:module_clash, clashes}}
  end
end
