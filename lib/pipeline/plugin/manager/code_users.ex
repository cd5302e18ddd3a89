defmodule Pipeline.Plugin.Manager.CodeUsers do
  @moduledoc false
  # Which plugins of the VM run the code of a module: several instances can load it, and one instance several times (`as:`).

  alias Pipeline.Instance.Names
  alias Pipeline.Plugin
  alias Pipeline.Plugin.Registry

  @type user :: {instance :: term, Plugin.plugin_id()}

  @doc "The plugins with this module, in all instances."
  @spec of(module) :: [user]
  def of(module) do
    for instance <- Names.instances(), %{id: id, module: ^module} <- plugins(instance), do: {instance, id}
  end

  defp plugins(instance) do
    Registry.list(Registry.of(instance))
  rescue
    # It has just ended.
    ArgumentError -> []
  end
end
