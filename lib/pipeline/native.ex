defmodule Pipeline.Native do
  @moduledoc false
  # The functions of the native library `pipeline_nif`. The modules `Pipeline.Native.*` are their only callers.

  use Pipeline.Native.Library, otp_app: :pipeline_plugin, crate: :pipeline_nif

  def registry_new, do: not_built()
  def registry_snapshot(_registry), do: not_built()
  def registry_register(_registry, _id, _capabilities, _providers, _info), do: not_built()
  def registry_replace(_registry, _id, _capabilities, _providers, _info), do: not_built()
  def registry_register_all(_registry, _entries), do: not_built()
  def registry_replace_all(_registry, _entries), do: not_built()
  def registry_unregister(_registry, _id), do: not_built()
  def registry_get(_registry, _id), do: not_built()
  def registry_list(_registry), do: not_built()
  def registry_find_by_capability(_registry, _capability), do: not_built()
  def registry_find_by_capability(_registry, _capability, _value), do: not_built()
  def registry_provider(_registry, _type), do: not_built()
  def registry_generation(_registry), do: not_built()
  def registry_changed_since(_registry, _generation), do: not_built()

  def hook_order(_hooks, _dependencies), do: not_built()
  def hook_order_of_few(_hooks, _dependencies), do: not_built()

  def requirement_match(_version, _requirement, _allow_pre), do: not_built()
  def check_version(_version), do: not_built()
  def check_requirement(_requirement), do: not_built()
  def load_order(_nodes, _loaded), do: not_built()
  def unload_order(_nodes), do: not_built()
  def solve(_reply_to, _reference, _available, _roots, _preferences), do: not_built()

  def lifecycle_enter(_from, _to), do: not_built()
  def lifecycle_states, do: not_built()

  def discover(_reply_to, _reference, _paths), do: not_built()
  def read_plugin_code(_reply_to, _reference, _path, _digest), do: not_built()
  def check_manifest(_external), do: not_built()

  # Only a library that is built with the feature `counting` has it.
  def memory do
    :erlang.nif_error(%RuntimeError{
      message: "pipeline_nif counts no memory: build it with PIPELINE_COUNT_MEMORY=1 mix compile"
    })
  end

  defp not_built, do: Pipeline.Native.Library.not_built(:pipeline_nif)
end
