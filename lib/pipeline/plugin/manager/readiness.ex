defmodule Pipeline.Plugin.Manager.Readiness do
  @moduledoc false
  # Which plugins are wanted and do not run.

  alias Pipeline.Instance.Names
  alias Pipeline.Plugin.Registry
  alias Pipeline.Plugin.Manager.BootPending

  # Those that an operator has stopped or is unloading are not wanted.
  @unwanted [:stopped, :draining]

  @type reason :: BootPending.reason() | {:state, atom} | :restarting
  @type lacking :: %{plugin: Pipeline.Plugin.plugin_id() | nil, module: module | nil, reason: reason}

  @spec lacking(atom) :: [lacking]
  def lacking(instance) do
    infos = instance |> Registry.owned() |> Registry.list()
    registered = MapSet.new(infos, & &1[:module])

    not_loaded =
      for {module, reason} <- BootPending.list(instance), module not in registered do
        %{plugin: id(reason), module: module, reason: reason}
      end

    not_running =
      for %{id: id, state: state} = info <- infos,
          reason = reason(id, state, instance),
          do: %{plugin: id, module: info[:module], reason: reason}

    not_loaded ++ not_running
  end

  defp reason(_id, state, _instance) when state in @unwanted, do: nil

  defp reason(id, :started, instance) do
    if Names.whereis(instance, {:plugin, id}), do: nil, else: :restarting
  end

  defp reason(_id, state, _instance), do: {:state, state}

  defp id(%{plugin: id}), do: id
  defp id(_reason), do: nil
end
