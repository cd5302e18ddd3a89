defmodule Pipeline.Package.Units do
  @moduledoc false
  # The units that this VM has loaded. Code belongs to the VM, so they are those of all instances.
  #
  # Reading is done in the caller; `Pipeline.Package.Server` writes, one change after the other. The record outlives a crash
  # of it.

  alias Pipeline.Instance.Names
  alias Pipeline.Package.Unit
  alias Pipeline.Plugin
  alias Pipeline.Plugin.Registry

  @type all :: %{Path.t() => Unit.t()}

  @typedoc "What is in the VM, or may be, and belongs to no unit: not yet, or no longer."
  @type unowned :: %{modules: [module], apps: [atom], paths: [charlist]}

  @spec all() :: all
  def all, do: :persistent_term.get(__MODULE__, %{})

  @spec put(all) :: :ok
  def put(units), do: :persistent_term.put(__MODULE__, units)

  @doc "What a server that was killed was putting into the VM, or taking out."
  @spec unowned() :: unowned | nil
  def unowned, do: :persistent_term.get({__MODULE__, :unowned}, nil)

  @doc "Notes that, before it begins. `nil` when it is done."
  @spec put_unowned(unowned | nil) :: :ok
  def put_unowned(unowned), do: :persistent_term.put({__MODULE__, :unowned}, unowned)

  @doc "The unit that a plugin's module is from."
  @spec of_plugin(module) :: Unit.t() | nil
  def of_plugin(module),
    do: Enum.find_value(all(), fn {_key, unit} -> if module in unit.plugins, do: unit end)

  @doc "The unit that a module is from, `nil` for one of the host."
  @spec owner(module) :: Unit.t() | nil
  def owner(module),
    do: Enum.find_value(all(), fn {_key, unit} -> if is_map_key(unit.modules, module), do: unit end)

  @doc "The plugins of a unit that instances have."
  @spec users(Unit.t()) :: [{instance :: term, Plugin.plugin_id()}]
  def users(%Unit{plugins: plugins}) do
    for instance <- Names.instances(), {id, module} <- loaded(instance), module in plugins, do: {instance, id}
  end

  # An instance may end at any time.
  defp loaded(instance) do
    for %{id: id, module: module} <- Registry.list(Registry.of(instance)), do: {id, module}
  rescue
    ArgumentError -> []
  end
end
