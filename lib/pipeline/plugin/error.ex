defmodule Pipeline.Plugin.Error do
  @moduledoc """
  The error of every function that changes plugins: loading, unloading, upgrading, stopping, configuring.

      {:error, %Pipeline.Plugin.Error{operation: :unload, plugin: :cache, reason: {:required_by, [:blog]}} = error} =
        Pipeline.Plugin.Manager.unload_plugin(:cache)

      Exception.message(error)
      #=> "could not unload plugin :cache: it is needed by :blog; unload them first, or pass cascade: true"

  A failed operation has changed nothing, unless its reason says otherwise. The message says what failed, why, and what
  to do.

  ## Fields

    * `:operation` - `:load`, `:unload`, `:upgrade`, `:disable`, `:enable`, `:hold`, `:restart` or `:configure`; `:find`
      for `Pipeline.Plugin.Manager.plugin_info!/2`; `:install`, `:uninstall` or `:verify` for those of `Pipeline.Package`
    * `:plugin` - the id, `nil` if it is not known or there are several
    * `:reason` - see below
    * `:message` - a sentence
    * `:step` - the step that failed, for operations that load code: `:code`, `:validate`, `:resolve`, `:config`,
      `:hooks`, `:application`, `:children`, `:init`, `:register`, `:start`, `:code_change`, `:package` or `:cluster`; otherwise
      `nil`
    * `:module` - the module that was to be loaded, if there is one
    * `:node` - the node on which it failed, for changes with `nodes: :all`

  ## Reasons

  | reason | operations | meaning |
  |---|---|---|
  | `{:not_loaded, id}` | all but load | there is no such plugin |
  | `{:called_from_callback, name}` | all | the caller is the plugin that the manager waits for, in this callback or, with `:itself`, as the target |
  | `{:required_by, ids}` | unload | other plugins need it |
  | `{:still_running, pids}` | unload, disable, hold, upgrade | runs with its hooks took longer than `:drain_timeout` |
  | `{:used_by, [{instance, id}]}` | unload, upgrade | other plugins run the code of the module |
  | `{:in_instance, instance, reason}`, `{:instance_ended, instance}` | upgrade with `instances: :all` | the plugin cannot be upgraded there, by one of these reasons, or that instance ended; all stay as they were |
  | `{:code_in_use, pids}` | unload, upgrade | processes run its old code; with `purge: true` the plugin is unloaded all the same |
  | `{:native_code, module}` | unload | with `purge: true`: the module has native functions that are not of `Pipeline.Native.Library`, and stays; the plugin is unloaded all the same |
  | `{:held, id}`, `{:stopped, id}`, `{:failed, id}` | restart, upgrade | the plugin does not run |
  | `{:already_started, id}` | enable | it runs |
  | `%Pipeline.Plugin.Store.Error{}` | disable, enable | the store was not written |
  | `{:refused, term}` | configure | the plugin refused the configuration |
  | `{:no_update_config, id}` | configure | the plugin has no `c:Pipeline.Plugin.update_config/2` |
  | `{:not_started, id, state}` | configure | the plugin does not run |
  | `{:timeout, id}` | configure | the plugin did not answer in time |
  | `{:too_large, id}` | configure | the plugin refused with a reason larger than its limit `:max_heap` |
  | `{:crashed, id, term}` | configure, upgrade | the plugin's process ended meanwhile, and is restarted as it was |
  | `{:loaded_from_elsewhere, module, path}`, `{:cannot_load, path, term}`, `{:no_file, module}`, `{:no_way_back, module}` | load, upgrade (`:code`) | the code could not be loaded, or not be put back after a failure |
  | `:not_a_plugin`, `:module_not_found`, `{:invalid_manifest, sentence}` | load, upgrade (`:validate`) | there is no usable manifest |
  | `{:already_loaded, id}`, `{:duplicate_id, id}`, `{:disabled, id}` | load (`:validate`) | the id is taken, or disabled by an operator |
  | `{:missing_dependencies, …}` and others of `Pipeline.Plugin.ResolutionError` | load, upgrade (`:resolve`) | dependencies are not met |
  | `{:invalid_config, problems}`, `{:invalid_schema, problems}`, `{:schema_failed, term}` | load, upgrade, configure (`:config`) | see `Pipeline.Plugin.ConfigSchema.validate/2` |
  | `{:invalid_hook, sentence}` | load, upgrade (`:hooks`), configure | a hook cannot stand on its point, or its configuration is wrong |
  | `{app, term}` | load (`:application`) | the application of the package did not start |
  | `{:application, app, term}` | upgrade | the same of the new version; the version before stays |
  | `{:module_clash, [{module, owner}]}`, `{:used_by, users}`, `{:no_plugin, path}`, `{:several_plugins, modules}` | load, upgrade | the package does not go with what is loaded, see `Pipeline.Package` |
  | `{child, term}`, or any term | load (`:children`) | a child did not start, or `c:Pipeline.Plugin.children/1` raised |
  | any term | load (`:init`, `:start`), upgrade (`:code_change`) | a callback returned `{:error, term}` or raised |
  | `{:not_clustered, instance}`, `:nodedown`, `:timeout`, `{:interrupted, term}` | with `nodes: :all` | see `Pipeline.Cluster` |

  Reasons of the step `:package` are those of `Pipeline.Package`.
  """

  alias Pipeline.{Foreign, Native}
  alias Pipeline.Plugin.{ConfigSchema, ResolutionError, Store}
  alias Pipeline.Sandbox

  @type operation ::
          :load
          | :unload
          | :upgrade
          | :disable
          | :enable
          | :hold
          | :restart
          | :configure
          | :find
          | :install
          | :uninstall
          | :verify

  @type step ::
          :code
          | :validate
          | :resolve
          | :config
          | :hooks
          | :application
          | :children
          | :init
          | :register
          | :start
          | :code_change
          | :package
          | :cluster

  @type t :: %__MODULE__{
          operation: operation,
          plugin: Pipeline.Plugin.plugin_id() | nil,
          module: module | nil,
          step: step | nil,
          reason: term,
          detail: String.t() | nil,
          message: String.t() | nil,
          node: node | nil
        }

  defexception [:plugin, :module, :step, :reason, :detail, :message, :node, operation: :load]

  @impl Exception
  def message(%__MODULE__{message: message}) when is_binary(message), do: message

  def message(%__MODULE__{} = error) do
    step = if error.step, do: " (step #{error.step})", else: ""
    "could not #{error.operation} #{subject(error)}#{place(error)}#{step}: #{error.detail || explain(error)}"
  end

  @doc false
  # The error of an operation, complete with its message, of whatever was the reason.
  @spec of(term, operation, Pipeline.Plugin.plugin_id() | nil) :: t
  # It names the package.
  def of(%__MODULE__{step: :package, message: message} = error, operation, id) when is_binary(message),
    do: %{error | operation: operation, plugin: error.plugin || id}

  def of(%__MODULE__{} = error, operation, id) do
    error = %{error | operation: operation, plugin: error.plugin || id}
    %{error | message: message(%{error | message: nil})}
  end

  def of({:on_node, node, %__MODULE__{} = error}, operation, id), do: of(%{error | node: node}, operation, id)

  def of({:on_node, node, reason}, operation, id),
    do: of(%__MODULE__{step: :cluster, reason: reason, node: node}, operation, id)

  def of({kind, _} = reason, operation, id) when kind in [:not_clustered, :interrupted],
    do: of(%__MODULE__{step: :cluster, reason: reason}, operation, id)

  def of(reason, operation, id), do: of(%__MODULE__{reason: reason}, operation, id)

  @doc false
  @spec resolution(ResolutionError.t()) :: t
  def resolution(%ResolutionError{} = error) do
    %__MODULE__{step: :resolve, reason: error.reason, detail: Exception.message(error)}
  end

  defp place(%{node: nil}), do: ""
  defp place(%{node: node}), do: " on the node #{node}"

  defp subject(%{plugin: nil, module: nil}), do: "the plugins"
  defp subject(%{plugin: nil, module: module}), do: Foreign.term(module)

  defp subject(%{plugin: plugin, module: module}) when module in [nil, plugin],
    do: "plugin #{Foreign.term(plugin)}"

  defp subject(%{plugin: plugin, module: module}),
    do: "plugin #{Foreign.term(plugin)} (#{Foreign.term(module)})"

  defp explain(%{reason: :not_a_plugin, module: module}) do
    "#{Foreign.term(module)} has no __plugin__/0, so it is not a plugin; write use Pipeline.Plugin in it"
  end

  defp explain(%{reason: :module_not_found, module: module}) do
    "there is no module #{Foreign.term(module)} in the code path; check its name and that it is compiled"
  end

  defp explain(%{reason: {:no_file, module}}) do
    "#{Foreign.term(module)} stands in no file, so there is nothing newer to load; give a module, a path or a BEAM binary"
  end

  defp explain(%{reason: {:no_way_back, module}}) do
    "the code of #{Foreign.term(module)} that runs is in no file of the code path any more, so a failure could not be undone; " <>
      "keep the old file until the upgrade is done and give the path of the new one, or pass rollback: false"
  end

  defp explain(%{step: :application, reason: {app, reason}}),
    do:
      "the application #{Foreign.term(app)} of its package did not start: #{Foreign.term(reason)}; it is undone"

  defp explain(%{step: :children, reason: {exception, stacktrace} = reason})
       when is_exception(exception) and is_list(stacktrace),
       do: "children/1 failed with #{failure(reason)}; it is undone"

  defp explain(%{step: :children, reason: {child, reason}}),
    do: "its child #{Foreign.term(child)} did not start: #{failure(reason)}; it is undone"

  defp explain(%{step: :children, reason: reason}),
    do: "children/1 failed with #{failure(reason)}; it is undone"

  defp explain(%{step: :code_change, reason: reason}),
    do: "code_change/3 failed with #{failure(reason)}; the version before stays"

  defp explain(%{step: step, reason: :killed}) when step in [:init, :start] do
    "its process was killed in #{step}/1, by somebody or by the VM for its limit :max_heap; it is undone"
  end

  defp explain(%{step: step, reason: reason}) when step in [:init, :start],
    do: "#{step}/1 failed with #{failure(reason)}; it is undone"

  defp explain(%{reason: reason}), do: sentence(reason)

  # A process that raised ends with the exception and the place where it was raised.
  defp failure({exception, stacktrace}) when is_exception(exception) and is_list(stacktrace) do
    Foreign.banner(:error, exception)
  end

  defp failure(reason), do: Foreign.term(reason)

  @doc false
  # Why, and what to do, for a reason alone.
  @spec sentence(term) :: String.t()
  def sentence(%module{} = error) when module in [__MODULE__, Store.Error], do: Exception.message(error)
  def sentence(error) when is_exception(error), do: Foreign.message(error)
  def sentence({:invalid_manifest, sentence}), do: "#{sentence}; correct what __plugin__/0 returns"
  def sentence({:invalid_hook, sentence}), do: sentence

  def sentence({:already_loaded, id}) do
    "a plugin with the id #{Foreign.term(id)} is loaded already; unload it first, or give this one another id"
  end

  def sentence({:disabled, id}) do
    "an operator has disabled #{Foreign.term(id)}; Pipeline.Plugin.Manager.enable_plugin(#{Foreign.term(id)}) takes that back"
  end

  def sentence({:duplicate_id, id}),
    do: "the id #{Foreign.term(id)} is used twice; give one of the plugins another"

  def sentence({:cannot_load, path, reason}), do: "#{path} cannot be loaded: #{Foreign.term(reason)}"

  def sentence({:application, app, reason}) do
    "the application #{Foreign.term(app)} of its package did not start: #{Foreign.term(reason)}; the version before stays"
  end

  def sentence({:not_loaded, id}),
    do: "there is no plugin #{Foreign.term(id)}; list_plugins/1 shows those there are"

  def sentence({:required_by, ids}) do
    "it is needed by #{Enum.map_join(ids, ", ", &Foreign.term/1)}; unload them first, or pass cascade: true"
  end

  def sentence({:already_started, _id}), do: "it runs already; there is nothing to do"

  def sentence({:still_running, pids}) do
    "#{length(pids)} processes are still in runs with its hooks: #{inspect(pids, limit: 5)}; give it a longer " <>
      "drain_timeout:, or end them with force: true"
  end

  def sentence({:used_by, users}) do
    names =
      Enum.map_join(users, ", ", fn {instance, id} -> "#{Foreign.term(id)} of #{Foreign.term(instance)}" end)

    "its module is also that of #{names}; unload these first, upgrade them along with instances: :all, or upgrade to a module of another name"
  end

  def sentence({:in_instance, instance, reason}),
    do: "it cannot be upgraded in the instance #{Foreign.term(instance)}: #{sentence(reason)}"

  def sentence({:instance_ended, instance}),
    do: "the instance #{Foreign.term(instance)} has ended meanwhile; try again"

  def sentence({:stored, {:no_module, module}}) do
    "the store has it as loaded, and there is no module #{Foreign.line(module)} now; load it again, or unload it for good"
  end

  def sentence({:stored, {:package, problem}}),
    do: "the store has it as loaded, and its package is not: #{problem}"

  def sentence({:stored, {:unknown_id, id}}),
    do:
      "the store has it as loaded by the id #{Foreign.line(id)}, which no code of the host names; load it again"

  def sentence({:native_code, module}) do
    "#{Foreign.term(module)} has native functions, which stay in the VM until it ends"
  end

  def sentence({:code_in_use, pids}) do
    "#{length(pids)} processes still run its old code, which stays until they are done: #{inspect(pids, limit: 5)}"
  end

  def sentence({:called_from_callback, :itself}),
    do: "a plugin cannot ask for a change of itself and wait for it; ask from another process, such as a task"

  def sentence({:called_from_callback, callback}) do
    "the manager is waiting for #{callback} of the plugin that asks it; ask from another process, such as a task"
  end

  def sentence({:no_update_config, _id}) do
    "it has no update_config/2, so it cannot take a configuration while it runs; unload it and load it with the new " <>
      "one, or define update_config/2 in it"
  end

  def sentence({:refused, reason}) do
    "it refused the configuration: #{Foreign.term(reason)}; it keeps the one that it has"
  end

  def sentence({:timeout, _id}) do
    "it did not answer in time; it keeps the configuration that it has"
  end

  def sentence({:crashed, _id, reason}) do
    "its process ended meanwhile: #{Foreign.exit_reason(reason)}; it is restarted as it was"
  end

  def sentence({:too_large, _id}), do: "its answer would be larger than its limit max_heap: once it is copied"

  def sentence({:not_started, _id, state}), do: "it is #{state}, and only a started plugin can be asked"

  def sentence({kind, problems} = error)
      when kind in [:invalid_config, :invalid_schema] and is_list(problems),
      do: ConfigSchema.format(error)

  def sentence({:schema_failed, reason}) do
    "its configuration could not be validated, its config_schema/0 failed: #{Sandbox.format_error(reason)}"
  end

  def sentence({:not_clustered, instance}) do
    "the instance #{Foreign.term(instance)} is in no cluster; start it with cluster: true, or leave nodes: :all out"
  end

  def sentence(:nodedown),
    do: "the connection was lost; nothing was changed, and it catches up when it is back"

  def sentence(:timeout) do
    "it took too long, and nothing was changed; see that it is well, or give cluster: a longer timeout:"
  end

  def sentence({:interrupted, reason}) do
    "the process that made the change on all nodes ended, and each takes it back: #{Foreign.term(reason)}; try again"
  end

  def sentence(reason) do
    case reason do
      {state, _id} when is_atom(state) ->
        if state in Native.Lifecycle.idle(),
          do: "it is #{state}; enable_plugin/2 starts it",
          else: other(reason)

      _ ->
        other(reason)
    end
  end

  defp other(reason), do: "it failed with #{Foreign.term(reason)}"
end
