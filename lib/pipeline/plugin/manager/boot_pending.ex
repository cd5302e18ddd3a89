defmodule Pipeline.Plugin.Manager.BootPending do
  @moduledoc false
  # The plugins that an instance was configured with and that are not loaded, each with the reason: what readiness needs
  # to know beyond the registry. It is written when the instance starts, then by the manager alone; anyone reads
  # it, while the manager is busy too.

  alias Pipeline.Instance.Published

  @behaviour Published

  @type reason :: :not_loaded_yet | Pipeline.Plugin.Error.t()

  @doc "Plugins that are about to be loaded."
  @impl true
  def value(_instance, modules), do: Map.new(modules, &{&1, :not_loaded_yet})

  @doc "A plugin that could not be loaded."
  @spec missing(atom, module, reason) :: :ok
  def missing(instance, module, reason), do: put(instance, Map.put(list(instance), module, reason))

  @doc "Plugins that are loaded: from here on the registry tells."
  @spec loaded(atom, [module]) :: :ok
  def loaded(instance, modules) do
    missing = list(instance)
    if Enum.any?(modules, &is_map_key(missing, &1)), do: put(instance, Map.drop(missing, modules)), else: :ok
  end

  @spec list(atom) :: %{module => reason}
  def list(instance), do: Published.get(instance, __MODULE__) || %{}

  defp put(instance, missing), do: Published.put(instance, __MODULE__, missing)
end
