defmodule Pipeline.Plugin.LoadError do
  @moduledoc """
  A plugin could not be loaded; everything that had been done for it, and for those loaded with it, is undone.

  `step` says how far it came and `reason` what was wrong:

  | step | reason |
  |---|---|
  | `:code` | `{:loaded_from_elsewhere, module, path}`, `{:cannot_load, path, term}`, from `Pipeline.Plugin.Discovery.load_code/1`; `{:no_file, module}`, `{:no_way_back, module}` when upgrading |
  | `:validate` | `:not_a_plugin`, `:module_not_found`, `{:invalid_manifest, sentence}`, `{:already_loaded, id}`, `{:duplicate_id, id}`, `{:invalid_config, term}`, `{:disabled, id}`, `{:called_from_callback, name}` |
  | `:resolve` | `{:missing_dependencies, …}` and the other reasons of `Pipeline.Plugin.ResolutionError` |
  | `:config` | `{:invalid_config, problems}`, `{:invalid_schema, problems}`, see `Pipeline.Plugin.ConfigSchema.validate/2`; `{:schema_failed, reason}` when `c:Pipeline.Plugin.config_schema/0` raised or hung |
  | `:hooks` | `{:invalid_hook, sentence}` |
  | `:children` | `{child, reason}` of a child that did not start, or what `c:Pipeline.Plugin.children/1` raised |
  | `:init` | what `c:Pipeline.Plugin.init/1` returned or raised |
  | `:register` | `{:duplicate_id, id}` |
  | `:start` | what `c:Pipeline.Plugin.start/1` returned or raised |
  | `:code_change` | what `c:Pipeline.Plugin.code_change/3` returned or raised |
  | `:cluster` | of a load on all nodes: `{:not_clustered, instance}`, `:nodedown`, `:timeout`, `{:interrupted, term}` |

  `node` is the node that it failed on, where plugins were to be loaded on all; see `Pipeline.Cluster` for the reasons
  that the step `:code` has there.
  """

  alias Pipeline.Plugin.{Manager, ResolutionError}

  @type step ::
          :code
          | :validate
          | :resolve
          | :config
          | :hooks
          | :children
          | :init
          | :register
          | :start
          | :code_change
          | :cluster
  @type t :: %__MODULE__{
          plugin: Pipeline.Plugin.plugin_id() | nil,
          module: module | nil,
          step: step,
          reason: term,
          detail: String.t() | nil,
          node: node | nil
        }

  defexception [:plugin, :module, :step, :reason, :detail, :node]

  @impl Exception
  def message(%__MODULE__{} = error) do
    "could not load #{subject(error)}#{place(error)} (step #{error.step}): #{error.detail || detail(error)}"
  end

  defp place(%{node: nil}), do: ""
  defp place(%{node: node}), do: " on the node #{node}"

  @doc false
  @spec resolution(ResolutionError.t()) :: t
  def resolution(%ResolutionError{} = error) do
    %__MODULE__{step: :resolve, reason: error.reason, detail: Exception.message(error)}
  end

  defp subject(%{plugin: nil, module: nil}), do: "the plugins"
  defp subject(%{plugin: nil, module: module}), do: inspect(module)
  defp subject(%{plugin: plugin, module: plugin}), do: "plugin #{inspect(plugin)}"
  defp subject(%{plugin: plugin, module: module}), do: "plugin #{inspect(plugin)} (#{inspect(module)})"

  defp detail(%{reason: :not_a_plugin, module: module}) do
    "#{inspect(module)} has no __plugin__/0, so it is not a plugin; write use Pipeline.Plugin in it"
  end

  defp detail(%{reason: :module_not_found, module: module}) do
    "there is no module #{inspect(module)} in the code path; check its name and that it is compiled"
  end

  defp detail(%{reason: {:invalid_manifest, sentence}}), do: "#{sentence}; correct what __plugin__/0 returns"
  defp detail(%{reason: {:invalid_hook, sentence}}), do: sentence

  defp detail(%{step: :config, reason: reason}), do: Pipeline.Plugin.Config.format(reason)

  defp detail(%{reason: {:invalid_config, config}}) do
    "its configuration is a map, got: #{inspect(config)}"
  end

  defp detail(%{reason: {:already_loaded, id}}) do
    "a plugin with the id #{inspect(id)} is loaded already; unload it first, or give this one another id"
  end

  defp detail(%{reason: {:disabled, id}}) do
    "an operator has disabled #{inspect(id)}; Pipeline.Plugin.Manager.enable_plugin(#{inspect(id)}) takes that back"
  end

  defp detail(%{reason: {:duplicate_id, id}}) do
    "the id #{inspect(id)} is used twice; give one of the plugins another"
  end

  defp detail(%{reason: {:cannot_load, path, reason}}), do: "#{path} cannot be loaded: #{inspect(reason)}"

  defp detail(%{reason: {:no_file, module}}) do
    "#{inspect(module)} stands in no file, so there is nothing newer to load; give a module, a path or a BEAM binary"
  end

  defp detail(%{reason: {:no_way_back, module}}) do
    "the code of #{inspect(module)} that runs is in no file of the code path any more, so a failure could not be undone; " <>
      "keep the old file until the upgrade is done and give the path of the new one, or pass rollback: false"
  end

  defp detail(%{step: :code_change, reason: reason}),
    do: "code_change/3 failed with #{failure(reason)}; the version before stays"

  defp detail(%{step: step, reason: :killed}) when step in [:init, :start] do
    "its process was killed in #{step}/1, by somebody or by the VM for its limit :max_heap; it is undone"
  end

  defp detail(%{step: :cluster, reason: reason}), do: Manager.format_error(reason)

  defp detail(%{step: :children, reason: {exception, stacktrace} = reason})
       when is_exception(exception) and is_list(stacktrace),
       do: "children/1 failed with #{failure(reason)}; it is undone"

  defp detail(%{step: :children, reason: {child, reason}}),
    do: "its child #{inspect(child)} did not start: #{failure(reason)}; it is undone"

  defp detail(%{step: :children, reason: reason}),
    do: "children/1 failed with #{failure(reason)}; it is undone"

  defp detail(%{step: :init, reason: reason}), do: "init/1 failed with #{failure(reason)}; it is undone"
  defp detail(%{step: :start, reason: reason}), do: "start/1 failed with #{failure(reason)}; it is undone"
  defp detail(%{reason: reason}), do: inspect(reason)

  # A process that raised ends with the exception and where it was raised.
  defp failure({exception, stacktrace}) when is_exception(exception) and is_list(stacktrace) do
    Exception.format_banner(:error, exception, stacktrace)
  end

  defp failure(reason), do: inspect(reason)
end
