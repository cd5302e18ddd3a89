defmodule Pipeline.Plugin.Log do
  @moduledoc false
  # Log lines about plugins. Each begins with the plugin, and has the metadata `plugin`, `instance` and `version`.

  require Logger

  alias Pipeline.Foreign
  alias Pipeline.Plugin
  alias Pipeline.Plugin.{Error, Registry}

  @typedoc "A plugin as it is or was registered, or its id."
  @type plugin ::
          %{:id => Plugin.plugin_id(), :version => Plugin.version(), optional(atom) => term}
          | Plugin.plugin_id()

  for level <- [:info, :warning, :error] do
    @doc false
    @spec unquote(level)(plugin, term, String.t()) :: :ok
    def unquote(level)(plugin, instance, text), do: log(unquote(level), plugin, instance, text)
  end

  defp log(level, plugin, instance, text) do
    # At a higher level nobody pays for the look-up.
    if Logger.compare_levels(level, Logger.level()) != :lt do
      metadata = metadata(plugin, instance)
      Logger.bare_log(level, "plugin #{Foreign.term(metadata[:plugin])} #{text}", metadata)
    end

    :ok
  end

  @doc "Logs an error of a plugin by its own message."
  @spec failed(Error.t(), term, String.t()) :: :ok
  def failed(%Error{plugin: plugin} = error, instance, prefix \\ ""),
    do: Logger.error(prefix <> Exception.message(error), metadata(plugin, instance))

  @doc "The metadata of a line about a plugin."
  @spec metadata(plugin | nil, term) :: keyword
  def metadata(%{id: id, version: version}, instance), do: [plugin: id, instance: instance, version: version]

  def metadata(nil, instance), do: [plugin: nil, instance: instance, version: nil]

  def metadata(id, instance) do
    case Registry.info(Registry.owned(instance), id) do
      %{version: version} -> [plugin: id, instance: instance, version: version]
      _ -> [plugin: id, instance: instance, version: nil]
    end
  end
end
