defmodule Pipeline.Plugin.Manager.BootPending do
  @moduledoc false
  # The plugins that an instance was configured with and that are not loaded, each with the reason: what readiness needs
  # to know beyond the registry. It is written when the instance starts, then by the manager alone; anyone reads
  # it, while the manager is busy too.

  @behaviour Pipeline.Instance.Published

  @type reason :: :not_loaded_yet | Pipeline.Plugin.Error.t()

  @doc "Plugins that are about to be loaded."
  @impl true
  def open(instance, modules), do: put(instance, Map.new(modules, &{&1, :not_loaded_yet}))

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
  def list(instance), do: :persistent_term.get({__MODULE__, instance}, %{})

  @impl true
  def close(instance), do: put(instance, %{})

  defp put(instance, missing) when missing == %{} do
    :persistent_term.erase({__MODULE__, instance})
    :ok
  end

  defp put(instance, missing), do: :persistent_term.put({__MODULE__, instance}, missing)
end
