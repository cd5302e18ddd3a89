defmodule Pipeline.Plugin.DSL do
  @moduledoc """
  The declarations of a plugin, imported by `use Pipeline.Plugin`.

      iex> defmodule TextNodes do
      ...>   use Pipeline.Plugin, id: :text_nodes
      ...>
      ...>   capability :node_types, [:split, :join]
      ...>   depends_on :tokenizer, version: "~> 1.0"
      ...>   depends_on capability: :llm
      ...>   provides :node_handler, MyApp.TextNodes, priority: 60
      ...>
      ...>   hook :before, :validate_node, priority: 80 do
      ...>     def validate_node(context, next), do: next.(context)
      ...>   end
      ...> end
      iex> TextNodes.__plugin__().capabilities
      [node_types: [:split, :join], node_handler: [module: MyApp.TextNodes, priority: 60]]
      iex> TextNodes.__plugin__().dependencies
      [{:tokenizer, [version: "~> 1.0"]}, {{:capability, :llm}, []}]

  A wrong declaration is a compile error with its file and line.
  """

  alias Pipeline.Plugin.Declaration

  @doc """
  Declares a capability: a name, and any term with details (`[]` by default).

  `Pipeline.Plugin.Manager.get_by_capability/2` finds the plugin by it.
  """
  defmacro capability(name, value \\ []) do
    quote do
      @pipeline_capabilities Declaration.capability!(__ENV__, unquote(name), unquote(value))
    end
  end

  @doc """
  Declares a plugin, or any provider of a capability, that must be loaded before this one.

  ## Options

    * `:version` - a requirement as in Mix: `"~> 1.2"`
    * `:optional` - when `true`, the other plugin may be missing; if it is present, it is loaded first
    * `:rest_for_one` - when `true`, this plugin is restarted whenever the process of the other was. Not for a capability
  """
  defmacro depends_on(plugin_id_or_capability, opts \\ []) do
    quote do
      @pipeline_dependencies Declaration.dependency!(
                               __ENV__,
                               unquote(plugin_id_or_capability),
                               unquote(opts)
                             )
    end
  end

  @doc """
  Declares a hook on a hook point.

  The hook is a function with the name of the point. It takes `(context, next)`, or `(context, next, plugin)` with
  the `Pipeline.Plugin.Handle` of its plugin; for the kind `:listen`, `(context)` or `(context, plugin)`. Define it
  in the `do` block or anywhere in the module. Without a function, a hook passes the
  context on; the kind `:listen` and the option `:fun` require one.

  ## Options

    * `:priority` - an integer, 50 by default; a higher priority runs earlier
    * `:before`, `:after` - an id or a list of ids of plugins. The hook runs before or after their hooks of
      this kind. These options win over priorities, and apply while the named plugin is loaded
    * `:fun` - the name of the function, needed when two hooks of the plugin share a point
    * `:on_error` - `:halt` (default), `:skip` or `:raise`, see `Pipeline.Hook`
    * `:when` - calls the hook only in runs that meet a condition: a function of the context, the name of such a
      function of the plugin, or a map of fields with the values that they must have, `when: %{type: :llm}`. An
      `:after` hook is asked with the result. In other runs it is as if the hook were not there. A native hook with
      `:when` is not fused with its neighbours
    * `:timeout` - milliseconds after which the hook fails. It runs in a task, which has the caller's instance,
      Logger metadata and level, `$callers`, OpenTelemetry context, and the entries of the process dictionary that
      `config :pipeline_plugin, propagate: [key]` names. Whatever else belongs to the caller's process does not
      reach it, such as an open database transaction. Of native hooks, only those that wait take a timeout, 5,000 by
      default
    * `:max_heap` - the bytes that a hook with a `:timeout` may use; beyond them it fails with the reason
      `:max_heap`. The limit also holds for its result, and for the context that it passes to `next`, when
      they are copied to the caller with their binaries. Without it, a copy is at most 256 MiB; the hook fails
      with `:too_large` beyond
    * `:circuit` - skips a hook for a while after it failed too often, see `Pipeline.Hook`. The defaults are
      `[failures: 5, window: 10_000, cool_down: 5_000, trials: 1]`, times in milliseconds
    * `:native` - the name of a native hook, or `{library, name}`, in place of a function
    * `:config` - the configuration of a native hook, validated when the plugin is loaded. `{:config, path}` in it
      stands for a value of the plugin's configuration, a key or a list of keys:
      `config: %{limit: {:config, [:rate, :limit]}, per_ms: 1000}`. It is validated again at
      `Pipeline.Plugin.Manager.update_config/3`, which then gives the hook the new value
    * `:cost` - where a native hook runs: `:light` on the caller's scheduler, `:heavy` on a dirty scheduler,
      `:blocking` on a thread of the library's runtime. By default as its library says

  ## Native arounds

      hook :around, :call_model, native: :retry, config: %{times: 3, on: [:timeout, :rate_limited], delay_ms: 200}
      hook :around, :call_model, native: :cache, config: %{fields: [:prompt, :model], ttl_ms: 60_000}

  `retry` repeats the inner part of the chain when it fails:

    * `times` - the largest number of repetitions, 2 by default
    * `on` - the failures to retry: modules of exceptions, reasons that are atoms, and first elements of
      reasons that are tuples. By default all failures except refusals (`throw {:hook_error, reason}`)
    * `delay_ms` - the pause before the first repetition, 0 by default. It doubles each time, up to
      `max_delay_ms` (30,000). The calling process waits; no scheduler is blocked

  Any other failure is passed on unchanged, with its plugin and its stack trace.

  `cache` returns the result of an earlier run whose fields had the same values:

    * `field`, `fields` - the key: one field or a list of fields. A field is a key or a path of keys
    * `ttl_ms` - how long a result is valid, in milliseconds (required)
    * `max_entries` - how many results are kept, 1,000 by default

  Failures are not cached. Each declared hook has its own results, which are dropped when its plugin is
  unloaded. Two concurrent runs with the same key both run the inner part.

  ## Native hooks that wait

      hook :before, :step, native: {MyApp.NativeHooks, :look_up}, timeout: 2_000
      hook :before, :step, native: :json_schema, config: config, cost: :blocking, timeout: 100

  A blocking hook, registered so by its library or declared with `cost: :blocking`, runs on a thread of the
  library's runtime with a copy of the context. 64 of them run at once, and 4,096 more can wait. A hook that
  its library registers as async holds no thread; 65,536 can wait at once. The caller waits for a message.
  After `:timeout` the hook fails with the reason `:timeout`. Then, or when the caller dies, the hook is
  cancelled: it is not started, is dropped at its next await, or sees that it was cancelled.
  """
  defmacro hook(kind, point, opts \\ [])
  # `do:` may be one of the options: hook :before, :step, priority: 60, do: def(…)
  defmacro hook(kind, point, opts) do
    {block, opts} = if Keyword.keyword?(opts), do: Keyword.split(opts, [:do]), else: {[], opts}
    declare_hook(kind, point, opts, block)
  end

  @doc "Declares a hook with options and a block, see `hook/3`."
  defmacro hook(kind, point, opts, [do: _] = block), do: declare_hook(kind, point, opts, block)

  @doc """
  Declares a module that implements a type of extension, such as `:provider` or `:node_handler`.

  This is a capability with the name of the type; its value is the module with the options.
  `Pipeline.Plugin.Manager.get_provider/2` finds it.

  ## Options

    * `:priority` - an integer, 50 by default; among several providers the highest wins
    * `:default` - when `true`, this provider wins over those without it
  """
  defmacro provides(type, module, opts \\ []) do
    quote do
      @pipeline_capabilities Declaration.provides!(__ENV__, unquote(type), unquote(module), unquote(opts))
    end
  end

  defp declare_hook(kind, point, opts, block) do
    {condition, opts} = condition(opts)
    check = if block != [], do: quote(do: Declaration.hook_block!(__ENV__))

    quote do
      unquote(condition)

      @pipeline_hooks Declaration.hook!(
                        __ENV__,
                        unquote(kind),
                        unquote(point),
                        unquote(opts),
                        unquote(block != [])
                      )
      unquote(block[:do])
      unquote(check)
    end
  end

  # A function cannot be kept in an attribute, so the one under `when:` becomes a function of the plugin.
  defp condition(opts) do
    case Keyword.keyword?(opts) && opts[:when] do
      {form, _, _} = fun when form not in [:%{}, :%] ->
        name = quote do: Declaration.condition_name(__MODULE__)

        definition =
          quote do
            def unquote({:unquote, [], [name]})(context), do: unquote(fun).(context)
          end

        {definition, Keyword.put(opts, :when, name)}

      _name_or_fields ->
        {nil, opts}
    end
  end
end
