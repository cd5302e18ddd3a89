defmodule Pipeline.Plugin.Recompiled do
  @moduledoc false
  # Notices in development that the module of a plugin that runs was compiled anew, by `recompile` in IEx or a code
  # reloader. Its hooks then run the new code, with the old declarations, state and configuration, which is easy to miss.

  require Logger

  alias Pipeline.Plugin.Registry

  @typedoc "The code of each plugin that runs, and since when it does."
  @type known :: %{Pipeline.Plugin.plugin_id() => {module, md5 :: binary, since :: DateTime.t()}}

  @doc "Whether to look: where Mix runs."
  @spec look?() :: boolean
  def look?, do: :erlang.module_loaded(Mix)

  @doc "Logs one line for each plugin whose module is another than the last time."
  @spec look(known, term) :: known
  def look(known, instance) do
    for %{state: :started, id: id, module: module, history: [%{at: since} | _]} <-
          Registry.list(Registry.owned(instance)),
        md5 = md5(module),
        into: %{} do
      case known do
        %{^id => {^module, before, ^since}} when before != md5 -> tell(id, module, instance)
        _ -> :ok
      end

      {id, {module, md5, since}}
    end
  end

  # It may be about to be replaced.
  defp md5(module) do
    module.module_info(:md5)
  rescue
    UndefinedFunctionError -> nil
  end

  defp tell(id, module, instance) do
    Logger.warning(
      "plugin #{inspect(id)} runs on: #{inspect(module)} was recompiled, and its hooks are the new ones where they are " <>
        "declared as before; Pipeline.Plugin.Manager.upgrade_plugin(#{inspect(id)}, #{inspect(module)}) takes over the rest",
      plugin: id,
      instance: instance
    )
  end
end
