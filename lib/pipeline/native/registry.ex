defmodule Pipeline.Native.Registry do
  @moduledoc false
  # The NIFs of `native/pipeline_nif/src/registry.rs`: a registry that many processes read while one writes.

  alias Pipeline.Native

  @typedoc "A registry, or a snapshot of one."
  @type handle :: reference

  @spec new() :: handle
  defdelegate new, to: Native, as: :registry_new
  @spec snapshot(handle) :: handle
  defdelegate snapshot(registry), to: Native, as: :registry_snapshot
  defdelegate register(registry, id, capabilities, providers, info), to: Native, as: :registry_register
  defdelegate register_all(registry, entries), to: Native, as: :registry_register_all
  defdelegate replace(registry, id, capabilities, providers, info), to: Native, as: :registry_replace
  defdelegate replace_all(registry, entries), to: Native, as: :registry_replace_all
  defdelegate unregister(registry, id), to: Native, as: :registry_unregister
  defdelegate get(registry, id), to: Native, as: :registry_get
  defdelegate list(registry), to: Native, as: :registry_list
  defdelegate find_by_capability(registry, capability), to: Native, as: :registry_find_by_capability
  defdelegate find_by_capability(registry, capability, value), to: Native, as: :registry_find_by_capability
  defdelegate provider(registry, type), to: Native, as: :registry_provider
  defdelegate generation(registry), to: Native, as: :registry_generation
  defdelegate changed_since(registry, generation), to: Native, as: :registry_changed_since
end
